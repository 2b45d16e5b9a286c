"""``gitops migrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.frame import without_gc
from reconciler.cli.lazy import Command
from reconciler.cli.options import Where, prints, reads_files
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.flows.migrate import Rewriting
    from reconciler.flows.opened import Source

CHANGES, FAILED = 3, 1


@click.command(cls=Command)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--check", is_flag=True, help="Exit with 3 when anything would change, with 1 when something can't be read."
)
@click.option("--diff", is_flag=True, help="Show every line that changes.")
@click.option("--write", is_flag=True, help="Rewrite the files: all of them or none.")
@click.option("--to", metavar="VERSION", help="Version to bring documents to; the current one by default.")
@click.option("--only", multiple=True, metavar="KIND/NAME", help="Rewrite this document alone. May be repeated.")
@click.option("--allow-dirty", is_flag=True, help="Rewrite files with uncommitted changes as well.")
@reads_files()
@prints(quiet=True)
def command(
    where: Where,
    output: Output,
    *,
    paths: tuple[Path, ...],
    check: bool,
    diff: bool,
    write: bool,
    to: str | None,
    only: tuple[str, ...],
    allow_dirty: bool,
) -> int:
    """Bring documents of older versions to the current one, in their files.

    Only the lines that a step requires are touched: comments, order, quotes and everything else stay as they are. The
    result is loaded again and must mean exactly what it meant before. Without --write nothing is written.
    """
    from reconciler.flows.migrate import rewriting
    from reconciler.report.progress import progress_for

    if check and write:
        raise click.UsageError("--check and --write exclude each other", click.get_current_context())
    source = where.open(worktree=True)
    if write:
        _mend(source, output)
    with without_gc(), progress_for(output) as progress:
        found = rewriting(source, paths, only=only, to=to, progress=progress)
    if write:
        _write(source, found, allow_dirty=allow_dirty)
    _show(found, output, diff=diff, written=write)
    if not check:
        return 0
    # What has a fault can't be known to be current; validate says the same of it.
    return CHANGES if found.changed else FAILED if found.faulty else 0


def _mend(source: Source, output: Output) -> None:
    """A run that was killed is finished first, since what it left is half old and half new."""
    from reconciler.flows.migrate_write import mend

    mended = mend(source.folder)
    if mended is not None and (mended.finished or mended.kept):
        output.note(f"Finished an interrupted migration: {len(mended.finished)} files.")
        for path in mended.kept:
            output.note(f"{path} was edited since, and stays as it is.")


def _write(source: Source, found: Rewriting, *, allow_dirty: bool) -> None:
    from reconciler.flows.migrate_write import refuse_dirty, write_all

    if not allow_dirty:
        refuse_dirty(source.folder, [change.path for change in found.files])
    contents = {change.path: (change.old, change.new) for change in found.files if change.new is not None}
    if contents:
        write_all(source.folder, contents)


def _show(found: Rewriting, output: Output, *, diff: bool, written: bool) -> None:
    if output.json:
        from reconciler.report.migrate_json import migrate_json

        output.data(migrate_json(found, written=written, diff=diff))
        return
    from reconciler.report.migrate_text import diff_text, migrate_text

    if diff:
        for change in found.files:
            output.result("".join(diff_text(change, output.style)))
        for line in migrate_text(found, output.error_style, written=written):
            output.note(line)
        return
    output.lines(migrate_text(found, output.style, written=written))
