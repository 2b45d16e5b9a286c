"""One document in its file: the edits that bring its text to another version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from reconciler.base.diagnostics import Path
from reconciler.rewrite.claims import Claims
from reconciler.rewrite.entries import Entries, Style
from reconciler.rewrite.job import Comment, Home, Job
from reconciler.rewrite.place import Surgeon
from reconciler.rewrite.text import Edits
from reconciler.source.layout import Layout

_ATTEMPTS = ((True, False), (False, False), (False, True))
"""(careful, expand): from the smallest edits to the surest ones."""
_PASSES = 3


class Rewritten(NamedTuple):
    """``edits`` are offsets into the file's text. ``comments`` lost their keys and stay where those were.

    ``expanded``: offset and name of every alias (or merge key) that had to be written out.
    """

    edits: Edits
    comments: tuple[Comment, ...]
    expanded: tuple[tuple[int, str], ...]


def rewrites(
    layout: Layout, original: dict[str, Any], target: dict[str, Any], noted: frozenset[Path] = frozenset()
) -> Iterator[Rewritten]:
    """Ways to edit a document so that it means ``target``, the smallest first. Whoever asks has to check them.

    ``noted``: paths of the original that go, and stay as comments where they were.
    """
    layout.at(())  # each node learns its path
    claims = Claims(original, target, whole=not layout.aliases)
    entries = Entries(layout)
    style = Style.of(layout, entries)
    seen: list[Edits] = []
    for careful, expand in _ATTEMPTS:
        job = Job(layout, entries, style, original, target, claims, careful, expand, frozenset(), noted)
        with suppress(ValueError):  # edits that overlap: the next way has others
            found = _attempt(job)
            if found is not None and found.edits not in seen:
                seen.append(found.edits)
                yield found


def _attempt(job: Job) -> Rewritten | None:
    """Done again until it is known which comments travel. Raises ``ValueError`` when its edits contradict."""
    for _ in range(_PASSES):
        edits = Edits()
        job.home = Home(edits, job.layout.root.start, 0)
        if not Surgeon(job).place(job.layout.root, job.target, (), edits):
            return None
        if job.settled:
            break
        job = job.again()
    edits.check()
    told = job.told
    return Rewritten(
        edits,
        tuple(told.comments[at] for at in sorted(told.comments)),
        tuple(sorted(told.expanded.items())),
    )
