"""``gitops apply``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from reconciler.cli.frame import without_gc
from reconciler.cli.lazy import Command
from reconciler.cli.options import EXIT_CODE, FULL, LOCK_TIMEOUT, OLD_WORKERS, YES, Where, prints, reads_source
from reconciler.cli.settling import WORSE, waits
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.cli.settling import Waiting
    from reconciler.flows.apply import Applied
    from reconciler.model.plan import Plan
    from reconciler.store.port import Writer


@click.command(cls=Command)
@click.argument("planfile", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--digest", metavar="HEX", help="Refuse a PLANFILE with another digest than the reviewed one.")
@YES
@click.option("--dry-run", is_flag=True, help="Only show the plan, as gitops plan does.")
@click.option("--force", is_flag=True, help="Lift the guards: deletions, empty source, rolled back commit.")
@OLD_WORKERS
@waits
@EXIT_CODE
@FULL
@LOCK_TIMEOUT
@reads_source(planning=True)
@prints(quiet=True)
def command(
    where: Where,
    output: Output,
    *,
    planfile: Path | None,
    digest: str | None,
    yes: bool,
    dry_run: bool,
    force: bool,
    old_workers: bool,
    wait_healthy: float | None,
    rollback_on_failure: bool,
    exit_code: bool,
    full: bool,
    lock_timeout: float,
) -> int:
    """Bring the store to what the commit says, in one transaction.

    With PLANFILE (from gitops plan --out) exactly that plan is applied, or refused when the store has moved on.
    On a terminal the plan is shown and a question asked; anywhere else, or with --yes, it is applied at once.
    With --wait-healthy it ends when workers have run each changed slice: with 6 where one is worse than before.
    """
    if rollback_on_failure and wait_healthy is None:
        raise click.UsageError("--rollback-on-failure needs --wait-healthy: how long to wait for the runs")
    how = How(yes, full, lock_timeout, old_workers, wait_healthy, rollback_on_failure)
    if planfile is not None:
        from reconciler.cli.files import read_plan

        if force:
            raise click.UsageError("--force is for planning: pass it to gitops plan --out")
        with without_gc():
            plan = read_plan(planfile, digest=digest)
        if dry_run:
            return _show(plan, where, output, wanted=exit_code, full=full)
        return _reviewed(plan, where, output, how, wanted=exit_code)
    if digest is not None:
        raise click.UsageError("--digest is that of a saved plan: name its file")
    if dry_run:
        from reconciler.cli.commands.plan import run

        return run(where, output, out=None, force=force, wanted=exit_code, full=full)
    return _planned(where, output, how, force=force, wanted=exit_code)


class How(NamedTuple):
    """What was said about carrying it out. ``wait``: seconds to wait for the runs, None for not at all."""

    yes: bool
    full: bool
    timeout: float
    old_workers: bool
    wait: float | None
    undo: bool


def _planned(where: Where, output: Output, how: How, *, force: bool, wanted: bool) -> int:
    from reconciler.cli.applying import carry_out
    from reconciler.cli.stores import store_to_write
    from reconciler.flows.position import plan_source
    from reconciler.report.progress import progress_for

    source = where.open()
    store = store_to_write(source.store)
    waiting = _waiting(source.store, output, how)

    def plan() -> Plan:
        with progress_for(output) as progress:
            return plan_source(source, store, force=force, progress=progress)

    applied = carry_out(
        store,
        plan,
        output,
        yes=how.yes,
        timeout=how.timeout,
        full=how.full,
        old_workers=how.old_workers,
        last_word=waiting is None,
    )
    return _ended(applied, store, output, waiting, full=how.full, wanted=wanted)


def _reviewed(plan: Plan, where: Where, output: Output, how: How, *, wanted: bool) -> int:
    """The plan was shown when it was made; it is shown again only to who is asked."""
    from reconciler.cli.applying import Consent, tell, waiting_on
    from reconciler.cli.planning import asks
    from reconciler.cli.stores import store_to_write
    from reconciler.flows.apply import Actor, Applied, apply_reviewed

    with without_gc():
        address = where.settled().store
        store = store_to_write(address)
        waiting = _waiting(address, output, how)
        if plan.pending and asks(yes=how.yes) and not Consent(store, output, yes=how.yes, full=how.full)(plan):
            applied = Applied(plan, plan.base, False, 0.0)
        else:
            applied = apply_reviewed(
                store,
                plan,
                actor=Actor.here(),
                lock_timeout=how.timeout,
                waiting=waiting_on(output),
                old_workers=how.old_workers,
            )
        if waiting is None or not output.json:
            tell(applied, store, output, full=how.full)
    return _ended(applied, store, output, waiting, full=how.full, wanted=wanted)


def _waiting(address: str, output: Output, how: How) -> Waiting | None:
    if how.wait is None:
        return None
    from reconciler.cli.settling import Waiting

    return Waiting(address, output, patience=how.wait, undo=how.undo)


def _ended(
    applied: Applied, store: Writer, output: Output, waiting: Waiting | None, *, full: bool, wanted: bool
) -> int:
    """The exit code, after the wait for what was applied, if anybody waits."""
    from reconciler.cli.applying import code_of, tell

    if waiting is None:
        return code_of(applied, wanted=wanted)
    from reconciler.report.settled import settled_json, settled_text

    settled = waiting.settle(applied) if applied.committed else None
    if settled is not None:
        if not (output.quiet and settled.well):
            output.errors(settled_text(settled, output.error_style))
        waiting.undo(applied, settled, store)
    if output.json:
        told = None if settled is None else settled_json(settled, rolled_back=waiting.rolled_back)
        tell(applied, store, output, full=full, settled=told)
    return code_of(applied, wanted=wanted) if settled is None or settled.well else WORSE


def _show(plan: Plan, where: Where, output: Output, *, wanted: bool, full: bool) -> int:
    """A saved plan can be looked at even when it is stale; only applying it is refused."""
    from reconciler.cli.planning import exit_code, show_plan
    from reconciler.cli.stores import store_to_read

    show_plan(plan, store_to_read(where.settled().store), output, full=full)
    return exit_code(plan, wanted=wanted)
