"""Rows of the store to events: names instead of uids, every key that a payload can have, and the order of time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from reconciler.automate.context import iso
from reconciler.automate.definitions import CHANGED, CHECK_FAILED, DEGRADED, HEALTHY
from reconciler.automate.payloads import complete
from reconciler.automate.port import Event
from reconciler.base.canonical import loads
from reconciler.flows.world import display_name
from reconciler.model.resource import Key
from reconciler.store.automating import EventRow
from reconciler.store.executing import Transition
from reconciler.store.sql_automating import SqlAutomating
from reconciler.store.sql_reader import SqlReader

_RANK = {"healthy": 0, "degraded": 1, "unhealthy": 2}


class About(NamedTuple):
    """Which system (uid) an event is about, in which environment (0: as a whole)."""

    system: int
    environment: int


class Told(NamedTuple):
    """What one row tells. ``about`` is None where it isn't about the health of a system."""

    events: tuple[Event, ...]
    about: About | None


class Names:
    """Names and titles by uid; remembers them until another generation is there."""

    def __init__(self, reader: SqlReader) -> None:
        self._reader = reader
        self._known: dict[int, tuple[str, str]] = {}

    def of(self, uid: int) -> tuple[str, str]:
        """(name, title); what is gone has the name that it last had."""
        if uid not in self._known:
            key = self._reader.names({uid}).get(uid)
            name = key.name if key is not None else f"#{uid}"
            found = next(iter(self._reader.resources(keys={key})), None) if key is not None else None
            title = display_name(loads(found.resource.body)["metadata"]) if found and found.uid == uid else name
            self._known[uid] = name, title
        return self._known[uid]

    def uid(self, kind: str, name: str) -> int | None:
        """Of what has that name now."""
        found = next(iter(self._reader.resources(keys={Key(kind, name)})), None)
        return found.uid if found is not None else None


class Telling:
    """For one turn: what it counts holds for that long."""

    def __init__(self, automating: SqlAutomating, names: Names) -> None:
        self._automating, self._names = automating, names
        self._counts: dict[int, list[tuple[int, str, int]]] = {}

    def transition(self, row: Transition) -> Told:
        """A change of a system or of one of its environments; those of single checks tell nothing."""
        if row.scope == "slice":
            return Told((), None)
        system, environment = row.key.system, row.key.environment
        name, title = self._names.of(system)
        where, called = self._names.of(environment) if environment else (None, None)
        healthy, total = self._checks(system, environment)
        payload = {
            "systemId": name,
            "systemName": title,
            "environmentId": where,
            "environmentName": called,
            "previousStatus": row.was,
            "newStatus": row.now,
            "healthyChecks": healthy,
            "totalChecks": total,
            "timestamp": iso(row.at),
        }
        events = (
            Event(f"t{row.id}", event, row.at, complete(event, payload), name)
            for event in (CHANGED, *_direction(row.was, row.now))
        )
        return Told(tuple(events), About(system, environment or row.by.environment))

    def event(self, row: EventRow) -> Told:
        """A row of the inbox."""
        meant = row.automation or None
        if row.name == CHECK_FAILED and "outcome" in row.payload:
            return self._failed(row)
        payload = complete(row.name, row.payload)
        event = Event(f"e{row.id}", row.name, row.at, payload, row.context_key, row.actor or None, meant)
        return Told((event,), None)

    def _failed(self, row: EventRow) -> Told:
        p = row.payload
        name, title = self._names.of(p["system"])
        check, called = self._names.of(p["check"])
        environment = self._names.of(p["environment"])[0] if p["environment"] else None
        payload: dict[str, Any] = {
            "systemId": name,
            "systemName": title,
            "configurationId": check,
            "configurationName": called,
            "environmentId": environment,
            "status": p["outcome"],
            "latencyMs": p["ms"],
            "error": p["reason"],
            "result": self._automating.failed(row),
            "timestamp": iso(p["at"]),
        }
        event = Event(f"e{row.id}", row.name, row.at, complete(row.name, payload), name)
        return Told((event,), About(p["system"], p["environment"]))

    def _checks(self, system: int, environment: int) -> tuple[int, int]:
        """(healthy ones, all) of a system, or of one environment of it."""
        if system not in self._counts:
            self._counts[system] = self._automating.checks(system)
        rows = [row for row in self._counts[system] if environment in (0, row[0])]
        return sum(n for _, health, n in rows if health == "healthy"), sum(n for _, _, n in rows)


def in_order(events: Iterable[Told], transitions: Iterable[Told]) -> list[Told]:
    """By time; each kind keeps the order in which it was written, whatever a clock that was set says."""
    one, other = list(events), list(transitions)
    found: list[Told] = []
    while one and other:
        found.append(one.pop(0) if _at(one[0]) <= _at(other[0]) else other.pop(0))
    return [*found, *one, *other]


def _at(told: Told) -> float:
    return told.events[0].at if told.events else 0.0


def _direction(was: str, now: str) -> tuple[str, ...]:
    """Worse, well again, or just better."""
    if now == "healthy":
        return (HEALTHY,)
    return (DEGRADED,) if _RANK.get(now, 0) > _RANK.get(was, 0) else ()
