"""``gitops orphan list|delete|release``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.lazy import Command, LazyGroup
from reconciler.cli.names import keys_of, orphan_names
from reconciler.cli.options import FULL, LOCK_TIMEOUT, YES, Where, prints, reads_store
from reconciler.report.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.model.plan import Plan
    from reconciler.store.port import Reader


@click.group(cls=LazyGroup)
def command() -> None:
    """What is gone from git and keeps running: list it, delete it, or release it from its source."""


@command.command("list", cls=Command)
@reads_store()
@prints()
def list_orphans(where: Where, output: Output) -> None:
    """List all orphans."""
    from reconciler.cli.stores import store_to_read

    found = store_to_read(where.settled().store).orphans()
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT
        from reconciler.report.store_json import resource_json

        output.data({"format": FORMAT, "orphans": [resource_json(o, body=False) for o in found]})
    elif found:
        from reconciler.report.store_text import orphans_table

        output.lines(orphans_table(found, output.style))
    else:
        output.lines(["There are no orphans."])


@command.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="KIND/NAME...", shell_complete=orphan_names)
@YES
@click.option("--force", is_flag=True, help="Delete what carries gitops/protect as well.")
@FULL
@LOCK_TIMEOUT
@reads_store()
@prints(quiet=True)
def delete(
    where: Where, output: Output, *, names: tuple[str, ...], yes: bool, force: bool, full: bool, lock_timeout: float
) -> int:
    """Delete orphans and stop their slices."""
    from reconciler.flows.orphans import plan_delete

    keys = keys_of(names)
    return _end(where, output, lambda r: plan_delete(r, keys, force=force), yes=yes, full=full, timeout=lock_timeout)


@command.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="KIND/NAME...", shell_complete=orphan_names)
@YES
@FULL
@LOCK_TIMEOUT
@reads_store()
@prints(quiet=True)
def release(where: Where, output: Output, *, names: tuple[str, ...], yes: bool, full: bool, lock_timeout: float) -> int:
    """Let orphans go: they keep running, and any source may declare and so adopt them."""
    from reconciler.flows.orphans import plan_release

    keys = keys_of(names)
    return _end(where, output, lambda r: plan_release(r, keys), yes=yes, full=full, timeout=lock_timeout)


def _end(where: Where, output: Output, plan: Callable[[Reader], Plan], *, yes: bool, full: bool, timeout: float) -> int:
    from reconciler.cli.applying import carry_out, code_of
    from reconciler.cli.stores import store_to_write

    store = store_to_write(where.settled().store)
    applied = carry_out(store, lambda: plan(store), output, yes=yes, timeout=timeout, full=full)
    return code_of(applied, wanted=False)
