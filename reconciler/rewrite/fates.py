"""What becomes of the entries of a map or list: which stay, which go, and where new ones come."""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.base.diagnostics import Path
from reconciler.rewrite.claims import same
from reconciler.rewrite.entries import Entry
from reconciler.rewrite.render import Renderer
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


class Judge(Renderer):
    """Decides about entries."""

    def _fates(self, node: Node, target: Any, at: Path) -> Fates | None:
        """None for a list whose order changed: that is written anew."""
        entries = self.job.entries(node)
        steps: list[Step] = list(target) if isinstance(target, dict) else list(range(len(target)))
        number = {step: i for i, step in enumerate(self._steps(node)) if step is not None}
        keep = self._kept(node, steps, at, number)
        keep = dict(sorted(keep.items()))
        if isinstance(target, list) and list(keep.values()) != sorted(keep.values(), key=int):
            return None
        kept = set(keep.values())
        missing = [step for step in steps if step not in kept]
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
        kept = set(keep.values())
        left = [step for step in steps if step not in kept]
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


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
