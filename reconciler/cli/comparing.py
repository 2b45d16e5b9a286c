"""``gitops plan --base`` and ``gitops diff``: two commits, opened, compared, shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from reconciler.base.errors import InvalidDocuments
from reconciler.cli.frame import without_gc
from reconciler.cli.options import Where
from reconciler.plan.focus import Focus
from reconciler.report.links import Links
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.flows.opened import Source


def compare(
    where: Where,
    output: Output,
    *,
    base: str,
    focus: Focus,
    link_base: str | None,
    wanted: bool,
    full: bool,
    exactly: bool = False,
) -> int:
    """From the commit ``base``, or from where it was left, to what ``where`` says; the exit code.

    ``exactly``: from that commit, whatever it has in common with the other.
    """
    from reconciler.cli.planning import Shown, exit_code, show
    from reconciler.flows.ancestry import ensure_known, with_ancestors
    from reconciler.flows.between import between
    from reconciler.report.progress import progress_for

    links = links_for(where, link_base)
    head = where.open()
    older = where.since(base, head, exactly=exactly)
    try:
        with without_gc(), progress_for(output) as progress, between(older, head, progress) as found:
            ensure_known(focus, found.plan, found.known, head.settings.external)
            aimed = with_ancestors(focus, found.plan, found.known)
            show(Shown(found.plan, found.bodies, aimed, found.base, links), output, full=full)
    except InvalidDocuments as invalid:
        if output.format == "markdown":
            output.result(_refused(invalid, head, links))
        raise
    return exit_code(found.plan, wanted=wanted)


def _refused(invalid: InvalidDocuments, head: Source, links: Links) -> str:
    """The comment that takes the place of the plan's."""
    from reconciler.flows.between import InvalidBase
    from reconciler.report.faults_markdown import faults_markdown

    why = invalid.message if isinstance(invalid, InvalidBase) else ""
    return faults_markdown(
        invalid.diagnostics, source=head.name, commit=head.head.commit if head.head else "", links=links, why=why
    )


def compare_environments(
    where: Where,
    output: Output,
    *,
    names: tuple[str, str],
    focus: Focus,
    link_base: str | None,
    wanted: bool,
    full: bool,
) -> int:
    """Two environments of what ``where`` says; the exit code."""
    from reconciler.cli.planning import CHANGES
    from reconciler.flows import environments
    from reconciler.report import environments as told
    from reconciler.report.progress import progress_for

    links = links_for(where, link_base)
    source = where.open()
    with without_gc(), progress_for(output) as progress:
        found = environments.compare_environments(source, *names, target=focus.target, progress=progress)
    if output.json:
        output.data(told.environments_json(found))
    elif output.format == "markdown":
        output.result(told.environments_markdown(found, links))
    elif not output.quiet:
        output.lines(told.environments_text(found, output.style, full=full))
    return CHANGES if wanted and (found.slices or found.fields) else 0


def links_for(where: Where, link_base: str | None) -> Links:
    """Where files stand at their forge. Raises ``UsageError``."""
    from reconciler.flows.opened import folder_in_repository

    return Links.of(link_base, os.environ, folder_in_repository(where.directory))
