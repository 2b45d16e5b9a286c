"""Parts of the new document that stand nowhere yet: put into words in the style around them.

What they are made of keeps its own text, comments included: it is cut out where it was, edited, and indented anew.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.rewrite import scalars
from reconciler.rewrite.claims import same
from reconciler.rewrite.entries import Entry
from reconciler.rewrite.job import Home, Job
from reconciler.rewrite.text import BREAK, Edits, line_start, rest, shifted
from reconciler.source.layout import Node


class Renderer(ABC):
    """New text for new places."""

    def __init__(self, job: Job) -> None:
        self.job = job

    @abstractmethod
    def place(self, node: Node, target: Any, at: Path, edits: Edits) -> bool:
        """Edit a node where it is, so that it means ``target``; false where that can't be done."""

    def pairs(self, target: dict[str, Any], at: Path, indent: int) -> list[str]:
        """The lines of a map in block style."""
        return [line for key, value in target.items() for line in self.pair(key, value, (*at, key), indent)]

    def items(self, target: list[Any], at: Path, indent: int) -> list[str]:
        """The lines of a list in block style."""
        return [line for index, value in enumerate(target) for line in self.item(value, (*at, index), indent)]

    def pair(self, key: str, value: Any, at: Path, indent: int) -> list[str]:
        """The lines of one pair, with the comments of the pair that it was."""
        node, entry = self._made_of(at)
        above, behind = self._company(at, entry, indent)
        if entry is None and at in self.job.claims.slots:
            above, behind = self._company_of_slot(self.job.claims.slots[at], indent)
        like = entry.key if entry is not None and entry.key is not None else None
        name = self._key(key, like)
        if node is not None and entry is not None and self._moves_whole(node, value) and entry.key is not None:
            moved = self._moved(entry, node, value, at, indent, name)
            if moved is not None:
                return above + moved
        return above + self._written(f"{' ' * indent}{name}:", value, at, indent, behind, entry)

    def item(self, value: Any, at: Path, indent: int) -> list[str]:
        """The lines of one item, with the comments of the item that it was."""
        node, entry = self._made_of(at)
        above, behind = self._company(at, entry, indent)
        if node is not None and entry is not None and self._moves_whole(node, value) and entry.key is None:
            moved = self._moved(entry, node, value, at, indent, None)
            if moved is not None:
                return above + moved
        if isinstance(value, dict) and value and not self._flow_like(node):
            lines = self.pairs(value, at, indent + 2)
            # No comment may stand between a dash and its first key; those of the item itself go above it.
            sign = " " * (indent + 2) + "#"
            above += [line[2:] for line in lines if line.startswith(sign)]
            first, *others = (line for line in lines if not line.startswith(sign))
            return [*above, f"{' ' * indent}- {first[indent + 2 :]}", *others]
        return above + self._written(f"{' ' * indent}-", value, at, indent, behind, entry)

    def flow(self, value: Any, at: Path) -> str:
        """A value inside brackets, on one line where it is new."""
        node, _ = self._made_of(at)
        if not isinstance(value, (dict, list)):
            return self.scalar(value, at, flow=True)
        if node is not None and node.flow and not node.alias and self._braced(node):
            edits = Edits()
            self.job.depth += 1
            try:
                if self.place(node, value, at, edits):
                    found = self.job.comments(node.start, node.end)
                    self.job.carry(c for c in found if not edits.covers(c.at))
                    return edits.apply(self.job.text, node.start, node.end)
            finally:
                self.job.depth -= 1
        if isinstance(value, list):
            return "[" + ", ".join(self.flow(item, (*at, index)) for index, item in enumerate(value)) + "]"
        return "{" + ", ".join(self.flow_pair(key, item, (*at, key)) for key, item in value.items()) + "}"

    def flow_pair(self, key: str, value: Any, at: Path) -> str:
        """A pair inside braces."""
        _, entry = self._made_of(at)
        return f"{self._key(key, entry.key if entry else None, flow=True)}: {self.flow(value, at)}"

    def scalar(self, value: Any, at: Path, *, flow: bool) -> str:
        """A scalar in its own words where they were somewhere before, else in those of what it replaces."""
        job, node = self.job, self._made_of(at)[0]
        if node is None or not node.scalar or node.start == node.end:
            return job.spelled(value, flow=flow)
        if not same(job.old(node.path), value):
            new = scalars.restyled(
                job.text, node, value, flow=flow, quote=job.style.quote, careful=job.careful, ending=job.ending
            )
        elif not flow or scalars.fits_flow(job.text, node):
            new = job.text[node.body : node.end]
        else:
            quote = node.style if node.style in "'\"" else job.style.quote
            new = scalars.emitted(value, flow=True, quote=quote)
        job.moving.update(comment.at for comment in job.header(node) if comment.text in new)
        return job.properties(node, value) + new

    def _made_of(self, at: Path) -> tuple[Node | None, Entry | None]:
        """The node a new value claims, and its entry."""
        old = self.job.claims.of.get(at)
        if not old:
            return None, None
        node = self.job.layout.at(old)
        return (node, self.job.entry_of(old)) if node is not None and not node.alias else (None, None)

    def _company(self, at: Path, entry: Entry | None, indent: int) -> tuple[list[str], str]:
        """The comment lines above an entry, and the comment behind it, that go with it to its new place."""
        old = self.job.claims.of.get(at, ())
        if entry is None or not self.job.is_block(old) or old in self.job.claims.slots.values():
            return [], ""
        block = not (entry.value.scalar or entry.value.alias or entry.value.flow)
        # Behind the end of a list or map in block style stands the comment of its last entry.
        return self._comments_of(old, entry, indent, entry.after if block else entry.end)

    def _company_of_slot(self, old: Path, indent: int) -> tuple[list[str], str]:
        """The same for what took the place of a value of another kind: the comment behind its key."""
        entry = self.job.entry_of(old)
        if entry is None or not self.job.is_block(old):
            return [], ""
        block = not (entry.value.scalar or entry.value.alias or entry.value.flow)
        return self._comments_of(old, entry, indent, entry.after if block else entry.end)

    def _comments_of(self, old: Path, entry: Entry, indent: int, end: int) -> tuple[list[str], str]:
        job = self.job
        above: list[str] = []
        if not entry.inline:
            start = line_start(job.text, entry.start)
            floor = self._floor(old, entry)
            lead = job.lead(entry, floor)
            found = job.comments(lead, start)
            job.moving.update(comment.at for comment in found)
            above = [" " * indent + comment.text for comment in found]
        behind, _ = rest(job.text, end)
        if behind:
            sign = job.text.index("#", end)
            job.moving.add(sign)
            behind = job.text[end:sign] + behind
        return above, behind

    def _floor(self, old: Path, entry: Entry) -> int:
        """Where the entry before ends: no comment above that belongs to this one."""
        parent = self.job.layout.at(old[:-1])
        entries = self.job.entries(parent) if parent is not None else []
        index = next(i for i, one in enumerate(entries) if one is entry)
        return entries[index - 1].next if index else 0

    def _moves_whole(self, node: Node, value: Any) -> bool:
        """Whether a list or map in block style can be cut out with all that is in it."""
        if not isinstance(value, (dict, list)) or not value or node.alias or node.scalar or node.flow:
            return False
        return bool(node.items or node.pairs)

    def _moved(self, entry: Entry, node: Node, value: Any, at: Path, indent: int, name: str | None) -> list[str] | None:
        """The text of an entry, edited and indented anew."""
        job = self.job
        edits, home = Edits(), job.home
        job.home = Home(edits, entry.start, entry.indent)
        job.depth += 1
        try:
            if entry.key is not None and name is not None:
                edits.replace(entry.start, entry.key.end, name)
            if not self.place(node, value, at, edits):
                return None
            end = job.tail(entry)
            job.carry(c for c in job.comments(entry.start, end) if not edits.covers(c.at))
        finally:
            job.home = home
            job.depth -= 1
        text = shifted(edits.apply(job.text, entry.start, end), indent - entry.indent)
        lines = BREAK.split(text)
        while lines and not lines[-1].strip():
            lines.pop()
        return [" " * indent + lines[0], *lines[1:]]

    def _written(self, head: str, value: Any, at: Path, indent: int, behind: str, entry: Entry | None) -> list[str]:
        """``head`` is the key with its colon, or the dash."""
        node, _ = self._made_of(at)
        trailing = behind
        if isinstance(value, (dict, list)) and value and not self._flow_like(node):
            if isinstance(value, dict):
                return [head + trailing, *self.pairs(value, at, indent + self.job.style.step)]
            return [head + trailing, *self.items(value, at, indent + self.job.style.offset)]
        text = self.flow(value, at) if isinstance(value, (dict, list)) else self.scalar(value, at, flow=False)
        by = indent - entry.indent if entry is not None else 0
        lines = BREAK.split(shifted(text, by))
        first = f"{head} {lines[0]}"
        if len(lines) == 1:
            return [first + trailing]
        if node is not None and node.style in ("|", ">"):
            return [first, *lines[1:]]
        return [first, *lines[1:-1], lines[-1] + trailing]

    def _flow_like(self, node: Node | None) -> bool:
        return node is not None and node.flow

    def _braced(self, node: Node) -> bool:
        return self.job.text[node.body : node.body + 1] in ("{", "[")

    def _key(self, key: str, like: Node | None, *, flow: bool = False) -> str:
        if like is not None and like.scalar and like.text == key:
            return self.job.text[like.start : like.end]
        if like is None or not like.scalar:
            return (
                scalars.quoted(key, self.job.style.key_quote)
                if self.job.style.key_quote
                else scalars.emitted(key, flow=flow)
            )
        return scalars.key(key, like, flow=flow)
