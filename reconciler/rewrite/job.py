"""What the surgery of one document knows: its text, what it is to become, and what becomes of its comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from reconciler.base.diagnostics import Path
from reconciler.rewrite import scalars
from reconciler.rewrite.claims import Claims, same
from reconciler.rewrite.entries import Entries, Entry, Style, scalars_in
from reconciler.rewrite.text import BREAK, Edits, comments, lead, line_end, line_start, tail
from reconciler.source.layout import Layout, Node, key_of, merges

_TAG = re.compile(r"!\S*[ \t]*")


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
    found: Entries
    style: Style
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
    ending: str = "\n"

    def __post_init__(self) -> None:
        # What moves to another place is no loss.
        self.noted -= self.claims.users.keys()
        text = self.layout.text
        found = BREAK.search(text, self.layout.root.start)
        found = found or BREAK.search(text)
        self.ending = found.group() if found else "\n"

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
        return self.found.of(node)

    def entry_of(self, path: Path) -> Entry | None:
        """The entry that holds what is written at a path."""
        return self.found.at(path)

    def is_block(self, path: Path) -> bool:
        """Whether what is written at a path is an entry of a map or list in block style."""
        parent = self.layout.at(path[:-1])
        return parent is not None and not parent.flow

    def comments(self, start: int, end: int, node: Node | None = None) -> list[Comment]:
        """The comments in a span; ``node``: what holds all scalars of the span."""
        if "#" not in self.text[start:end]:
            return []
        return [
            Comment(at, text)
            for at, text in comments(self.text, start, end, scalars_in(self.text, node or self.layout.root, start, end))
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
        if self.style.all_quoted and isinstance(value, str):
            return scalars.quoted(value, self.style.quote)
        return scalars.emitted(value, flow=flow, quote=self.style.quote)

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

    def header(self, node: Node) -> list[Comment]:
        """The comment behind the sign that opens a text in block style."""
        if node.style not in ("|", ">"):
            return []
        return self.comments(node.body, line_end(self.text, node.body), node)

    def carry(self, found: Iterable[Comment]) -> None:
        """These comments are part of what is cut out."""
        for comment in found:
            self.carrying[comment.at] = max(self.depth, self.carrying.get(comment.at, 0))


def _blanks(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
