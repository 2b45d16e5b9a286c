"""Where the entries of maps and lists begin and end in the text, and how a document is written."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from reconciler.base.diagnostics import Path
from reconciler.rewrite.text import column, line_end, line_start, rest
from reconciler.source.layout import Layout, Node, merges
from reconciler.source.scalars import PLAIN, BadNumber

_COLON = re.compile(r"[ \t]*:")


class Entry(NamedTuple):
    """A pair of a map, or an item of a list (``key`` is None), and its place.

    ``start``: of its key or its dash. ``indent``: the column of that. ``inline``: something stands before it on its
    line, such as the dash of the list it is in. ``after``: behind its colon or dash. ``end``: of its value. ``next``:
    where the line behind it begins.
    """

    key: Node | None
    value: Node
    start: int
    indent: int
    inline: bool
    after: int
    end: int
    next: int


class Entries:
    """The entries of one document, found as they are asked for."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._text = layout.text
        self._found: dict[int, list[Entry]] = {}

    def of(self, node: Node) -> list[Entry]:
        """Of a map or list, in the order of the text."""
        found = self._found.get(id(node))
        if found is None:
            if node.pairs is not None:
                found = [self._pair(node, key, value) for key, value in node.pairs]
            else:
                found = [self._item(node, item) for item in node.items or ()]
            self._found[id(node)] = found
        return found

    def at(self, path: Path) -> Entry | None:
        """The entry that holds what is written at a path."""
        parent = self._layout.at(path[:-1]) if path else None
        value = self._layout.at(path)
        if parent is None or value is None or parent.alias:
            return None
        return next((entry for entry in self.of(parent) if entry.value is value), None)

    def _pair(self, node: Node, key: Node, value: Node) -> Entry:
        text, start = self._text, key.start
        before = text[line_start(text, start) : start]
        if not node.flow and before.rstrip().endswith("?"):
            start -= len(before) - len(before.rstrip()) + 1
        colon = _COLON.match(text, key.end)
        if colon is not None and (colon.end() <= value.end or value.start == value.end):
            after = colon.end()
        else:
            found = text.find(":", key.end, max(value.start, key.end))
            after = found + 1 if found >= 0 and not node.flow else key.end
        end = max(value.end, after)
        return self._entry(key, value, start, after, end)

    def _item(self, node: Node, item: Node) -> Entry:
        if node.flow:
            return self._entry(None, item, item.start, item.start, item.end)
        text, at = self._text, item.start
        while True:
            start = line_start(text, at)
            line = text[start:at].rstrip()
            if at < item.start:
                line = line.partition(" #")[0].rstrip()
            if line.endswith("-") or start == 0:
                break
            at = start - 1
        dash = start + len(line) - 1
        return self._entry(None, item, dash, dash + 1, max(item.end, dash + 1))

    def _entry(self, key: Node | None, value: Node, start: int, after: int, end: int) -> Entry:
        first = line_start(self._text, start)
        before = self._text[first:start]
        if before.startswith("\ufeff"):
            before = before[1:]
        return Entry(key, value, start, len(before), bool(before.strip()), after, end, rest(self._text, end)[1])


class Style(NamedTuple):
    """How a document indents and quotes.

    ``step`` and ``offset``: columns of a nested map and list. ``quote``: the quotes it prefers; ``key_quote``: those of
    its keys, where all have some; ``all_quoted``: no text stands without.
    """

    step: int
    offset: int
    quote: str
    key_quote: str
    all_quoted: bool

    @staticmethod
    def of(layout: Layout, entries: Entries) -> Style:
        """By its first nested map and list in block style, and by all its scalars."""
        steps: list[int] = []
        offsets: list[int] = []
        quotes = {'"': 0, "'": 0}
        keys = {"": 0, '"': 0, "'": 0}
        plain = 0
        waiting = [layout.root]
        while waiting:
            node = waiting.pop()
            if node.style in quotes:
                quotes[node.style] += 1
            elif node.scalar and not node.style and isinstance(_resolved(node.text or ""), str):
                plain += 1
            for key, value in node.pairs or ():
                if not node.flow and not value.flow and not (steps and offsets):
                    mine = column(layout.text, key.start)
                    if value.pairs:
                        steps.append(column(layout.text, value.pairs[0][0].start) - mine)
                    elif value.items:
                        offsets.append(entries.of(value)[0].indent - mine)
                waiting.append(value)
                if key.style in keys and not merges(key):
                    keys[key.style] += 1
            waiting += node.items or []
        step = steps[0] if steps and 0 < steps[0] <= 8 else 2
        return Style(
            step,
            offsets[0] if offsets and 0 <= offsets[0] <= 8 else step,
            "'" if quotes["'"] > quotes['"'] else '"',
            "" if keys[""] else max(keys, key=lambda quote: keys[quote]),
            not plain and sum(quotes.values()) > 2,
        )


def _resolved(text: str) -> Any:
    """What a plain scalar reads as."""
    try:
        return PLAIN[text]
    except BadNumber:
        return None


def scalars_in(text: str, node: Node, start: int, end: int) -> list[tuple[int, int]]:
    """The spans of keys and scalars below a node that touch a span, sorted; of blocks without their first line."""
    found: list[tuple[int, int]] = []
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.end < start or one.start > end:
            continue
        if one.scalar:
            found.append((line_end(text, one.body) if one.style in ("|", ">") else one.body, one.end))
        for key, value in one.pairs or ():
            waiting += (key, value)
        waiting += one.items or ()
    return sorted(found)
