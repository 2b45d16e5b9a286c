"""Aligned columns, plain, so that they can be cut and searched; folded where a terminal is narrower than its table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from reconciler.report.style import Style, safe, width_of

_GAP = "  "
_NARROWEST = 8
"""Cells that a column keeps, however narrow the terminal is."""


def table(header: Sequence[str], rows: Sequence[Sequence[str]], style: Style) -> Iterator[str]:
    """Lines of a table; the last column isn't padded, and nothing is ever cut."""
    cells = [[safe(cell) for cell in row] for row in rows]
    widths = [max(_width(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    if style.width is not None:
        widths = _fitted(widths, style.width - len(_GAP) * (len(widths) - 1))
    yield from (style(line, "bold") for line in _folded(header, widths))
    for row in cells:
        yield from _folded(row, widths)


def pairs(rows: Sequence[tuple[str, str]], style: Style) -> Iterator[str]:
    """``Label  value`` lines."""
    width = max((len(label) for label, _ in rows), default=0)
    yield from (f"{style(label.ljust(width), 'bold')}  {safe(value)}".rstrip() for label, value in rows)


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(width_of, text))


def _fitted(widths: Sequence[int], room: int) -> list[int]:
    """The widest columns made narrower, until all of them fit into ``room`` or none can give more."""
    found = list(widths)
    while sum(found) > room and max(found) > _NARROWEST:
        found[found.index(max(found))] -= 1
    return found


def _folded(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    parts = [_fold(cell, width) for cell, width in zip(cells, widths, strict=True)]
    return (_line(line, widths) for line in zip_longest(*parts, fillvalue=""))


def _fold(text: str, width: int) -> list[str]:
    if _width(text) <= width:
        return [text]
    lines, left = [""], width
    for char in text:
        taken = width_of(char)
        if taken > left:
            lines.append("")
            left = width
        lines[-1] += char
        left -= taken
    return lines


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)]
    return _GAP.join(padded).rstrip()
