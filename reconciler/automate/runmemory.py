"""What a run has to remember between two walks: where it stands, and what later blocks read.

Of what is complete only the place behind it is kept, so that a run of a thousand rounds remembers no more than one of
two. ``open`` maps the paths of blocks that were entered, and of lists that were begun, to what is known of them:

- a block: ``seq`` and ``at`` of its record, ``attempt`` (how often it was tried), ``wait`` (what it waits for), and
  what it decided: ``taken`` (choose), ``items``, ``round``, ``rounds`` (repeat), ``out`` (parallel: branches that are
  through), ``failed`` (why; it isn't tried again)
- a list: ``next``, the index of the first block that isn't through

``resume`` has the payload that the last wait of each branch of a ``parallel`` ended with, under the path of the branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.automate.paths import below, branch_of
from reconciler.automate.port import Wait
from reconciler.automate.rendering import Broken
from reconciler.base.canonical import dumps, loads

MAX_SNAPSHOT = 1024 * 1024
"""Bytes of what a run may remember; the places it stands at come on top, as many as the document makes them."""
MAX_STEPS = 100_000
"""Blocks that a run may enter; loops count each round of theirs."""

_VERSION = 1
_KEPT = ("seq", "open", "variables", "artifacts", "resume", "end")
_WAIT = ("kind", "armed_at", "due_at", "event", "context_key")


class Memory:
    """Plain data with one way to write it. ``end`` is set once the run has ended: status, reason, and where."""

    def __init__(self) -> None:
        self.seq = 0
        self.open: dict[str, dict[str, Any]] = {}
        self.variables: dict[str, Any] = {}
        self.artifacts: dict[str, Any] = {}
        self.resume: dict[str, Any] = {}
        self.end: tuple[str, str | None, str] | None = None
        self._size = 0

    @classmethod
    def read(cls, snapshot: bytes) -> Memory:
        """What :meth:`written` gave. Raises :class:`Broken` for anything else."""
        memory = cls()
        try:
            kept = loads(snapshot)
            if kept["version"] != _VERSION:
                raise Broken("the run was begun by a release that remembers runs in another way")
            memory.__dict__.update({key: kept[key] for key in _KEPT})
            if memory.end is not None:
                status, reason, where = memory.end
                memory.end = (status, reason, where)
            memory._size = len(snapshot)
        except (ValueError, KeyError, TypeError):
            raise Broken("what the run remembers can't be read") from None
        return memory

    def written(self) -> bytes:
        """Canonical JSON."""
        written = dumps({"version": _VERSION, **{key: self.__dict__[key] for key in _KEPT}})
        self._size = len(written)
        return written

    def waits(self) -> list[Wait]:
        """What is waited for now, in the order in which it began."""
        found = [(path, known["wait"]) for path, known in self.open.items() if "wait" in known]
        waits = [Wait(path, **{key: wait.get(key) for key in _WAIT}) for path, wait in found]
        return sorted(waits, key=lambda wait: (wait.armed_at, wait.path))

    def forget(self, path: str) -> None:
        """Drop a block or a list with all that lies inside."""
        for each in [known for known in self.open if known == path or below(known, path)]:
            del self.open[each]

    def resumed(self, path: str) -> Any:
        """What the last wait before a place ended with: in its own branch, or before that began."""
        while path:
            branch = branch_of(path)
            if branch in self.resume:
                return self.resume[branch]
            path = branch.rpartition(".parallel[")[0]
        return self.resume.get("")

    def join(self, branch: str, path: str) -> None:
        """A branch of the block at ``path`` is through: what its last wait ended with is what comes behind it sees."""
        if branch in self.resume:
            self.resume[branch_of(path)] = self.resume.pop(branch)

    def keep(self, holder: dict[str, Any], values: Mapping[str, Any], what: str) -> None:
        """Put values into a part of the memory, unless it becomes too large: :class:`Broken` then, and nothing is."""
        before = {key: holder[key] for key in values if key in holder}
        holder.update(values)
        reason = f"{what} can't be kept: a run remembers {MAX_SNAPSHOT // 1024} KiB at most"
        try:
            # Counting what is added, and all of it only where that comes near the end: loops add again and again.
            self._size += len(dumps(dict(values)))
            if self._size > MAX_SNAPSHOT:
                self.written()
        except (TypeError, ValueError):
            reason = f"{what} can't be kept: it is no plain JSON"
            self._size = MAX_SNAPSHOT + 1
        if self._size > MAX_SNAPSHOT:
            for key in values:
                holder.pop(key, None)
            holder.update(before)
            raise Broken(reason)
