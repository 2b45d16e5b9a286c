"""Surgery in place: keys renamed, values replaced, entries put in and taken out, everything else left alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

from reconciler.base.diagnostics import Path
from reconciler.rewrite import scalars
from reconciler.rewrite.claims import same
from reconciler.rewrite.job import Entry, Home
from reconciler.rewrite.render import Renderer
from reconciler.rewrite.text import Edits, line_start, rest, shifted
from reconciler.source.layout import Node, key_of, merges

Step = str | int


class Fates(NamedTuple):
    """What becomes of the entries of a map or list, by their numbers, and where new ones go.

    ``keep``: entry to its new key or index. ``instead``: new ones in the place of an entry that goes. ``after``: new
    ones behind an entry that stays; those behind -1 come first.
    """

    keep: dict[int, Step]
    instead: dict[int, list[Step]]
    after: dict[int, list[Step]]

    @property
    def untouched(self) -> bool:
        """Whether nothing comes or goes."""
        return not self.instead and not self.after


class Surgeon(Renderer):
    """Edits in place, block and flow style alike."""

    def place(self, node: Node, target: Any, at: Path, edits: Edits) -> bool:
        """See :class:`Renderer`."""
        job = self.job
        if job.unchanged(node, target, at):
            return True
        if node.alias:
            return False
        if node.scalar:
            if isinstance(target, (dict, list)) or node.body == node.end:
                return False
            new = scalars.restyled(
                job.text,
                node,
                target,
                flow=self._in_flow(node),
                quote=job.quote,
                careful=job.careful,
                ending=job.ending,
            )
            edits.replace(node.start, node.end, job.properties(node, target) + new)
            return True
        fits = isinstance(target, dict) if node.pairs is not None else isinstance(target, list)
        if not fits or not target or (node.flow and not self._braced(node)) or not job.entries(node):
            return False
        fates = self._fates(node, target, at)
        if fates is None:
            return False
        if node.flow:
            self._place_flow(node, target, at, edits, fates)
        else:
            self._place_block(node, target, at, edits, fates)
        return True

    def _in_flow(self, node: Node) -> bool:
        parent = self.job.layout.at(node.path[:-1]) if node.path else None
        return parent is not None and parent.flow

    # What becomes of each entry

    def _fates(self, node: Node, target: Any, at: Path) -> Fates | None:
        """None for a list whose order changed: that is written anew."""
        entries = self.job.entries(node)
        steps: list[Step] = list(target) if isinstance(target, dict) else list(range(len(target)))
        number = {step: i for i, step in enumerate(self._steps(node)) if step is not None}
        keep = self._kept(node, steps, at, number)
        keep = dict(sorted(keep.items()))
        if isinstance(target, list) and list(keep.values()) != sorted(keep.values(), key=int):
            return None
        missing = [step for step in steps if step not in keep.values()]
        merge = next((i for i, entry in enumerate(entries) if entry.key is not None and merges(entry.key)), None)
        if merge is not None:
            missing = self._merged(entries[merge], merge, target, keep, missing)
        instead: dict[int, list[Step]] = {}
        after: dict[int, list[Step]] = {}
        behind = -1
        placed = {step: i for i, step in keep.items()}
        for step in steps:
            if step in placed:
                behind = placed[step]
            elif step in missing:
                where = self._consumed(node, (*at, step), number, keep)
                if where is None and merge is not None and merge not in keep:
                    where = merge
                if where is not None:
                    instead.setdefault(where, []).append(step)
                else:
                    after.setdefault(behind, []).append(step)
        self._alike(node, target, at, keep, instead, after)
        gone = [i for i in range(len(entries)) if i not in keep and i not in instead]
        if -1 in after and gone and (gone[0] == 0 or not keep):
            instead[gone[0]] = [*after.pop(-1), *instead.get(gone[0], [])]
        return Fates(keep, instead, after)

    def _alike(
        self,
        node: Node,
        target: Any,
        at: Path,
        keep: dict[int, Step],
        instead: dict[int, list[Step]],
        after: dict[int, list[Step]],
    ) -> None:
        """One text that goes and one value that comes, made of words of it: it is that one, in its place."""
        gone = [
            i
            for i, entry in enumerate(self.job.entries(node))
            if i not in keep and i not in instead and entry.value.path not in self.job.claims.users
        ]
        new = [step for steps in after.values() for step in steps if not self.job.claims.below((*at, step))]
        if len(gone) == len(new) == 1 and node.pairs is not None:
            old = self.job.entries(node)[gone[0]].value.text
            if old and any(word and word in old for word in _texts(target[new[0]])):
                keep[gone[0]] = new[0]
                for steps in after.values():
                    if new[0] in steps:
                        steps.remove(new[0])

    def _steps(self, node: Node) -> list[Step | None]:
        if node.pairs is not None:
            return [None if merges(key) else key_of(key) for key, _ in node.pairs]
        return list(range(len(node.items or ())))

    def _kept(self, node: Node, steps: list[Step], at: Path, number: dict[Step, int]) -> dict[int, Step]:
        """Entries that stay: claimed as they are, or what a new value is made of, and nothing else is."""
        claims, keep = self.job.claims, dict[int, Step]()
        for step in steps:
            path = (*at, step)
            old = claims.of.get(path) or claims.slots.get(path)
            if old is not None and old[:-1] == node.path and old[-1] in number:
                keep.setdefault(number[old[-1]], step)
        left = [step for step in steps if step not in keep.values()]
        for step in left:
            size = len(node.path)
            for old in sorted(claims.below((*at, step)), key=repr):
                inside = old[:size] == node.path and len(old) > size
                if (
                    inside
                    and old[: size + 1] not in claims.users
                    and old[size] in number
                    and number[old[size]] not in keep
                ):
                    keep[number[old[size]]] = step
                    break
        return keep

    def _consumed(self, node: Node, at: Path, number: dict[Step, int], keep: dict[int, Step]) -> int | None:
        """The first entry that goes, and that a new one is made of."""
        size = len(node.path)
        found = [
            number[old[size]]
            for old in self.job.claims.below(at)
            if old[:size] == node.path and len(old) > size and old[size] in number and number[old[size]] not in keep
        ]
        return min(found, default=None)

    def _merged(
        self, entry: Entry, index: int, target: dict[str, Any], keep: dict[int, Step], missing: list[Step]
    ) -> list[Step]:
        """What a merge key leaves to be written. It stays where it brings nothing that the new map lacks."""
        brings = self.job.merged(entry.value)
        if brings is None or not brings.keys() <= target.keys():
            self.job.told.expanded[entry.start] = "<<"
            return missing
        keep[index] = "<<"
        return [step for step in missing if step not in brings or not same(brings[str(step)], target[str(step)])]

    # Block style

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
            lines = self.pairs(target, at, entry.indent + job.step)
        else:
            lines = self.items(target, at, entry.indent + job.offset)
        if node.scalar or node.alias:
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

    # Flow style

    def _place_flow(self, node: Node, target: Any, at: Path, edits: Edits, fates: Fates) -> None:
        entries = self.job.entries(node)
        standing = [i for i in range(len(entries)) if i in fates.keep or i in fates.instead]
        for i, entry in enumerate(entries):
            if i in fates.keep:
                step = fates.keep[i]
                if step != "<<" or not (entry.key is not None and merges(entry.key)):
                    self._keep_flow(entry, step, target[step], (*at, step), edits)
            elif i in fates.instead:
                new = ", ".join(self._flow_entries(fates.instead[i], target, at))
                self._keep_of(entry, entry.end)
                edits.replace(entry.start, entry.end, new)
            else:
                self._remove_flow(entries, i, standing, edits)
            for new in self._flow_entries(fates.after.get(i, []), target, at):
                edits.insert(entry.end, self._separator(entries, i) + new)
        for new in self._flow_entries(fates.after.get(-1, []), target, at):
            edits.insert(entries[0].start, f"{new}, ")

    def _flow_entries(self, steps: list[Step], target: Any, at: Path) -> list[str]:
        return [
            self.flow_pair(step, target[step], (*at, step))
            if isinstance(step, str)
            else self.flow(target[step], (*at, step))
            for step in steps
        ]

    def _keep_flow(self, entry: Entry, step: Step, target: Any, at: Path, edits: Edits) -> None:
        job, node, key = self.job, entry.value, entry.key
        if key is not None and key_of(key) != step:
            edits.replace(key.start, key.end, self._key(str(step), key, flow=True))
        old = job.claims.of.get(at)
        if (old is None or old == node.path or node.alias) and self.place(node, target, at, edits):
            return
        if node.alias:
            job.told.expanded[node.start] = f"*{node.anchor}"
        new = self.flow(target, at)
        if node.start == node.end:
            colon = key is not None and entry.after == key.end
            edits.replace(entry.after, entry.end, f": {new}" if colon else f" {new}")
            return
        self._keep_inside(node, node.start, node.end)
        edits.replace(node.start, node.end, new)

    def _remove_flow(self, entries: list[Entry], i: int, standing: list[int], edits: Edits) -> None:
        job = self.job
        if entries[i].value.path in job.noted:
            self._keep_of(entries[i], entries[i].end)
        if any(j > i for j in standing):
            start, end = entries[i].start, entries[i + 1].start
        elif standing and i == standing[-1] + 1:
            start, end = entries[standing[-1]].end, entries[-1].end
        elif not standing and i == 0:
            start, end = entries[0].start, entries[-1].end
        else:
            return
        noted = [(e.start, e.end) for e in entries if e.value.path in job.noted]
        job.keep_comments([c for c in job.comments(start, end) if not any(s <= c.at < e for s, e in noted)])
        edits.replace(start, end, "")

    def _separator(self, entries: list[Entry], i: int) -> str:
        """A comma, and a line of its own where the entries have one each."""
        job = self.job
        if len(entries) > 1 and all(not entry.inline for entry in entries[1:]) and not entries[i].inline:
            return f",{job.ending}{' ' * entries[i].indent}"
        return ", "


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
