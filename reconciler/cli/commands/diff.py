"""``gitops diff``."""

from __future__ import annotations

import click
from click.core import ParameterSource

from reconciler.cli.comparing import compare, compare_environments
from reconciler.cli.focusing import LINK_BASE, focuses
from reconciler.cli.lazy import Command
from reconciler.cli.options import EXIT_CODE, FULL, Where, prints, reads_source
from reconciler.plan.focus import Focus
from reconciler.report.output import Output


@click.command(cls=Command)
@click.argument("older", metavar="[A]", required=False)
@click.argument("newer", metavar="[B]", required=False)
@click.option("--environments", nargs=2, metavar="ONE OTHER", help="Compare two environments of one commit instead.")
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
    older: str | None,
    newer: str | None,
    environments: tuple[str, str] | None,
    focus: Focus,
    link_base: str | None,
    exit_code: bool,
    full: bool,
) -> int:
    """Show what changes from commit A to commit B, slice by slice, without a store or credentials.

    B is HEAD where it isn't said; with --worktree, the files on disk. What an apply of B would do to a store that
    holds A, deletions first. With --environments: what differs between two of them, once it is rendered.
    """
    if environments:
        if older is not None or focus.environment or focus.only:
            raise click.UsageError("--environments goes with --rev, --worktree and --target only")
        return compare_environments(
            where, output, names=environments, focus=focus, link_base=link_base, wanted=exit_code, full=full
        )
    if older is None:
        raise click.UsageError("missing argument A: the commit to compare with")
    if newer is not None:
        for name in ("rev", "worktree"):
            if click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"the commit B and --{name} exclude each other")
        where = where._replace(rev=newer, worktree=False)  # it wins over a variable, as a flag does
    return compare(
        where, output, base=older, focus=focus, link_base=link_base, wanted=exit_code, full=full, exactly=True
    )
