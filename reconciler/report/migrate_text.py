"""What ``gitops migrate`` would do or did: by file and step, what was kept aside, and what is left to a person."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator

from reconciler.flows.migrate import Rewriting
from reconciler.flows.migrate_file import FileChange
from reconciler.report.diagnostics_text import diagnostic_text
from reconciler.report.style import Style, count, safe

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")


def migrate_text(found: Rewriting, style: Style, *, written: bool) -> Iterator[str]:
    """Every file with its steps, then what a person has to look at, then one sentence."""
    for change in found.files:
        yield f"{style(safe(change.path), 'bold')}  {count(len(change.documents), 'document')}"
        steps = Counter(step for document in change.documents for step in document.steps)
        width = len(str(max(steps.values(), default=0)))
        yield from (f"  {number:>{width}}  {safe(step)}" for step, number in sorted(steps.items()))
        for document in change.documents:
            for note in document.comments:
                yield f"  kept the comment of a key that is gone, {safe(str(note.place))}: {safe(note.text)}"
            for note in document.expanded:
                yield f"  wrote out {safe(note.text)} where its anchor no longer fits, {safe(str(note.place))}"
    if found.files and found.left:
        yield ""
    if found.left:
        yield style("Left to you:", "bold")
        for diagnostic in found.left:
            yield from diagnostic_text(diagnostic, style)
    if found.files or found.left:
        yield ""
    yield _sentence(found, style, written=written)


def _sentence(found: Rewriting, style: Style, *, written: bool) -> str:
    left = f"; {count(len(found.left), 'thing')} left to you" if found.left else ""
    if not found.files:
        return style(
            f"Nothing to rewrite in {count(found.read, 'file')}{left}.", "green" if not found.left else "yellow"
        )
    documents = count(sum(len(change.documents) for change in found.files), "document")
    where = f"{documents} in {count(len(found.files), 'file')}"
    if written:
        return style(f"Rewrote {where}{left}.", "green")
    return style(f"Would rewrite {where}{left}. --diff shows every line, --write does it.", "yellow")


def diff_text(change: FileChange, style: Style) -> Iterator[str]:
    """A unified diff, with the line ends as they are. Without colours it is one that ``git apply`` takes."""
    old, new = (_LINE.findall(data.decode("utf-8")) for data in (change.old, change.new or b""))
    for line in difflib.unified_diff(old, new, f"a/{change.path}", f"b/{change.path}"):
        ended = line if line.endswith(("\n", "\r")) else f"{line}\n\\ No newline at end of file\n"
        yield _painted(ended, style) if style.coloured else ended


def _painted(line: str, style: Style) -> str:
    looks = {"+": ("green",), "-": ("red",), "@": ("blue",)}.get(line[:1], ())
    if line.startswith(("+++", "---")):
        looks = ("bold",)
    return style(safe(line.rstrip("\r\n")), *looks) + "\n"
