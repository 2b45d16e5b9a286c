"""``gitops source list|grant|revoke``."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.lazy import Command, LazyGroup
from reconciler.cli.options import Where, prints, reads_store
from reconciler.report.output import Output
from reconciler.report.style import count

_SECRET = click.option("--secret", "secrets", multiple=True, metavar="GLOB", help="Secrets by name. May be repeated.")
_PERMISSION = click.option(
    "--permission", "permissions", multiple=True, metavar="GLOB", help="Permissions by name. May be repeated."
)


@click.group(cls=LazyGroup)
def command() -> None:
    """Sources, and what each of them may name. Without any grant a source may name everything."""


@command.command("list", cls=Command)
@reads_store()
@prints()
def list_sources(where: Where, output: Output) -> None:
    """List sources with their commits and grants."""
    from reconciler.cli.stores import store_to_read

    store = store_to_read(where.settled().store)
    sources = store.sources()
    grants = {s.name: store.grants(s.name) for s in sources}
    if output.json:
        from reconciler.report.store_json import sources_json

        output.data(sources_json(sources, grants))
    elif sources:
        from reconciler.report.store_text import sources_table

        output.lines(sources_table(sources, grants, output.style))
    else:
        output.lines(["Nothing was applied yet."])


@command.command(cls=Command)
@click.argument("name")
@_SECRET
@_PERMISSION
@reads_store()
@prints(quiet=True)
def grant(where: Where, output: Output, *, name: str, secrets: tuple[str, ...], permissions: tuple[str, ...]) -> None:
    """Let source NAME use what matches; from its first grant on it may use nothing else."""
    from reconciler.flows.apply import Actor

    store = _store(where)
    wanted = _wanted(secrets, permissions)
    for what, pattern in wanted:
        store.grant(name, what, pattern, actor=Actor.here().name)
    if store.source(name) is None:
        output.note(f"No source {name!r} was applied yet; the grant waits for it.")
    _tell(store, name, f"Granted {count(len(wanted), 'pattern')} to source {name}.", output)


@command.command(cls=Command)
@click.argument("name")
@_SECRET
@_PERMISSION
@reads_store()
@prints(quiet=True)
def revoke(where: Where, output: Output, *, name: str, secrets: tuple[str, ...], permissions: tuple[str, ...]) -> None:
    """Take a grant back, by the pattern it was made with."""
    from reconciler.base.errors import GitopsError

    store = _store(where)
    wanted = _wanted(secrets, permissions)
    missing = [f"{what} {pattern!r}" for what, pattern in wanted if (what, pattern) not in store.grants(name)]
    if missing:
        raise GitopsError(f"source {name} has no grant of {', '.join(missing)}", hint="gitops source list shows them")
    for what, pattern in wanted:
        store.revoke(name, what, pattern)
    _tell(store, name, f"Revoked {count(len(wanted), 'pattern')} from source {name}.", output)


def _wanted(secrets: tuple[str, ...], permissions: tuple[str, ...]) -> list[tuple[str, str]]:
    if not secrets and not permissions:
        raise click.UsageError("say what: --secret GLOB or --permission GLOB", click.get_current_context())
    return [*(("secret", s) for s in secrets), *(("permission", p) for p in permissions)]


def _store(where: Where) -> Any:
    from reconciler.cli.stores import store_to_write

    return store_to_write(where.settled().store)


def _tell(store: Any, name: str, sentence: str, output: Output) -> None:
    left = store.grants(name)
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT

        grants = [{"what": what, "pattern": pattern} for what, pattern in left]
        output.data({"format": FORMAT, "source": name, "grants": grants})
        return
    may = ", ".join(f"{what} {pattern}" for what, pattern in left) or "everything"
    output.lines([sentence, f"It may name: {may}."])
