"""``gitops plan``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.focusing import LINK_BASE, focuses
from reconciler.cli.frame import without_gc
from reconciler.cli.lazy import Command
from reconciler.cli.options import EXIT_CODE, FULL, Where, prints, reads_source
from reconciler.plan.focus import EVERYTHING, Focus
from reconciler.report.links import NO_LINKS
from reconciler.report.output import Output


@click.command(cls=Command)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the plan, to be applied exactly.",
)
@click.option("--force", is_flag=True, help="Lift the guards: deletions, empty source, rolled back commit.")
@click.option("--base", metavar="REV", help="Compare with this commit instead of a store: for pull requests.")
@focuses
@LINK_BASE
@EXIT_CODE
@FULL
@reads_source(planning=True)
@prints(quiet=True, formats=("text", "json", "markdown"))
def command(
    where: Where,
    output: Output,
    *,
    out: Path | None,
    force: bool,
    base: str | None,
    focus: Focus,
    link_base: str | None,
    exit_code: bool,
    full: bool,
) -> int:
    """Show exactly what an apply would change; write nothing.

    Deletions come first. A plan saved with --out is applied as it was reviewed, or refused when the store moved on.
    With --base no store is read: it shows what changed in git since that commit, as an apply would carry it out.
    """
    if base is None:
        return run(where, output, out=out, force=force, wanted=exit_code, full=full, focus=focus, link_base=link_base)
    if out is not None or force:
        raise click.UsageError("--base compares two commits, which no apply does: leave --out and --force away")
    from reconciler.cli.comparing import compare

    return compare(where, output, base=base, focus=focus, link_base=link_base, wanted=exit_code, full=full)


def run(
    where: Where,
    output: Output,
    *,
    out: Path | None,
    force: bool,
    wanted: bool,
    full: bool,
    focus: Focus = EVERYTHING,
    link_base: str | None = None,
) -> int:
    """Plan and show; ``gitops apply --dry-run`` comes here as well."""
    from reconciler.cli.comparing import links_for
    from reconciler.cli.planning import Shown, exit_code, old_bodies, show
    from reconciler.cli.stores import store_to_read
    from reconciler.flows.position import plan_source
    from reconciler.report.progress import progress_for

    source = where.open()
    with without_gc():
        store = store_to_read(source.store)
        with progress_for(output) as progress:
            plan = plan_source(source, store, force=force, progress=progress)
        if out is not None:
            from reconciler.cli.files import write_whole
            from reconciler.plan.file import plan_digest, save

            saved = save(plan)
            write_whole(out, saved)
        if focus:
            from reconciler.flows.ancestry import ensure_known, with_ancestors

            ensure_known(focus, plan, store, source.settings.external)
            focus = with_ancestors(focus, plan, store)
        links = links_for(where, link_base) if output.format == "markdown" else NO_LINKS
        show(Shown(plan, lambda part: old_bodies(part, store), focus, links=links), output, full=full)
        if out is not None:
            output.note(f"The plan is saved: gitops apply {out} --digest {plan_digest(saved)}")
    return exit_code(plan, wanted=wanted)
