"""What happened since one last looked: changes of health, and runs that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from reconciler.flows.health import HealthReport, health, only_failing, system_uid
from reconciler.flows.origins import Origins
from reconciler.flows.runs import Told
from reconciler.model.resource import Key
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey, SliceName
from reconciler.store.executing import Executing, Transition
from reconciler.store.port import Reader

_MANY = 1000


class Changed(NamedTuple):
    """A change of health with its names; ``check`` is None where it is that of an environment or a system."""

    system: str
    check: str | None
    environment: str | None
    transition: Transition

    def __str__(self) -> str:
        return "/".join(part for part in (self.system, self.check, self.environment) if part is not None)


@dataclass(frozen=True, slots=True)
class News:
    """Oldest first. ``runs`` counts all that were recorded, ``failed`` are those that weren't healthy."""

    changed: tuple[Changed, ...]
    failed: tuple[Told, ...]
    runs: int

    @property
    def any(self) -> bool:
        """Whether there is something to tell."""
        return bool(self.changed or self.failed)


class Watch:
    """Begins where the store is now, and goes on from where it last looked."""

    def __init__(self, hands: Executing, reader: Reader, *, system: str | None = None) -> None:
        """Raises ``GitopsError`` for a system that isn't there."""
        self._hands, self._reader = hands, reader
        self._system = system
        self._uid = None if system is None else system_uid(reader, system)
        self._position = hands.position()
        newest = hands.transitions(limit=1)
        self._transition = newest[-1].id if newest else 0
        self._generation = -1
        self._names: dict[int, Key] = {}
        self._origins = Origins(reader)

    def health(self, *, failing: bool = False) -> HealthReport:
        """How things stand."""
        found = health(self._hands, self._reader, system=self._system)
        return only_failing(found) if failing else found

    def news(self) -> News:
        """What came since the last time this was asked. Raises ``StoreError`` once the store made way for another."""
        self._hands.generation()
        with self._reader.snapshot():
            self._refresh()
            changed, failed, runs = self._changed(), [], 0
            while True:
                self._position, batch = self._hands.runs_after(self._position, limit=_MANY)
                for run in batch:
                    if self._uid is not None and run.key.system != self._uid:
                        continue
                    runs += 1
                    if run.outcome != "healthy":
                        failed.append(Told(self._name(run.key), run, self._origins.of(run.key.check, run.generation)))
                if len(batch) < _MANY:
                    return News(tuple(changed), tuple(failed), runs)

    def _changed(self) -> list[Changed]:
        found = []
        while batch := self._hands.transitions(system=self._uid, after=self._transition, limit=_MANY):
            self._transition = batch[-1].id
            for t in batch:
                name = self._name(t.key)
                check = name.check if t.key.check else None
                found.append(Changed(name.system, check, name.environment, t))
        return found

    def _refresh(self) -> None:
        generation = self._reader.generation()
        if generation != self._generation:
            self._generation, self._names = generation, self._reader.names()

    def _name(self, key: SliceKey) -> SliceName:
        system, check, environment = (self._names[u].name if u in self._names else f"#{u}" for u in key)
        return SliceName(system, check, None if key.environment == NO_ENVIRONMENT else environment)
