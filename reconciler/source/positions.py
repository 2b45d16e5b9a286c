"""Line and column of keys and values in one document; made only for a document that has a fault."""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import suppress
from functools import lru_cache
from itertools import accumulate, islice

from reconciler.base.diagnostics import Path
from reconciler.source.faults import Refused
from reconciler.source.inside import source_offset
from reconciler.source.limits import MAX_DOCUMENTS
from reconciler.source.outline import Node, outline
from reconciler.source.recover import Piece, open_piece, pieces

_BREAK = re.compile(r"\r\n|\n|\r")
# A scalar's mark is at its anchor or tag; its text comes after them.
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")
_BOM = "\ufeff"


class Positions:
    """Places in one document, as (line, column) from 1, columns in characters.

    A path that doesn't exist means its nearest ancestor that does. What is reached through an alias, or through a merge
    key, is at the alias: that is where this document says it.
    """

    def __init__(self, root: Node | None, text: str, first_line: int) -> None:
        self._root = root
        self._text = text
        self._first_line = first_line
        self._starts = [0, *(match.end() for match in _BREAK.finditer(text))]

    def value(self, path: Path) -> tuple[int, int]:
        """Where the value at ``path`` begins; where the path ends early, the key of what exists."""
        key, node, complete = self._find(path)
        return self._place(node if complete or key is None else key)

    def key(self, path: Path) -> tuple[int, int]:
        """Where the key of the value at ``path`` begins; of an item of a list and of the root, the value itself."""
        key, node, _ = self._find(path)
        return self._place(key or node)

    def inside(self, path: Path, offset: int) -> tuple[int, int]:
        """Where character ``offset`` of the string at ``path`` stands; for anything else its value."""
        _, node, complete = self._find(path)
        if not complete or node is None or node.text is None:
            return self.value(path)
        start = self._index(node.line, node.column)
        properties = _PROPERTIES.match(self._text, start)
        start = properties.end() if properties else start
        index = source_offset(self._text, start, style=node.style, value=node.text, offset=max(0, offset))
        line = bisect_right(self._starts, index) - 1
        column = index - self._starts[line] - (line == 0 and self._text.startswith(_BOM))
        return self._first_line + line + 1, column + 1

    def _place(self, node: Node | None) -> tuple[int, int]:
        return (1, 1) if node is None else (self._first_line + node.line + 1, node.column + 1)

    def _index(self, line: int, column: int) -> int:
        start = self._starts[line] if line < len(self._starts) else len(self._text)
        return start + column + (line == 0 and self._text.startswith(_BOM))

    def _find(self, path: Path) -> tuple[Node | None, Node | None, bool]:
        """(key, value, whether all of the path exists) of the deepest node on ``path``."""
        key, node = None, self._root
        for step in path:
            found = _child(node, step) if node is not None else None
            if found is None:
                return key, node, False
            # An item of a list has no key of its own.
            key, node = found
            if node.target is not None:
                return key, node, True
        return key, node, True


def _child(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
    if isinstance(step, int):
        items = node.items or []
        return (None, items[step]) if -1 < step < len(items) else None
    merged = None
    for key, value in node.pairs or ():
        text = key.target.text if key.target is not None else key.text
        if text == step:
            return key, value
        if text == "<<" and not key.style:
            merged = merged or _merged(key, value, step)
    return merged


def _merged(key: Node, value: Node, step: str) -> tuple[Node | None, Node] | None:
    for base in value.items if value.items is not None else (value,):
        if base.target is not None:
            if _child(base.target, step) is not None:
                return key, base
        elif (found := _child(base, step)) is not None:
            return found
    return None


def positions(data: bytes, index: int) -> Positions:
    """The places of document ``index`` (as in ``Parsed``) of a file. Never raises: what can't be read has its start."""
    for piece, first in _numbered(data):
        if first == index and piece.holds_document():
            return Positions(_root(piece), piece.data.decode("utf-8", "replace"), piece.line)
    return Positions(None, "", 0)


@lru_cache(maxsize=4)
def _numbered(data: bytes) -> tuple[tuple[Piece, int], ...]:
    """Every piece with the index its document has; kept, since faults of one file come together."""
    found = tuple(islice(pieces(data), 2 * MAX_DOCUMENTS))
    return tuple(zip(found, accumulate((piece.holds_document() for piece in found), initial=0), strict=False))


def _root(piece: Piece) -> Node | None:
    with suppress(Refused):
        for opened in open_piece(piece):
            # What the parsers raise is no news: the file has its fault already.
            with suppress(Exception):
                return outline(opened(), 0)
    return None
