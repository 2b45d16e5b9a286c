"""What a comment on a pull request says where nothing can be planned, so that no older plan stays up as if it held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from reconciler.base.diagnostics import Diagnostic
from reconciler.report.links import Links
from reconciler.report.markdown import code, link, marker
from reconciler.report.plan_markdown import MOST, Block, fitted
from reconciler.report.style import count

_HINT = f"{code('gitops validate')} tells all."


def faults_markdown(
    diagnostics: Sequence[Diagnostic], *, source: str, commit: str, links: Links, why: str = "", most: int = MOST
) -> str:
    """The whole comment, in the place of the plan's. ``why``: a sentence, where the faults aren't those of ``commit``,
    which is empty for files on disk; they have no links then."""
    errors = [d for d in diagnostics if d.severity == "error"]
    at = code(commit[:7] or "the working tree")
    head = [
        marker("plan", source),
        f"### Can't be planned: {count(len(errors), 'error')}",
        "",
        f"Source {code(source)}, at {at}." + (f" {code(why)}" if why else ""),
    ]
    at_commit = "" if why else commit
    blocks = (
        Block("Errors", f"- {_where(d, at_commit, links)}{code(f'{d.code}: {d.message}')}", "errors") for d in errors
    )
    return fitted(head, blocks, Counter(), _HINT, most)


def _where(d: Diagnostic, commit: str, links: Links) -> str:
    if d.place is None:
        return ""
    return link(f"{d.place.path}:{d.place.line}", links.to(commit, d.place.path, d.place.line)) + " "
