"""``gitops run``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from reconciler.cli.lazy import Command
from reconciler.cli.names import check_names
from reconciler.cli.options import FULL, Where, prints, reads_store
from reconciler.cli.running import CONCURRENCY, ENVIRONMENT, SYSTEM, Shown
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.store.executing import Executing


@click.command(cls=Command)
@click.argument("check", required=False, shell_complete=check_names)
@SYSTEM
@ENVIRONMENT
@click.option("--all", "every", is_flag=True, help="Every check of every system.")
@click.option("--no-record", is_flag=True, help="Keep nothing: health doesn't count these runs.")
@click.option("--region", metavar="NAME", default="", help="Keep the runs as those of this region.")
@CONCURRENCY
@FULL
@reads_store()
@prints(quiet=True)
def command(
    where: Where,
    output: Output,
    *,
    check: str | None,
    system: str | None,
    environment: str | None,
    every: bool,
    no_record: bool,
    region: str,
    concurrency: int,
    full: bool,
) -> int:
    """Run a check once, now, wherever it runs, and show what came of it.

    Runs what was applied, in this process, as a worker would. The runs are kept, and health counts them. Exits with 1
    unless all are healthy.
    """
    from reconciler.cli.stores import store_to_read
    from reconciler.flows.executor import make_executor
    from reconciler.flows.once import Choice, run_all, targets
    from reconciler.report.style import count

    if every and check is not None:
        raise click.UsageError("--all runs every check: leave CHECK out", click.get_current_context())
    if not every and check is system is environment is None:
        raise click.UsageError("say which: CHECK, --system, --environment or --all", click.get_current_context())
    address = where.settled().store
    reader = store_to_read(address)
    chosen = targets(reader, Choice(check, system, environment))
    recorder = None if no_record else _recorder(address)
    shown = Shown(output, full=full)
    run_all(
        chosen,
        lambda: make_executor(reader, os.environ),
        shown.told,
        recorder=recorder,
        region=region,
        concurrency=concurrency,
    )
    shown.end()
    if shown.unkept and recorder is not None:
        output.note(f"Not kept: {count(shown.unkept, 'run')}, of slices that don't run in this region (--region).")
    return shown.code


def _recorder(address: str) -> Executing:
    """The store's hands, with a schedule that knows the newest generation: only what is scheduled has health."""
    from reconciler.base.errors import StoreError
    from reconciler.cli.stores import executing

    try:
        recorder = executing(address)
        recorder.reconcile()
    except StoreError as error:
        if "read-only" not in error.message and "can't be opened" not in error.message:
            raise
        hint = "pass --no-record to run without keeping anything, or let an account run it that may write"
        raise StoreError(error.message, hint=hint) from error
    return recorder
