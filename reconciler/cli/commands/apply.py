"""``gitops apply``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.frame import without_gc
from reconciler.cli.lazy import Command
from reconciler.cli.options import EXIT_CODE, FULL, LOCK_TIMEOUT, OLD_WORKERS, YES, Where, prints, reads_source
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.flows.apply import Applied
    from reconciler.model.plan import Plan


@click.command(cls=Command)
@click.argument("planfile", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--digest", metavar="HEX", help="Refuse a PLANFILE with another digest than the reviewed one.")
@YES
@click.option("--dry-run", is_flag=True, help="Only show the plan, as gitops plan does.")
@click.option("--force", is_flag=True, help="Lift the guards: deletions, empty source, rolled back commit.")
@OLD_WORKERS
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
    exit_code: bool,
    full: bool,
    lock_timeout: float,
) -> int:
    """Bring the store to what the commit says, in one transaction.

    With PLANFILE (from gitops plan --out) exactly that plan is applied, or refused when the store has moved on.
    On a terminal the plan is shown and a question asked; anywhere else, or with --yes, it is applied at once.
    """
    from reconciler.cli.applying import code_of

    if planfile is not None:
        from reconciler.cli.files import read_plan

        if force:
            raise click.UsageError("--force is for planning: pass it to gitops plan --out")
        with without_gc():
            plan = read_plan(planfile, digest=digest)
        if dry_run:
            return _show(plan, where, output, wanted=exit_code, full=full)
        applied = _reviewed(plan, where, output, yes=yes, full=full, timeout=lock_timeout, old_workers=old_workers)
    elif digest is not None:
        raise click.UsageError("--digest is that of a saved plan: name its file")
    elif dry_run:
        from reconciler.cli.commands.plan import run

        return run(where, output, out=None, force=force, wanted=exit_code, full=full)
    else:
        applied = _planned(
            where, output, yes=yes, force=force, full=full, timeout=lock_timeout, old_workers=old_workers
        )
    return code_of(applied, wanted=exit_code)


def _planned(
    where: Where, output: Output, *, yes: bool, force: bool, full: bool, timeout: float, old_workers: bool
) -> Applied:
    from reconciler.cli.applying import carry_out
    from reconciler.cli.stores import store_to_write
    from reconciler.flows.position import plan_source
    from reconciler.report.progress import progress_for

    source = where.open()
    store = store_to_write(source.store)

    def plan() -> Plan:
        with progress_for(output) as progress:
            return plan_source(source, store, force=force, progress=progress)

    return carry_out(store, plan, output, yes=yes, timeout=timeout, full=full, old_workers=old_workers)


def _reviewed(
    plan: Plan, where: Where, output: Output, *, yes: bool, full: bool, timeout: float, old_workers: bool
) -> Applied:
    """The plan was shown when it was made; it is shown again only to who is asked."""
    from reconciler.cli.applying import Consent, tell, waiting_on
    from reconciler.cli.planning import asks
    from reconciler.cli.stores import store_to_write
    from reconciler.flows.apply import Actor, Applied, apply_reviewed

    with without_gc():
        store = store_to_write(where.settled().store)
        if plan.pending and asks(yes=yes) and not Consent(store, output, yes=yes, full=full)(plan):
            applied = Applied(plan, plan.base, False, 0.0)
        else:
            applied = apply_reviewed(
                store,
                plan,
                actor=Actor.here(),
                lock_timeout=timeout,
                waiting=waiting_on(output),
                old_workers=old_workers,
            )
        tell(applied, store, output, full=full)
    return applied


def _show(plan: Plan, where: Where, output: Output, *, wanted: bool, full: bool) -> int:
    """A saved plan can be looked at even when it is stale; only applying it is refused."""
    from reconciler.cli.planning import exit_code, show_plan
    from reconciler.cli.stores import store_to_read

    show_plan(plan, store_to_read(where.settled().store), output, full=full)
    return exit_code(plan, wanted=wanted)
