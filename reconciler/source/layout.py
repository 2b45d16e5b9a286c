"""A document as it stands in its file: every node with the exact span of its text, so that text can be edited by place.

Built only for documents that are going to be rewritten. Beyond :mod:`.outline` it knows where things end, what is
written in flow style, and which anchor an alias means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.source.events import event_types
from reconciler.source.faults import Refused
from reconciler.source.limits import MAX_DEPTH
from reconciler.source.recover import open_piece, pieces

_BREAK = re.compile(r"\r\n|\n|\r")
_PROPERTIES = re.compile(r"(?:[&!]\S*(?:\s+|\Z)(?:#[^\r\n]*\s+)*)+")
_BLANK_END = re.compile(r"(?:[ \t]*(?:\r\n|\n|\r))*[ \t]*\Z")


class Node:
    """A scalar (``text`` is its value), a list (``items``), a map (``pairs``), or an alias (``target``).

    ``start`` and ``end`` are offsets into the file's text: from the anchor or tag on, where there is one (``body`` is
    behind it), to the last character that belongs to the node, without comments and line ends behind it.
    """

    __slots__ = ("alias", "anchor", "body", "end", "flow", "items", "pairs", "path", "start", "style", "target", "text")

    def __init__(self, start: int, body: int, end: int) -> None:
        self.start, self.body, self.end = start, body, end
        self.path: Path = ()
        self.text: str | None = None
        self.style = ""
        self.flow = False
        self.items: list[Node] | None = None
        self.pairs: list[tuple[Node, Node]] | None = None
        self.anchor: str | None = None
        self.alias = False
        self.target: Node | None = None

    @property
    def scalar(self) -> bool:
        """Whether it is a text, a number, and so on, written here."""
        return self.text is not None


class Layout:
    """One document. ``text`` is that of the whole file; ``aliases`` and ``anchors`` are in the order of the text."""

    __slots__ = ("_nodes", "aliases", "anchors", "root", "text")

    def __init__(self, text: str, root: Node, aliases: list[Node], anchors: list[Node]) -> None:
        self.text, self.root, self.aliases, self.anchors = text, root, aliases, anchors
        self._nodes: dict[Path, Node] | None = None

    def at(self, path: Path) -> Node | None:
        """The node written at ``path``; None for what is reached through an alias or a merge key."""
        if self._nodes is None:
            self._nodes = self._named()
        return self._nodes.get(path)

    def _named(self) -> dict[Path, Node]:
        """Every node by its path, and each told its own."""
        found: dict[Path, Node] = {(): self.root}
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            below: list[tuple[Path, Node]] = [((*node.path, i), item) for i, item in enumerate(node.items or ())]
            below += [((*node.path, key_of(key) or ""), value) for key, value in node.pairs or () if not merges(key)]
            for path, child in below:
                child.path = path
                found[path] = child
                waiting.append(child)
        return found


def key_of(key: Node) -> str | None:
    """The text of a key, aliased keys included."""
    return key.target.text if key.target is not None else key.text


def merges(key: Node) -> bool:
    """Whether a key is the merge key ``<<``."""
    return key.text == "<<" and not key.style and key.start == key.body


def layouts(data: bytes, tape: Sequence[Any] = ()) -> dict[int, Layout]:
    """Every document that can be read, by its index as in ``Parsed``. ``data`` is valid UTF-8. Never raises.

    ``tape``: the events that :func:`reconciler.source.yaml.load` kept; it is empty where the file has to be read
    piece by piece. Nodes know their paths once :meth:`Layout.at` was asked.
    """
    text = data.decode("utf-8")
    if tape:
        with suppress(Exception):
            return dict(enumerate(_read(tape, text, 0)))
    found: dict[int, Layout] = {}
    index = before = 0
    for piece in pieces(data):
        piece_text = piece.data.decode("utf-8")
        if piece.holds_document():
            layout = _of_piece(piece, text, before)
            if layout is not None:
                found[index] = layout
            index += 1
        before += len(piece_text)
    return found


def _of_piece(piece: Any, text: str, before: int) -> Layout | None:
    with suppress(Refused):
        for opened in open_piece(piece):
            with suppress(Exception):
                return next(_read(iter(opened().get_event, None), text, before), None)
    return None


def _read(events: Iterable[Any], text: str, before: int) -> Iterator[Layout]:
    """The documents of a stream that begins at offset ``before``. Empty ones come as a null scalar."""
    read = _Reader(text, before)
    _, _, _, _, _, _, document_start, document_end, stream_end = event_types()
    for event in events:
        kind = type(event)
        if kind is stream_end:
            return
        if kind is document_start:
            read.start()
        elif kind is document_end:
            yield Layout(text, read.root or Node(0, 0, 0), read.aliases, read.anchored)
        else:
            read.event(event, kind)


class _Reader:
    """Builds the nodes of one document after the other."""

    def __init__(self, text: str, before: int) -> None:
        self._text = text
        # Marks don't count a byte order mark.
        first = before + text.startswith("\ufeff", before)
        self._starts = [first, *(match.end() for match in _BREAK.finditer(text, before))]
        self._types = event_types()
        self.start()

    def start(self) -> None:
        """A document begins."""
        self.root: Node | None = None
        self.aliases: list[Node] = []
        self.anchored: list[Node] = []
        self._anchors: dict[str, Node] = {}
        self._stack: list[tuple[Node, list[Node]]] = []

    def event(self, event: Any, kind: type[Any]) -> None:
        """One event between the start and the end of a document."""
        scalar, map_start, map_end, list_start, list_end, alias, _, _, _ = self._types
        if kind is map_end or kind is list_end:
            self._close(event, is_map=kind is map_end)
            return
        if kind not in (scalar, map_start, list_start, alias):
            return
        start, end = self._offset(event.start_mark), self._offset(event.end_mark)
        node = Node(start, start, end)
        if kind is alias:
            node.alias, node.target, node.anchor = True, self._anchors.get(event.anchor), event.anchor
            self.aliases.append(node)
        else:
            if event.anchor is not None or event.ctag is not None:
                self._properties(node, event)
            if kind is scalar:
                node.text, node.style = event.value, event.style or ""
                if node.style in ("|", ">"):
                    node.end = self._block_end(node, keep="+" in self._header(node))
            else:
                node.flow = bool(event.flow_style)
        self._add(node)
        if kind is map_start or kind is list_start:
            if len(self._stack) > MAX_DEPTH:
                raise ValueError("nested too deeply")
            self._stack.append((node, []))

    def _add(self, node: Node) -> None:
        if self._stack:
            self._stack[-1][1].append(node)
        else:
            self.root = node

    def _properties(self, node: Node, event: Any) -> None:
        found = _PROPERTIES.match(self._text, node.start)
        if found is not None:
            node.body = min(found.end(), node.end) if event.end_mark.index > event.start_mark.index else found.end()
        if event.anchor is not None:
            node.anchor = event.anchor
            self._anchors[event.anchor] = node
            self.anchored.append(node)

    def _close(self, event: Any, *, is_map: bool) -> None:
        node, children = self._stack.pop()
        if is_map:
            node.pairs = list(zip(children[::2], children[1::2], strict=True))
        else:
            node.items = children
        if node.flow and self._text[self._offset(event.end_mark) - 1] in "]}" and self._opened(node):
            node.end = self._offset(event.end_mark)
        elif children:
            node.end = max(children[-1].end, children[-2].end if is_map else 0)
            if not node.flow:
                node.body = children[0].start if is_map else node.body

    def _opened(self, node: Node) -> bool:
        """Whether a flow collection has brackets; a single pair in a flow list has none."""
        at = node.start
        found = _PROPERTIES.match(self._text, at)
        at = found.end() if found else at
        return self._text[at : at + 1] in ("[", "{") and (node.pairs is None or self._text[at] == "{")

    def _header(self, node: Node) -> str:
        end = _BREAK.search(self._text, node.body)
        return self._text[node.body : end.start() if end else node.end].partition("#")[0]

    def _block_end(self, node: Node, *, keep: bool) -> int:
        piece = self._text[node.body : node.end]
        if keep:
            return node.end - (2 if piece.endswith("\r\n") else 1 if piece.endswith(("\n", "\r")) else 0)
        blank = _BLANK_END.search(piece)
        return node.body + (blank.start() if blank else len(piece))

    def _offset(self, mark: Any) -> int:
        line: int = mark.line
        if line >= len(self._starts):
            return len(self._text)
        at: int = self._starts[line] + mark.column
        return at
