"""Surgery inside brackets: entries come and go with their commas."""

from __future__ import annotations

from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.rewrite.block import InBlock
from reconciler.rewrite.entries import Entry
from reconciler.rewrite.fates import Fates, Step
from reconciler.rewrite.text import Edits
from reconciler.source.layout import Node, key_of, merges


class InFlow(InBlock):
    """Edits maps and lists in flow style."""

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
