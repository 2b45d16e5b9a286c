"""``gitops sandbox probe`` and ``gitops sandbox policy show|set``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.lazy import Command, LazyGroup, Unchecked
from reconciler.cli.options import Duration, Where, prints, reads_store
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.sandbox.policy import SandboxPolicy


@click.group(cls=LazyGroup)
def command() -> None:
    """What scripts may do, and what this host can enforce of it."""


@command.command(cls=Unchecked)
@prints()
def probe(output: Output) -> int:
    """Try every layer on this host. Exits with 1 when the shipped policy would refuse to run scripts."""
    from reconciler.report.sandbox_text import probe_json, probe_text
    from reconciler.sandbox.policy import shipped_default
    from reconciler.sandbox.probes import egress
    from reconciler.sandbox.probes import probe as probed
    from reconciler.sandbox.spawner import Spawner

    spawner = Spawner()
    try:
        policy = shipped_default()
        found = probed(policy, spawner)
        if found.platform == "linux":
            found = egress(found, policy, spawner)
    finally:
        spawner.close()
    ready = found.sandbox and found.seccomp and found.limits
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "platform": found.platform, "ready": ready, "layers": probe_json(found.rows)})
    else:
        output.lines(probe_text(found.rows, output.style))
        output.lines(["", f"Scripts {'run' if ready else 'are refused'} here under the shipped policy."])
    return 0 if ready else 1


@command.command(cls=Command)
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--language", type=click.Choice(["shell", "python", "node"]), help="By default the file's ending tells.")
@click.option("--timeout", type=Duration(), default="30s", metavar="DURATION", help="Wall clock. Default: 30s.")
@click.option("--context", metavar="JSON", help="What the script sees as its context.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="A variable for the script. Repeatable.")
@reads_store()
@prints(quiet=True)
def run(
    where: Where,
    output: Output,
    *,
    script: Path,
    language: str | None,
    timeout: float,
    context: str | None,
    variables: tuple[str, ...],
) -> int:
    """Run one script as a check would, and report what was enforced. Exits with 1 when it fails or is refused."""
    from reconciler.cli.stores import store_to_read
    from reconciler.flows.sandbox import language_of, run_script
    from reconciler.report.sandbox_text import run_json, run_text

    chosen = language or language_of(script.name)
    if chosen is None:
        raise click.UsageError(f"the ending of {script.name} tells no language: pass --language")
    result = run_script(
        store_to_read(where.settled().store),
        chosen,
        _script(script),
        context=_context(context),
        environment=_variables(variables),
        timeout_ms=round(timeout * 1000),
    )
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, **run_json(result)})
    else:
        output.lines(run_text(result, output.style, quiet=output.quiet))
    return 0 if result.success else 1


def _script(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} isn't UTF-8") from error


def _context(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text) if text is not None else {}
    except ValueError as error:
        raise click.UsageError(f"--context isn't JSON: {error}") from error
    if not isinstance(value, dict):
        raise click.UsageError("--context has to be an object")
    return value


def _variables(pairs: tuple[str, ...]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    for name, equals, _ in split:
        if not equals or not name:
            raise click.UsageError(f"--env takes NAME=VALUE, not {name!r}")
    return {name: value for name, _, value in split}


@command.group(cls=LazyGroup)
def policy() -> None:
    """The one policy of this store. No document can change it."""


@policy.command(cls=Command)
@reads_store()
@prints()
def show(where: Where, output: Output) -> None:
    """Show what scripts may do."""
    from reconciler.cli.stores import store_to_read
    from reconciler.flows.sandbox import stored_policy

    _tell(stored_policy(store_to_read(where.settled().store)), output)


@policy.command("set", cls=Command)
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON with the keys to change; pairs win over it.",
)
@click.option("--reset", is_flag=True, help="Start over from the shipped policy.")
@reads_store()
@prints(quiet=True)
def set_policy(where: Where, output: Output, *, pairs: tuple[str, ...], file: Path | None, reset: bool) -> None:
    """Change keys, such as network.allow=db.example.net:5432 or resources.cpuSeconds=30; null lifts a ceiling."""
    from reconciler.cli.stores import store_to_write
    from reconciler.flows.sandbox import change_policy

    if not pairs and file is None and not reset:
        raise click.UsageError("say what: KEY=VALUE, --file or --reset", click.get_current_context())
    overlay = _read(file) if file is not None else {}
    for pair in pairs:
        _put(overlay, pair)
    _tell(change_policy(store_to_write(where.settled().store), overlay, reset=reset), output)


def _tell(policy: SandboxPolicy, output: Output) -> None:
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "policy": policy.to_json()})
    else:
        from reconciler.report.sandbox_text import policy_text

        output.lines(policy_text(policy.to_json(), output.style))


def _read(file: Path) -> dict[str, Any]:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"{file} isn't JSON: {error}", click.get_current_context()) from error
    if not isinstance(said, dict):
        raise click.UsageError(f"{file} has to hold an object", click.get_current_context())
    return said


def _put(overlay: dict[str, Any], pair: str) -> None:
    """``a.b=value``: JSON where it is some, else text; a list may be written with commas."""
    key, equals, text = pair.partition("=")
    if not equals or not key:
        raise click.UsageError(f"{pair!r} isn't KEY=VALUE", click.get_current_context())
    *folders, last = key.split(".")
    for folder in folders:
        overlay = overlay.setdefault(folder, {})
        if not isinstance(overlay, dict):
            raise click.UsageError(f"{key} leads into a value", click.get_current_context())
    try:
        value = json.loads(text)
    except ValueError:
        value = [part.strip() for part in text.split(",") if part.strip()] if key == "network.allow" else text
    overlay[last] = value
