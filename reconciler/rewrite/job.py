"""What the surgery of one document knows: its text, what it is to become, and where entries begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from reconciler.base.diagnostics import Path
from reconciler.rewrite import scalars
from reconciler.rewrite.claims import Claims, same
from reconciler.rewrite.text import BREAK, Edits, column, comments, lead, line_start, rest, tail
from reconciler.source.layout import Layout, Node, key_of, merges
from reconciler.source.scalars import BadNumber, resolve

_TAG = re.compile(r"!\S*[ \t]*")
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


class Home(NamedTuple):
    """The nearest entry in block style around what is being edited: comments may stand above it."""

    edits: Edits
    at: int
    indent: int


class Comment(NamedTuple):
    """A comment that lost its key and stays where the key was. ``at`` is its offset in the old text."""

    at: int
    text: str


@dataclass(slots=True)
class Told:
    """What a rewrite did beside what was asked: comments that lost their keys, aliases that were written out."""

    comments: dict[int, Comment] = field(default_factory=dict)
    expanded: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Job:
    """One attempt. ``travelled``: offsets of comments that move with their entry, known from the attempt before.

    ``carried``: offsets of those inside of something that is cut out as a whole; how deep in such things. ``depth``:
    how many of them are being edited.
    ``noted``: paths of what version 2 has nothing for, which stays as comments.
    ``careful``: edit inside of long texts, rather than replace them. ``expand``: write every alias out.
    """

    layout: Layout
    original: dict[str, Any]
    target: dict[str, Any]
    claims: Claims
    careful: bool
    expand: bool
    travelled: frozenset[int]
    noted: frozenset[Path] = frozenset()
    carried: Mapping[int, int] = field(default_factory=dict)
    moving: set[int] = field(default_factory=set)
    carrying: dict[int, int] = field(default_factory=dict)
    depth: int = 0
    told: Told = field(default_factory=Told)
    home: Home = None  # type: ignore[assignment]  # set before the first edit
    step: int = 2
    offset: int = 2
    quote: str = '"'
    key_quote: str = ""
    all_quoted: bool = False
    ending: str = "\n"
    _entries: dict[int, list[Entry]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # What moves to another place is no loss.
        self.noted -= self.claims.users.keys()
        text = self.layout.text
        found = BREAK.search(text, self.layout.root.start)
        found = found or BREAK.search(text)
        self.ending = found.group() if found else "\n"
        self._style()

    def again(self) -> Job:
        """The same once more, knowing which comments travel."""
        travelled = frozenset(self.moving)
        return replace(self, travelled=travelled, carried=self.carrying, moving=set(), carrying={}, told=Told())

    @property
    def settled(self) -> bool:
        """Whether the attempt before knew already which comments move."""
        return self.moving == self.travelled and self.carrying == self.carried

    @property
    def text(self) -> str:
        """Of the whole file."""
        return self.layout.text

    def old(self, path: Path) -> Any:
        """The old value at a path."""
        value: Any = self.original
        for part in path:
            value = value[part]
        return value

    def new(self, path: Path) -> Any:
        """The new value at a path."""
        value: Any = self.target
        for part in path:
            value = value[part]
        return value

    def unchanged(self, node: Node, target: Any, at: Path) -> bool:
        """Whether the node's text, as it is, means ``target`` once everything else is edited."""
        if self.layout.aliases:
            return same(self.means(node), target)
        if node.scalar:
            return same(self.old(node.path), target)
        return at in self.claims.whole and self.claims.of[at] == node.path

    def means(self, node: Node) -> Any:
        """The value of a node's text when what its aliases stand for is edited; a mark of its own where it has none."""
        if node.alias:
            return self.stands_for(node)
        if node.scalar:
            return self.old(node.path) if self.layout.at(node.path) is node else node.text
        if node.items is not None:
            return [self.means(item) for item in node.items]
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.pairs or ():
            if merges(key):
                merged = self.merged(value) or {"<<": object()}
            else:
                found[key_of(key) or ""] = self.means(value)
        return {**merged, **found}

    def stands_for(self, alias: Node) -> Any:
        """What an alias means after the edits; a value that equals nothing where its anchor goes."""
        target = alias.target
        user = None if target is None or self.expand else self.claims.users.get(target.path)
        if target is None or user is None or self.layout.at(target.path) is not target:
            return object()
        return self.new(user)

    def merged(self, value: Node) -> dict[str, Any] | None:
        """What a merge key brings after the edits; None where that can't be told."""
        found: dict[str, Any] = {}
        for base in value.items if value.items is not None else [value]:
            brings = self.means(base) if base.alias else None
            if not isinstance(brings, dict):
                return None
            found = {**brings, **found}
        return found

    def entries(self, node: Node) -> list[Entry]:
        """Of a map or list, in the order of the text."""
        found = self._entries.get(id(node))
        if found is None:
            if node.pairs is not None:
                found = [self._pair(node, key, value) for key, value in node.pairs]
            else:
                found = [self._item(node, item) for item in node.items or ()]
            self._entries[id(node)] = found
        return found

    def entry_of(self, path: Path) -> Entry | None:
        """The entry that holds what is written at a path."""
        parent = self.layout.at(path[:-1]) if path else None
        value = self.layout.at(path)
        if parent is None or value is None or parent.alias:
            return None
        return next((entry for entry in self.entries(parent) if entry.value is value), None)

    def is_block(self, path: Path) -> bool:
        """Whether what is written at a path is an entry of a map or list in block style."""
        parent = self.layout.at(path[:-1])
        return parent is not None and not parent.flow

    def comments(self, start: int, end: int, node: Node | None = None) -> list[Comment]:
        """The comments in a span; ``node``: what holds all scalars of the span."""
        return [
            Comment(at, text)
            for at, text in comments(self.text, start, end, _scalars(node or self.layout.root, start, end))
        ]

    def lead(self, entry: Entry, floor: int) -> int:
        """Where the comments begin that stand right above an entry."""
        at = line_start(self.text, entry.start)
        return at if entry.inline else lead(self.text, at, floor, entry.indent)

    def tail(self, entry: Entry) -> int:
        """Where an entry ends, deeper comments behind it included."""
        return tail(self.text, entry.next, entry.indent)

    def properties(self, node: Node, value: Any) -> str:
        """The anchor and tag of a scalar, for a new value; a tag of another type is left out."""
        found = self.text[node.start : node.body]
        if "!" in found and self.layout.at(node.path) is node and type(self.old(node.path)) is not type(value):
            return _TAG.sub("", found)
        return found

    def spelled(self, value: Any, *, flow: bool) -> str:
        """A new scalar; in quotes where every text of the document is."""
        if self.all_quoted and isinstance(value, str):
            return scalars.quoted(value, self.quote)
        return scalars.emitted(value, flow=flow, quote=self.quote)

    def commented(self, entry: Entry) -> list[str]:
        """An entry as lines of comments, from its own column on."""
        parent = self.layout.at(entry.value.path[:-1])
        end = entry.end if parent is not None and parent.flow else entry.next
        first, *others = BREAK.split(self.text[entry.start : end].rstrip("\r\n"))
        return [f"# {first}", *(f"# {line[min(entry.indent, _blanks(line)) :]}".rstrip() for line in others)]

    def keep_comments(self, found: Sequence[Comment]) -> None:
        """Put the comments that don't travel on lines of their own, above the entry that is being edited."""
        self.put([comment.text for comment in self.staying(found)])

    def put(self, lines: Sequence[str]) -> None:
        """Lines of comments above the entry that is being edited."""
        for line in lines:
            self.home.edits.insert(self.home.at, f"{line}{self.ending}{' ' * self.home.indent}")

    def staying(self, found: Sequence[Comment]) -> list[Comment]:
        """Those of some comments that stay behind; they are listed."""
        stay = [c for c in found if not self.goes(c)]
        self.told.comments.update((comment.at, comment) for comment in stay)
        self.carry(stay)
        return stay

    def goes(self, comment: Comment) -> bool:
        """Whether a comment is put down elsewhere: with its entry, or inside of something that is cut out here."""
        return comment.at in self.travelled or self.carried.get(comment.at, 0) > self.depth

    def carry(self, found: Iterable[Comment]) -> None:
        """These comments are part of what is cut out."""
        for comment in found:
            self.carrying[comment.at] = max(self.depth, self.carrying.get(comment.at, 0))

    def _pair(self, node: Node, key: Node, value: Node) -> Entry:
        text, start = self.text, key.start
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
        text, at = self.text, item.start
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
        first = line_start(self.text, start)
        before = self.text[first:start].lstrip("\ufeff")
        return Entry(
            key, value, start, column(self.text, start), bool(before.strip()), after, end, rest(self.text, end)[1]
        )

    def _style(self) -> None:
        """How this document indents and quotes, by its first nested map and list in block style."""
        steps: list[int] = []
        offsets: list[int] = []
        quotes = {'"': 0, "'": 0}
        keys = {"": 0, '"': 0, "'": 0}
        plain = 0
        waiting = [self.layout.root]
        while waiting:
            node = waiting.pop()
            if node.style in quotes:
                quotes[node.style] += 1
            elif node.scalar and not node.style and isinstance(resolved(node.text or ""), str):
                plain += 1
            if node.alias or node.scalar:
                continue
            for key, value in node.pairs or ():
                if not node.flow and not value.flow and not (steps and offsets):
                    self._nested(key, value, steps, offsets)
                waiting.append(value)
                if key.style in keys and not merges(key):
                    keys[key.style] += 1
            waiting += node.items or []
        self.step = steps[0] if steps and 0 < steps[0] <= 8 else 2
        self.offset = offsets[0] if offsets and 0 <= offsets[0] <= 8 else self.step
        self.quote = "'" if quotes["'"] > quotes['"'] else '"'
        self.all_quoted = not plain and sum(quotes.values()) > 2
        self.key_quote = "" if keys[""] else max(keys, key=lambda quote: keys[quote])

    def _nested(self, key: Node, value: Node, steps: list[int], offsets: list[int]) -> None:
        """How much deeper a map or list in block style stands than its key."""
        mine = column(self.text, key.start)
        if value.pairs:
            steps.append(column(self.text, value.pairs[0][0].start) - mine)
        elif value.items:
            offsets.append(self._item(value, value.items[0]).indent - mine)


def resolved(text: str) -> Any:
    """What a plain scalar reads as."""
    try:
        return resolve(text)
    except BadNumber:
        return None


def _blanks(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _scalars(node: Node, start: int, end: int) -> list[tuple[int, int]]:
    """The spans of keys and scalars below a node that touch a span, sorted."""
    found: list[tuple[int, int]] = []
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.end < start or one.start > end:
            continue
        if one.scalar:
            found.append((one.body, one.end))
        for key, value in one.pairs or ():
            waiting += (key, value)
        waiting += one.items or ()
    return sorted(found)
