"""Aligned columns, plain, so that they can be cut and searched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.report.style import Style, safe, width_of


def table(header: Sequence[str], rows: Sequence[Sequence[str]], style: Style) -> Iterator[str]:
    """Lines of a table; the last column isn't padded, and nothing is ever cut."""
    cells = [[safe(cell) for cell in row] for row in rows]
    widths = [max(_width(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    yield style(_line(header, widths), "bold")
    yield from (_line(row, widths) for row in cells)


def pairs(rows: Sequence[tuple[str, str]], style: Style) -> Iterator[str]:
    """``Label  value`` lines."""
    width = max((len(label) for label, _ in rows), default=0)
    yield from (f"{style(label.ljust(width), 'bold')}  {safe(value)}".rstrip() for label, value in rows)


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(width_of, text))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()
