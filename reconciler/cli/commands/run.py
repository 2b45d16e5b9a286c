"""``gitops run``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from reconciler.cli.lazy import Command
from reconciler.cli.names import check_names
from reconciler.cli.options import FULL, Where, prints, reads_store
from reconciler.cli.running import CONCURRENCY, ENVIRONMENT, SYSTEM, show_runs
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

    if every and check is not None:
        raise click.UsageError("--all runs every check: leave CHECK out", click.get_current_context())
    if not every and check is system is environment is None:
        raise click.UsageError("say which: CHECK, --system, --environment or --all", click.get_current_context())
    address = where.settled().store
    reader = store_to_read(address)
    chosen = targets(reader, Choice(check, system, environment))
    recorder = None if no_record else _recorder(address)
    with show_runs(output, full=full) as shown:
        shown.runs = run_all(
            chosen,
            lambda: make_executor(reader, os.environ),
            recorder=recorder,
            region=region,
            concurrency=concurrency,
            done=shown.told,
        )
    unkept = sum(not told.kept for told in shown.runs)
    if unkept and not no_record:
        output.note(
            f"{unkept} of the runs weren't kept: health doesn't count them, as they run in other regions (--region)."
        )
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
