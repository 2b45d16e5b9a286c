"""The health that expressions of automations read, from the store. Where it can't be had, it is empty."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from reconciler.automate.context import HealthNow, iso
from reconciler.automate.definitions import Automation
from reconciler.base.errors import GitopsError
from reconciler.store.automating import SystemState
from reconciler.store.incidents import Maintenance
from reconciler.store.sql_automating import SqlAutomating
from reconciler.store.sql_maintenances import SqlMaintenances

_MOST = 10_000
Systems = Mapping[str, Mapping[str, Any]]


class Healths:
    """Of one moment: what was read once is so until it is read anew. Belongs to the desk's thread."""

    def __init__(self, automating: SqlAutomating, at: float) -> None:
        self._automating = automating
        self.at = at
        self._known: dict[tuple[str, float, bool], Mapping[str, Any] | None] = {}
        self._maintenances: list[Maintenance] | None = None

    def of(self, automation: Automation, names: Collection[str]) -> Systems:
        """These systems, as this automation wants them; what isn't there is left out."""
        back, latency = automation.window_seconds, automation.latency
        missing = [name for name in names if (name, back, latency) not in self._known]
        if missing:
            self._known |= {(name, back, latency): None for name in missing}
            for name, found in self._read(missing, back, latency=latency).items():
                self._known[name, back, latency] = found
        rows = ((name, self._known[name, back, latency]) for name in names)
        return {name: found for name, found in rows if found is not None}

    def _read(self, names: Collection[str], back: float, *, latency: bool) -> dict[str, Mapping[str, Any]]:
        try:
            rows = self._automating.health(names, since=self.at - back, latency=latency)
        except GitopsError:
            return {}
        found: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row.environment:
                found[row.system]["environments"][row.environment] = self._state(row)
            else:
                found[row.system] = {**self._state(row), "environments": {}}
        return dict(found)

    def _state(self, row: SystemState) -> dict[str, Any]:
        return {
            "status": row.status,
            "in_status_since": None if row.since is None else iso(row.since),
            "in_status_for_ms": None if row.since is None else max(0, round((self.at - row.since) * 1000)),
            "p95_latency_ms": row.p95,
            "transitions_in_window": row.changes,
            "in_maintenance": self._maintained(row),
        }

    def _maintained(self, row: SystemState) -> bool:
        if self._maintenances is None:
            try:
                ahead = SqlMaintenances(self._automating.db).maintenances(limit=_MOST)
                self._maintenances = [each for each in ahead if each.status == "active"]
            except GitopsError:
                self._maintenances = []
        return any(place.covers(row.uid, row.place) for each in self._maintenances for place in each.systems)


class Outlook:
    """The time and the health for one automation. Implements :class:`reconciler.automate.context.Outside`.

    ``systems`` answers for names; whoever made it knows how old that may be.
    """

    def __init__(
        self, automation: Automation, now: Callable[[], float], systems: Callable[[Collection[str]], Systems]
    ) -> None:
        self._automation, self._now, self._systems = automation, now, systems

    def now(self) -> float:
        """Epoch seconds, by the store's clock."""
        return self._now()

    def health(self, system: str | None) -> HealthNow:
        """See the protocol."""
        own = (system,) if system else ()
        found = self._systems((*own, *self._automation.uses))
        health: dict[str, Any] = {"systems": {name: found[name] for name in self._automation.uses if name in found}}
        if system and system in found:
            health["system"] = found[system]
            health["systems"][system] = found[system]
        return health
