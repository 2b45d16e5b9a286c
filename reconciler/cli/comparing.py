"""``gitops plan --base`` and ``gitops diff``: two commits, opened, compared, shown."""

from __future__ import annotations

from reconciler.cli.frame import without_gc
from reconciler.cli.options import Where
from reconciler.plan.focus import Focus
from reconciler.report.output import Output


def compare(where: Where, output: Output, *, base: str, focus: Focus, wanted: bool, full: bool) -> int:
    """From the commit ``base`` to what ``where`` says; the exit code."""
    from reconciler.cli.planning import Shown, exit_code, show
    from reconciler.flows.ancestry import with_ancestors
    from reconciler.flows.between import between
    from reconciler.report.progress import progress_for

    head = where.open()
    older = where._replace(rev=base, worktree=False).open()
    with without_gc(), progress_for(output) as progress, between(older, head, progress) as found:
        aimed = with_ancestors(focus, found.plan, found.known)
        show(Shown(found.plan, found.bodies, aimed, base=found.base), output, full=full)
    return exit_code(found.plan, wanted=wanted)
