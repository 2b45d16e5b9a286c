"""A document as nodes with their places: built only where there is a fault, since it costs twice the reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.source import faults as f
from reconciler.source.events import event_types
from reconciler.source.faults import YamlFault
from reconciler.source.limits import MAX_DEPTH
from reconciler.source.parsers import EventSource


class Node:
    """A scalar (``text``), a list (``items``) or a map (``pairs``). Places count from 0, as the parsers count them.

    An alias is a node of its own, at the alias, with ``target`` set to what it stands for.
    """

    __slots__ = ("column", "end", "items", "line", "pairs", "style", "target", "text")

    def __init__(self, event: Any) -> None:
        self.line: int = event.start_mark.line
        self.column: int = event.start_mark.column
        self.end: tuple[int, int] = (event.end_mark.line, event.end_mark.column)
        self.text: str | None = None
        self.style = ""
        self.items: list[Node] | None = None
        self.pairs: list[tuple[Node, Node]] | None = None
        self.target: Node | None = None


def outline(source: EventSource, index: int) -> Node | None:
    """The root node of document ``index`` (from 0), without recursion. ``None`` when there is none.

    Raises what the parser raises. What is nested deeper than values may be is left out.
    """
    scalar, map_start, map_end, list_start, list_end, alias, document_start, document_end, stream_end = event_types()
    seen, root = -1, None
    stack: list[tuple[Node, list[Node]]] = []
    anchors: dict[str, Node] = {}
    while True:
        event = source.get_event()
        kind = type(event)
        if kind is stream_end or (kind is document_end and seen == index):
            return root
        if kind is document_start:
            seen, anchors = seen + 1, {}
        if seen != index or kind not in (scalar, map_start, map_end, list_start, list_end, alias):
            continue
        if kind in (map_end, list_end):
            node, children = stack.pop()
            node.end = (event.end_mark.line, event.end_mark.column)
            if kind is map_end:
                node.pairs = list(zip(children[::2], children[1::2], strict=True))
            else:
                node.items = children
            continue
        node = Node(event)
        if kind is scalar:
            node.text, node.style = event.value, event.style or ""
        elif kind is alias:
            node.target = anchors.get(event.anchor)
        if event.anchor is not None and kind is not alias:
            anchors[event.anchor] = node
        if stack:
            stack[-1][1].append(node)
        else:
            root = node
        if kind in (map_start, list_start):
            if len(stack) > MAX_DEPTH:
                return root
            stack.append((node, []))


def with_first_lines(faults: list[YamlFault], opened: Callable[[], EventSource], first_line: int) -> list[YamlFault]:
    """Say in each duplicate key's message where the key stood first. ``opened`` reads the one document they are in."""
    if not any(fault.code == f.DUPLICATE_KEY for fault in faults):
        return faults
    root = outline(opened(), 0)
    firsts = _first_lines(root) if root is not None else {}
    out = []
    for fault in faults:
        first = firsts.get((fault.line - first_line - 1, fault.column - 1))
        if fault.code == f.DUPLICATE_KEY and first is not None:
            message = f"{fault.message}, first in line {first_line + first + 1}"
            out.append(fault._replace(message=message, hint="remove one of the two, or rename it"))
        else:
            out.append(fault)
    return out


def _first_lines(root: Node) -> dict[tuple[int, int], int]:
    """(line, column) of every repeated key -> line of the first one; all from 0."""
    found: dict[tuple[int, int], int] = {}
    todo = [root]
    while todo:
        node = todo.pop()
        todo += node.items or []
        lines: dict[str, int] = {}
        for key, value in node.pairs or ():
            todo += (key, value)
            name = key.target.text if key.target is not None else key.text
            if name is not None and lines.setdefault(name, key.line) != key.line:
                found[key.line, key.column] = lines[name]
    return found
