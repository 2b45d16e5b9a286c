"""``gitops test``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from reconciler.cli.frame import without_gc
from reconciler.cli.lazy import Command
from reconciler.cli.options import FULL, Where, prints, reads_source
from reconciler.cli.reporting import Report, ReportType
from reconciler.cli.running import CONCURRENCY, ENVIRONMENT, SYSTEM, Shown
from reconciler.report.output import Output


@click.command(cls=Command)
@click.argument("paths", nargs=-1, metavar="[PATHS]...", type=click.Path(path_type=Path))
@click.option("--check", metavar="NAME", help="This check only.")
@SYSTEM
@ENVIRONMENT
@click.option("--changed", metavar="BASE", help="Only what the commits since this one change, the files on disk too.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=ReportType(("junit",)),
    metavar="junit=FILE",
    help="Write the runs to a file as well, as JUnit.",
)
@CONCURRENCY
@FULL
@reads_source()
@prints(quiet=True, formats=("text", "json", "junit"))
def command(
    where: Where,
    output: Output,
    *,
    paths: tuple[Path, ...],
    check: str | None,
    system: str | None,
    environment: str | None,
    changed: str | None,
    reports: Sequence[Report],
    concurrency: int,
    full: bool,
) -> int:
    """Run the checks as the files on disk say, once, without a store.

    PATHS limit it to what these files and folders declare: checks, and all checks of systems and environments; and
    --changed to what differs, once rendered, from the commit BASE. For branches you trust: it executes what they say.
    Scripts run in the sandbox, under the shipped policy. Nothing is kept. Exits with 1 unless all are healthy.
    """
    from reconciler.base.errors import GitopsError
    from reconciler.flows.between import changed_slices
    from reconciler.flows.executor import make_executor
    from reconciler.flows.once import Choice, in_memory, paths_within, run_all, targets
    from reconciler.report.progress import progress_for

    source = where.open(worktree=True)
    limited = paths_within(source, paths) if paths else None
    with ExitStack() as stack:
        with without_gc(), progress_for(output) as progress:
            reader = stack.enter_context(in_memory(source, progress))
            chosen = targets(reader, Choice(check, system, environment, limited))
            if changed is not None:
                differing = changed_slices(where.since(changed, source), source, progress)
                chosen = [target for target in chosen if target.slice.name in differing]
        if not chosen and changed is None:
            raise GitopsError(
                "nothing that runs is declared there",
                hint="a check runs once a system lists it; gitops render shows what runs",
            )
        shown = Shown(output, full=full, junit=[report.file for report in reports])
        run_all(chosen, lambda: make_executor(reader, os.environ), shown.told, concurrency=concurrency)
    shown.end()
    return shown.code
