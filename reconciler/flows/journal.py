"""What was written to the store outside an apply: how the rows were, and how to bring back what git can't say."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reconciler.base.canonical import digest
from reconciler.model.plan import Action, Cause, SliceChange, Stored
from reconciler.model.resource import Key
from reconciler.model.slice import SliceKey
from reconciler.plan.match import Was
from reconciler.store.port import Reader


class Journal:
    """The first entry of each row is how it was applied; None stands for a row that wasn't there."""

    def __init__(self, reader: Reader, source: str) -> None:
        self._reader = reader
        self.resources: dict[int, Was | None] = {}
        self._slices: dict[SliceKey, tuple[str, str] | None] = {}
        for w in reader.outside(source):
            if w.table == "resource":
                was = None if w.op == "insert" else Was(Key(w.kind, w.name), w.status, w.digest, w.body.encode())
                self.resources.setdefault(w.uid, was)
            else:
                key = SliceKey(w.uid, w.check, w.environment)
                self._slices.setdefault(key, None if w.op == "insert" else (w.digest, w.body))
        self.broken = {SliceKey(m.uid, m.check, m.environment) for m in reader.mismatches() if m.table == "slice"}
        """Slices whose body isn't the one of their digest."""

    @property
    def slices(self) -> dict[SliceKey, str | None]:
        """Slices that were written to, with the digest that was applied."""
        return {key: was[0] if was else None for key, was in self._slices.items()}

    def drifted(self, rows: Iterable[Stored]) -> dict[int, Was]:
        """How those resources were that differ now, or are gone."""
        now = {s.uid: Was(s.resource.key, s.status, s.resource.digest, s.resource.body) for s in rows}
        return {uid: was for uid, was in self.resources.items() if was is not None and now.get(uid) != was}

    def inserted(self, rows: Iterable[Stored], fresh: Collection[Key]) -> list[Stored]:
        """Resources that somebody added, apart from those that git declares as well."""
        return [s for s in rows if self.resources.get(s.uid, s) is None and s.resource.key not in fresh]

    def lost(self, rows: Iterable[Stored]) -> dict[Key, int]:
        """Uids of the resources that somebody deleted, so that they come back as who they were."""
        there = {s.uid for s in rows}
        return {was.key: uid for uid, was in self.resources.items() if was is not None and uid not in there}

    def mend(self, done: Collection[int], rendered: Collection[SliceKey]) -> list[SliceChange]:
        """Bring back the slices that no plan renders, as those of orphans. ``done``: systems that were rendered."""
        keys = [key for key in self._slices if key.system not in done and key not in rendered]
        now = self._reader.slices(keys)
        uids = self._reader.names({key.system for key in keys})
        alive = {s.uid for s in self._reader.resources(keys=set(uids.values()))}
        changes = []
        for key in keys:
            was, there = self._slices[key], now.get(key)
            if was is None:
                if there is not None:
                    changes.append(SliceChange(Action.DELETE, key, there.digest, "", b"", Cause.DRIFT))
                continue
            body = was[1].encode()
            whole = there is not None and there.digest == was[0] and key not in self.broken
            if whole or key.system not in alive or digest(body) != was[0]:
                continue
            action = Action.CREATE if there is None else Action.UPDATE
            changes.append(SliceChange(action, key, there.digest if there else "", was[0], body, Cause.DRIFT))
        return changes
