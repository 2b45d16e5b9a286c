"""Chains and what their steps say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.flows.migrations import Story
from reconciler.report.diagnostics_json import FORMAT
from reconciler.report.style import Style, safe
from reconciler.report.table import table
from reconciler.versioning.chain import Chain


def chains_text(chains: Sequence[Chain], style: Style) -> Iterator[str]:
    """A table, one line a subject."""
    rows = [[c.subject, str(c.first), str(c.head), " ".join(f"v{s.frm}-v{s.to}" for s in c.steps)] for c in chains]
    yield from table(["SUBJECT", "FIRST", "HEAD", "STEPS"], rows, style)


def chains_json(chains: Sequence[Chain]) -> dict[str, Any]:
    """The same facts."""
    return {"format": FORMAT, "chains": [_chain(chain) for chain in chains]}


def stories_text(chain: Chain, stories: Sequence[Story], style: Style) -> Iterator[str]:
    """Every step with its docstring."""
    yield f"{style(chain.subject, 'bold')}  version {chain.first} to {chain.head}"
    if not stories:
        yield "There is one version, and no step."
    for step, text, renamed in stories:
        yield ""
        yield f"{style(f'v{step.frm} to v{step.to}', 'bold')}  {safe(step.file)}"
        yield from (f"  {safe(line)}".rstrip() for line in text.splitlines())
        yield from (f"  renames {safe(line)}" for line in renamed)


def stories_json(chain: Chain, stories: Sequence[Story]) -> dict[str, Any]:
    """The same facts."""
    told = [{"from": s.step.frm, "to": s.step.to, "text": s.text, "renamed": list(s.renamed)} for s in stories]
    return {"format": FORMAT, **_chain(chain), "stories": told}


def _chain(chain: Chain) -> dict[str, Any]:
    steps = [{"from": s.frm, "to": s.to, "description": s.description, "file": s.file} for s in chain.steps]
    return {"subject": chain.subject, "first": chain.first, "head": chain.head, "steps": steps}
