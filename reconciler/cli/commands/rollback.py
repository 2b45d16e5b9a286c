"""``gitops rollback``."""

from __future__ import annotations

import click

from reconciler.cli.lazy import Command
from reconciler.cli.options import EXIT_CODE, FULL, LOCK_TIMEOUT, OLD_WORKERS, YES, Where, prints, reads_store
from reconciler.report.output import Output


@click.command(cls=Command)
@click.argument("generation", type=click.IntRange(min=1))
@YES
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@click.option("--force", is_flag=True, help="Lift the guard against deleting too much.")
@OLD_WORKERS
@EXIT_CODE
@FULL
@LOCK_TIMEOUT
@reads_store(source=True)
@prints(quiet=True)
def command(
    where: Where,
    output: Output,
    *,
    generation: int,
    yes: bool,
    dry_run: bool,
    force: bool,
    old_workers: bool,
    exit_code: bool,
    full: bool,
    lock_timeout: float,
) -> int:
    """Make a source what it was in GENERATION; other sources stay as they are.

    It sticks: the commit turned away from, and older ones, are refused until git moves past it or --force is given.
    """
    from reconciler.cli.applying import carry_out, code_of
    from reconciler.cli.planning import exit_code as code
    from reconciler.cli.planning import show_plan
    from reconciler.cli.stores import store_to_read, store_to_write
    from reconciler.flows.plan import Options
    from reconciler.flows.rollback import plan_rollback
    from reconciler.model.plan import Plan

    settled = where.settled()
    store = store_to_read(settled.store) if dry_run else store_to_write(settled.store)
    here = settled.name if store.source(settled.name) is not None else None
    name = where.overrides.get("source") or here

    def plan() -> Plan:
        options = Options(force=force)
        return plan_rollback(store, generation, name, limits=settled.settings.limits, options=options)

    if dry_run:
        made = plan()
        show_plan(made, store, output, full=full)
        return code(made, wanted=exit_code)
    applied = carry_out(store, plan, output, yes=yes, timeout=lock_timeout, full=full, old_workers=old_workers)
    return code_of(applied, wanted=exit_code)
