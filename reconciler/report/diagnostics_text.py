"""Diagnostics as people read them: the place, the sentence, the source line with a caret, the way out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.base.diagnostics import Diagnostic
from reconciler.report.style import Style, count, safe, width_of

_EXCERPT = 160
_BEFORE = 100


def diagnostics_text(diagnostics: Sequence[Diagnostic], style: Style) -> Iterator[str]:
    """Lines, the counts last; nothing for no diagnostics."""
    for d in diagnostics:
        yield from diagnostic_text(d, style)
    if diagnostics:
        yield counts_line(diagnostics)


def diagnostic_text(d: Diagnostic, style: Style) -> Iterator[str]:
    """Lines of one diagnostic."""
    colour = "red" if d.severity == "error" else "yellow"
    place = f"{safe(str(d.place))}: " if d.place else ""
    first, *more = d.message.splitlines() or [""]
    yield f"{style(place, 'bold')}{style(f'{d.severity}[{d.code}]', colour, 'bold')} {safe(first)}"
    yield from (f"  {safe(line)}" for line in more)
    if d.place is not None and d.excerpt and d.excerpt.strip():
        yield from _excerpt(d.excerpt, d.place.line, d.place.column, style, colour)
    if d.hint:
        yield f"  {style('hint:', 'bold')} {safe(d.hint)}"
    for words, place_of in d.related:
        yield f"  {safe(words)}: {safe(str(place_of))}"


def counts_line(diagnostics: Sequence[Diagnostic]) -> str:
    """``3 errors, 1 warning in 2 files``."""
    errors = sum(1 for d in diagnostics if d.severity == "error")
    warnings = len(diagnostics) - errors
    parts = [count(n, word) for n, word in ((errors, "error"), (warnings, "warning")) if n]
    files = len({d.place.path for d in diagnostics if d.place is not None})
    return ", ".join(parts) + (f" in {count(files, 'file')}" if files else "")


def _excerpt(line: str, number: int, column: int, style: Style, colour: str) -> Iterator[str]:
    """The line and a caret below its ``column``; of a very long line only what is around."""
    at = min(max(column - 1, 0), len(line))
    start = at - _BEFORE if len(line) > _EXCERPT and at > _BEFORE else 0
    shown = line[start : start + _EXCERPT]
    lead = "…" if start else ""
    tail = "…" if start + _EXCERPT < len(line) else ""
    gutter = str(number)
    before = lead + line[start:at]
    pad = "".join(c if c == "\t" else " " * width_of(c) for c in before)
    yield f"  {style(f'{gutter} |', 'dim')} {safe(f'{lead}{shown}{tail}'.rstrip())}"
    yield f"  {' ' * len(gutter)} {style('|', 'dim')} {pad}{style('^', colour, 'bold')}"
