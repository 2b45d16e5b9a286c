"""``gitops secret set|list|delete|check|rotate``. Values come by standard input or a hidden prompt; none goes out."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from reconciler.cli.lazy import Command, LazyGroup
from reconciler.cli.options import Where, prints, reads_store
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.secrets.port import SecretName
    from reconciler.store.shared import SharedStore

_ENVIRONMENT = click.option(
    "--environment", metavar="NAME", help="For runs in this environment only; there it wins over the general one."
)
_LONGEST = 64 * 1024


@click.group(cls=LazyGroup)
def command() -> None:
    """Secrets of checks: keep them in the store, encrypted, and see which are named and found.

    GITOPS_SECRETS says where runs look for them: env, dir:/path or store, or several with commas.
    """


# Whoever writes the value behind the name must not find it in the complaint about it, which ends in a log.
@command.command("set", cls=Command, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@click.argument("name")
@_ENVIRONMENT
@reads_store()
@prints(quiet=True)
@click.pass_context
def set_secret(ctx: click.Context, *, where: Where, output: Output, name: str, environment: str | None) -> None:
    """Keep a secret in the store, encrypted with GITOPS_MASTER_KEY. Its value is read from standard input."""
    from reconciler.flows.apply import Actor
    from reconciler.flows.secrets import encrypted
    from reconciler.secrets.masking import SHORTEST

    if ctx.args:
        more = "more than the name and known options stands on the command line, and isn't repeated here"
        raise click.UsageError(f"{more}: if it is the value, pass it on standard input", ctx)
    wanted = _name(name, environment)
    kept = encrypted(os.environ, lambda: _rows(where, create=True))
    value = _value(wanted)
    kept.set(wanted, value, actor=Actor.here().name)
    if len(value) < SHORTEST:
        output.note(f"It has less than {SHORTEST} characters: so short a value isn't masked in the output of scripts.")
    _unasked(output)
    if output.json:
        _told(output, wanted)
        return
    output.lines([f"Kept {wanted} in {kept.title}."])


@command.command("list", cls=Command)
@reads_store()
@prints()
def list_secrets(where: Where, output: Output) -> None:
    """List the names of secrets, where each is kept and since when. Values are never shown."""
    from reconciler.flows.secrets import VARIABLE, backends, chosen, encrypted

    asked = [(b, True) for b in backends(os.environ, lambda: _rows(where), keyless=True)]
    rows = _rows(where)
    if "store" not in chosen(os.environ) and rows.exists():
        asked.append((encrypted(os.environ, lambda: rows, keyless=True), False))
    found = [(backend.title, used, listed) for backend, used in asked for listed in backend.list()]
    if output.json:
        from reconciler.report.secrets_text import listed_json

        output.data(listed_json(found))
    elif found:
        from reconciler.report.secrets_text import listed_table

        output.lines(listed_table(found, output.style))
        if not all(used for _, used, _ in found):
            output.note(f"Runs don't ask the store: {VARIABLE} doesn't name it.")
    else:
        output.lines(["There are no secrets in " + ", ".join(backend.title for backend, _ in asked) + "."])


@command.command(cls=Command)
@click.argument("name")
@_ENVIRONMENT
@reads_store()
@prints(quiet=True)
def delete(where: Where, output: Output, *, name: str, environment: str | None) -> None:
    """Delete a secret from the store."""
    from reconciler.base.errors import GitopsError
    from reconciler.flows.secrets import encrypted

    wanted = _name(name, environment)
    kept = encrypted(os.environ, lambda: _rows(where), keyless=True)
    if not kept.delete(wanted):
        raise GitopsError(f"there is no secret {wanted} in {kept.title}", hint="gitops secret list shows what there is")
    if output.json:
        _told(output, wanted)
        return
    output.lines([f"Deleted {wanted} from {kept.title}."])


@command.command(cls=Command)
@reads_store()
@prints()
def check(where: Where, output: Output) -> int:
    """Show which secrets applied checks and automations name, and where each is found. Exits with 1 when one isn't."""
    from reconciler.cli.stores import store_to_read
    from reconciler.flows.secrets import check as looked_up
    from reconciler.flows.secrets import make_resolver

    address = where.settled().store
    found = looked_up(store_to_read(address), make_resolver(os.environ, lambda: _rows(where)))
    if output.json:
        from reconciler.report.secrets_text import uses_json

        output.data(uses_json(found))
    elif found:
        from reconciler.report.secrets_text import uses_text

        output.lines(uses_text(found, output.style))
    else:
        output.lines(["Nothing that was applied names a secret."])
    return 1 if any(use.problem for use in found) else 0


@command.command(cls=Command)
@reads_store()
@prints(quiet=True)
def rotate(where: Where, output: Output) -> None:
    """Encrypt everything anew with the first key of GITOPS_MASTER_KEY; the others, behind commas, still decrypt.

    First give all workers the new key and the old one, then rotate, then take the old one away.
    """
    from reconciler.flows.secrets import encrypted

    done = encrypted(os.environ, lambda: _rows(where)).rotate()
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "encrypted": done})
        return
    from reconciler.report.style import count

    output.lines(
        [f"Encrypted {count(done, 'secret')} anew." if done else "Everything is encrypted with the first key."]
    )


def _name(name: str, environment: str | None) -> SecretName:
    from reconciler.secrets.port import parse_name

    return parse_name(name, environment)


def _rows(where: Where, *, create: bool = False) -> SharedStore:
    from reconciler.store.shared import SharedStore

    rows = SharedStore(where.settled().store, create=create)
    click.get_current_context().call_on_close(rows.close)
    return rows


def _value(name: SecretName) -> str:
    """From a hidden prompt at a terminal, else all of standard input without one newline at its end."""
    from reconciler.base.errors import GitopsError

    if sys.stdin.isatty():
        value: str = click.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True)
        return value
    data = sys.stdin.buffer.read(_LONGEST + 2)
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise GitopsError("the value on standard input isn't UTF-8 text") from None


def _unasked(output: Output) -> None:
    from reconciler.flows.secrets import VARIABLE, chosen

    if "store" not in chosen(os.environ):
        output.note(f"Runs will find it once {VARIABLE} names the store where workers start, as in {VARIABLE}=store.")


def _told(output: Output, name: SecretName) -> None:
    from reconciler.report.diagnostics_json import FORMAT

    output.data({"format": FORMAT, "name": name.name, "environment": name.environment})
