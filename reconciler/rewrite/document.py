"""One document in its file: the edits that bring its text to another version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from reconciler.rewrite.claims import Claims
from reconciler.rewrite.job import Comment, Job
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


def rewrites(layout: Layout, original: dict[str, Any], target: dict[str, Any]) -> Iterator[Rewritten]:
    """Ways to edit a document so that it means ``target``, the smallest first. Whoever asks has to check them."""
    claims = Claims(original, target)
    seen: list[str] = []
    for careful, expand in _ATTEMPTS:
        found = _attempt(layout, original, target, claims, careful=careful, expand=expand)
        if found is not None:
            text = found.edits.apply(layout.text, 0, len(layout.text))
            if text not in seen:
                seen.append(text)
                yield found


def _attempt(
    layout: Layout, original: dict[str, Any], target: dict[str, Any], claims: Claims, *, careful: bool, expand: bool
) -> Rewritten | None:
    """Done again until it is known which comments travel."""
    travelled: frozenset[int] = frozenset()
    for _ in range(_PASSES):
        job = Job(layout, original, target, claims, careful, expand, travelled)
        edits = Edits()
        if not Surgeon(job).place(layout.root, target, (), edits):
            return None
        if job.moving == travelled:
            break
        travelled = frozenset(job.moving)
    told = job.told
    return Rewritten(
        edits,
        tuple(told.comments[at] for at in sorted(told.comments)),
        tuple(sorted(told.expanded.items())),
    )
