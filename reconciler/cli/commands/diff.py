"""``gitops diff``."""

from __future__ import annotations

import click

from reconciler.cli.comparing import compare
from reconciler.cli.focusing import LINK_BASE, focuses
from reconciler.cli.lazy import Command
from reconciler.cli.options import EXIT_CODE, FULL, Where, prints, reads_source
from reconciler.plan.focus import Focus
from reconciler.report.output import Output


@click.command(cls=Command)
@click.argument("older", metavar="A")
@click.argument("newer", metavar="[B]", required=False)
@focuses
@LINK_BASE
@EXIT_CODE
@FULL
@reads_source(offline=True)
@prints(quiet=True, formats=("text", "json", "markdown"))
def command(
    where: Where,
    output: Output,
    *,
    older: str,
    newer: str | None,
    focus: Focus,
    link_base: str | None,
    exit_code: bool,
    full: bool,
) -> int:
    """Show what changes from commit A to commit B, slice by slice, without a store or credentials.

    B is HEAD where it isn't said; with --worktree, the files on disk. What an apply of B would do to a store that
    holds A, deletions first.
    """
    if newer is not None:
        if where.worktree:
            raise click.UsageError("the commit B and --worktree exclude each other")
        where = where._replace(rev=newer)
    return compare(
        where, output, base=older, focus=focus, link_base=link_base, wanted=exit_code, full=full, exactly=True
    )
