"""Surgery in block style: whole lines come and go."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.rewrite.entries import Entry
from reconciler.rewrite.fates import Fates, Judge, Step
from reconciler.rewrite.job import Home
from reconciler.rewrite.text import Edits, line_start, rest, shifted
from reconciler.source.layout import Node, key_of, merges


class InBlock(Judge):
    """Edits maps and lists in block style."""

    def _place_block(self, node: Node, target: Any, at: Path, edits: Edits, fates: Fates) -> None:
        job, entries = self.job, self.job.entries(node)
        indent = entries[0].indent
        first = self._first_inline(entries, fates, edits)
        for i, entry in enumerate(entries):
            home = job.home
            if not entry.inline and i != first:
                job.home = Home(edits, entry.start, entry.indent)
            if i in fates.keep:
                step = fates.keep[i]
                if step != "<<" or not (entry.key is not None and merges(entry.key)):
                    self._keep(entry, step, target[step], (*at, step), edits)
            elif i in fates.instead:
                self._instead(entries, i, self._lines(fates.instead[i], target, at, indent), edits, inline=i == first)
            elif first is None or i > first or not entries[0].inline:
                self._remove(entries, i, edits)
            job.home = home
            lines = self._lines(fates.after.get(i, []), target, at, indent)
            if lines:
                self._insert(job.tail(entry), lines, edits)
        ahead = self._lines(fates.after.get(-1, []), target, at, indent)
        if ahead:
            text = "".join(line + job.ending + " " * indent for line in [ahead[0].lstrip(" "), *()])
            rest_of = "".join(line[indent:] + job.ending + " " * indent for line in ahead[1:])
            edits.insert(entries[0].start, text + rest_of)

    def _first_inline(self, entries: list[Entry], fates: Fates, edits: Edits) -> int | None:
        """Where the first entry stands behind a dash and goes, the first one that stays takes its place."""
        job = self.job
        survivors = [i for i in range(len(entries)) if i in fates.keep or i in fates.instead]
        first = survivors[0] if survivors else None
        if not entries[0].inline or first is None:
            return None
        if first > 0:
            start, end = entries[0].start, entries[first].start
            for gone, following in pairwise(entries[: first + 1]):
                self._keep_of(gone, line_start(job.text, following.start))
            if first in fates.keep:
                edits.replace(start, end, "")
        return first

    def _lines(self, steps: list[Step], target: Any, at: Path, indent: int) -> list[str]:
        lines: list[str] = []
        for step in steps:
            if isinstance(step, str):
                lines += self.pair(step, target[step], (*at, step), indent)
            else:
                lines += self.item(target[step], (*at, step), indent)
        return lines

    def _keep(self, entry: Entry, step: Step, target: Any, at: Path, edits: Edits) -> None:
        job, node = self.job, entry.value
        key = entry.key
        if key is not None and key_of(key) != step:
            edits.replace(key.start, key.end, self._key(str(step), key, flow=False) if not key.alias else str(step))
        old = job.claims.of.get(at)
        if (old is None or old == node.path or node.alias) and self.place(node, target, at, edits):
            return
        if node.alias:
            job.told.expanded[node.start] = f"*{node.anchor}"
        if isinstance(target, (dict, list)) and target and not node.flow:
            self._block_value(entry, target, at, edits)
            return
        text = self.flow(target, at) if isinstance(target, (dict, list)) else self.scalar(target, at, flow=False)
        _, made_of = self._made_of(at)
        text = shifted(text, entry.indent - made_of.indent if made_of is not None else 0)
        self._keep_inside(node, entry.after, node.end)
        edits.replace(entry.after, max(node.end, entry.after), f" {text}")

    def _block_value(self, entry: Entry, target: Any, at: Path, edits: Edits) -> None:
        """A list or map in place of whatever the value of an entry was."""
        job, node = self.job, entry.value
        if entry.key is None:
            if isinstance(target, dict):
                lines = self.pairs(target, at, entry.indent + 2)
            else:
                lines = self.items(target, at, entry.indent + 2)
            new = " " + job.ending.join([lines[0].lstrip(" "), *lines[1:]])
            self._keep_inside(node, entry.after, node.end)
            edits.replace(entry.after, entry.end, new)
            return
        if isinstance(target, dict):
            lines = self.pairs(target, at, entry.indent + job.style.step)
        else:
            lines = self.items(target, at, entry.indent + job.style.offset)
        if node.scalar or node.alias:
            self._keep_inside(node, entry.after, entry.end)
            edits.replace(entry.after, entry.end, "")
            self._insert(entry.next, lines, edits)
            return
        # The comment on the line of the key stays there; the others were read with the lines that they belong to.
        _, below = rest(job.text, entry.after)
        end = job.tail(entry)
        self._keep_inside(node, below, end)
        self._replace_lines(below, end, lines, edits)

    def _instead(self, entries: list[Entry], i: int, lines: list[str], edits: Edits, *, inline: bool) -> None:
        job, entry = self.job, entries[i]
        if entry.inline or inline:
            start = entries[0].start
            self._keep_of(entry, entry.next)
            self._replace_lines(start, entry.next, [lines[0].lstrip(" "), *lines[1:]], edits)
            return
        if entry.value.path in job.noted:
            kept = job.commented(entry)
        else:
            kept = [comment.text for comment in job.staying(job.comments(entry.start, entry.next))]
        lines = [*(" " * entry.indent + line for line in kept), *lines]
        self._replace_lines(self._gone_from(entries, i), self._gone_until(entry), lines, edits)

    def _remove(self, entries: list[Entry], i: int, edits: Edits) -> None:
        """Take an entry out; comments that go nowhere stay where it was."""
        job, entry = self.job, entries[i]
        if entry.value.path in job.noted:
            lines = [" " * entry.indent + line for line in job.commented(entry)]
            self._replace_lines(line_start(job.text, entry.start), entry.next, lines, edits)
            return
        above = job.comments(job.lead(entry, entries[i - 1].next if i else 0), line_start(job.text, entry.start))
        job.told.comments.update((c.at, c) for c in above if not job.goes(c))
        kept = job.staying(job.comments(entry.start, entry.next))
        new = "".join(f"{' ' * entry.indent}{c.text}{job.ending}" for c in kept)
        edits.replace(self._gone_from(entries, i), self._gone_until(entry), new)

    def _gone_from(self, entries: list[Entry], i: int) -> int:
        """Where the lines begin that go with an entry: at its comments, when they go."""
        job, entry = self.job, entries[i]
        line = line_start(job.text, entry.start)
        lead = job.lead(entry, entries[i - 1].next if i else 0)
        above = job.comments(lead, line)
        return lead if above and all(map(job.goes, above)) else line

    def _gone_until(self, entry: Entry) -> int:
        """Where the lines end that go with an entry: behind the deeper comments that follow it, when they go."""
        tail = self.job.tail(entry)
        below = self.job.comments(entry.next, tail)
        return tail if below and all(map(self.job.goes, below)) else entry.next

    def _insert(self, at: int, lines: list[str], edits: Edits) -> None:
        job = self.job
        text = "".join(line + job.ending for line in lines)
        if at and job.text[at - 1] not in "\r\n":
            text = job.ending + text[: -len(job.ending)]
        edits.insert(at, text)

    def _replace_lines(self, start: int, end: int, lines: list[str], edits: Edits) -> None:
        ended = self.job.text[end - 1 : end] in ("\r", "\n")
        edits.replace(start, end, self.job.ending.join(lines) + (self.job.ending if ended else ""))

    def _keep_of(self, entry: Entry, end: int) -> None:
        """What stays, as comments, of an entry that can't leave them where it was."""
        job = self.job
        if entry.value.path in job.noted:
            job.put(job.commented(entry))
            job.keep_comments(job.comments(entry.next, end))
        else:
            job.keep_comments(job.comments(entry.start, end))

    def _keep_inside(self, node: Node, start: int, end: int) -> None:
        """What stays, as comments, of a value that is written anew."""
        job = self.job
        noted = [] if node.scalar or node.alias else [e for e in job.entries(node) if e.value.path in job.noted]
        for entry in noted:
            job.put(job.commented(entry))
        spans = [(entry.start, entry.end if node.flow else entry.next) for entry in noted]
        found = job.comments(start, end, node)
        job.keep_comments([c for c in found if not any(first <= c.at < last for first, last in spans)])
