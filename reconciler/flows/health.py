"""From the schedule's rows to what people ask of health: by system and environment, the worst first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from reconciler.flows.named import unknown_name
from reconciler.flows.observed import Asked, Observed
from reconciler.health.rollup import worst
from reconciler.model.resource import Key
from reconciler.model.run import HOST, LOCAL, Health
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey
from reconciler.store.executing import UNSERVED_SECONDS, PauseRow, SliceState, WorkerRow
from reconciler.store.port import Reader

Standing = Literal["unhealthy", "degraded", "stale", "unknown", "paused", "healthy"]
"""What a thing is shown as. ``stale``: it was healthy when somebody last looked, which is too long ago; ``unknown``:
nothing of it has run, or not all of it; ``paused``: somebody wants it not to run. None of these is ever shown as green.
"""

RANK: dict[Standing, int] = {"unhealthy": 0, "degraded": 1, "stale": 2, "unknown": 3, "paused": 4, "healthy": 5}
_OVERDUE_INTERVALS = 3
SILENT_AFTER = UNSERVED_SECONDS
"""Seconds without a beat after which a worker doesn't count as alive."""


class Seen(NamedTuple):
    """One slice (in one region) as it stands. ``failing``: its health isn't healthy, or nobody looks at it where
    somebody should: ``unserved`` says why, or ``pause`` that it was set aside."""

    check: str
    state: SliceState
    standing: Standing
    failing: bool
    stale: bool
    unserved: str | None = None
    pause: PauseRow | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """All checks of a system in one environment, or without one.

    ``since``: from when on it has been so, as far as the slices that are so now tell; None before the first run.
    """

    environment: str | None
    standing: Standing
    since: float | None
    seen: tuple[Seen, ...]

    @property
    def failing(self) -> int:
        """How many of its slices are degraded or unhealthy."""
        return sum(s.failing for s in self.seen)

    @property
    def stale(self) -> int:
        """How many weren't looked at for more than three intervals."""
        return sum(s.stale for s in self.seen)

    @property
    def unknown(self) -> int:
        """How many never ran."""
        return sum(not s.state.runs for s in self.seen)

    @property
    def paused(self) -> int:
        """How many somebody paused."""
        return sum(s.pause is not None and s.pause.kind == "paused" for s in self.seen)

    @property
    def regional(self) -> tuple[Regional, ...]:
        """The checks that run in several regions, in the order of :attr:`seen`."""
        by_check: dict[str, list[Seen]] = {}
        for each in self.seen:
            by_check.setdefault(each.check, []).append(each)
        return tuple(Regional.of(check, found) for check, found in by_check.items() if len(found) > 1)


class Regional(NamedTuple):
    """A slice over all of its regions: as healthy as the worst of them. Names of regions, :data:`HOST` among them."""

    check: str
    standing: Standing
    regions: tuple[str, ...]
    failing: tuple[str, ...]

    @staticmethod
    def of(check: str, found: Iterable[Seen]) -> Regional:
        """From its regions."""
        by_name = sorted(found, key=lambda s: s.state.region)
        names = {s.state.region: s.state.region or HOST for s in by_name}
        worst = min((s.standing for s in by_name), key=RANK.__getitem__)
        return Regional(check, worst, tuple(names.values()), tuple(names[s.state.region] for s in by_name if s.failing))


@dataclass(frozen=True, slots=True)
class SystemHealth:
    """A system with its environments, the worst first."""

    name: str
    standing: Standing
    cells: tuple[Cell, ...]

    @property
    def failing(self) -> int:
        """How many of its slices are degraded or unhealthy."""
        return sum(c.failing for c in self.cells)

    @property
    def slices(self) -> int:
        """How many it has."""
        return sum(len(c.seen) for c in self.cells)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """``at`` is the database's clock; ``systems`` come the worst first. ``workers`` are those that are alive."""

    at: float
    systems: tuple[SystemHealth, ...]
    workers: tuple[WorkerRow, ...]
    silent: tuple[WorkerRow, ...] = ()

    @property
    def counts(self) -> dict[Standing, int]:
        """Slices by standing."""
        found: dict[Standing, int] = dict.fromkeys(RANK, 0)
        for system in self.systems:
            for cell in system.cells:
                for seen in cell.seen:
                    found[seen.standing] += 1
        return found


class States(Asked, Protocol):
    """The part of the store's hands that health is read with."""

    def states(self, *, system: int | None = None) -> Iterator[SliceState]:
        """Every slice of the schedule."""


def health(states: States, reader: Reader, *, system: str | None = None) -> HealthReport:
    """What is healthy, what isn't, and what nobody knows; of one system or all. One pass over the slices.

    Raises ``GitopsError`` for a system that isn't there.
    """
    with reader.snapshot():
        return _health(states, reader, system)


def _health(states: States, reader: Reader, system: str | None) -> HealthReport:
    names = {uid: key.name for uid, key in reader.names().items()}
    uid = None if system is None else system_uid(reader, system)
    observed = Observed.of(states)
    cells: defaultdict[tuple[int, int], list[Seen]] = defaultdict(list)
    for state in _all(states, reader, uid):
        key = state.key
        check = names.get(key.check) or f"#{key.check}"
        cells[key.system, key.environment].append(seen(check, state, observed))
    systems: dict[int, list[Cell]] = {}
    for (of, environment), found in cells.items():
        name = None if environment == NO_ENVIRONMENT else names.get(environment) or f"#{environment}"
        systems.setdefault(of, []).append(_cell(name, found))
    rows = [_system(names.get(of) or f"#{of}", found) for of, found in systems.items()]
    return HealthReport(
        observed.at,
        tuple(sorted(rows, key=lambda s: (RANK[s.standing], s.name))),
        tuple(w for w in observed.workers if w.id in observed.alive),
        tuple(w for w in observed.workers if w.id not in observed.alive),
    )


def system_uid(reader: Reader, system: str) -> int:
    """Of a system by name. Raises ``GitopsError`` with what is near."""
    key = Key("System", system)
    found = next(reader.resources(keys={key}), None)
    if found is not None:
        return found.uid
    names = {s.resource.key.name for s in reader.resources() if s.resource.key.kind == key.kind}
    raise unknown_name("system", system, names)


def _all(states: States, reader: Reader, system: int | None) -> list[SliceState]:
    """The schedule as the newest generation has it: a worker may not have read that one yet, or there is none."""
    digests = reader.slice_digests(None if system is None else {system})
    found = list(states.states(system=system))
    scheduled = {state.key for state in found}
    gone = scheduled - digests.keys()
    if gone:
        found = [state for state in found if state.key not in gone]
    found += [_unscheduled(key, digests[key]) for key in digests.keys() - scheduled]
    return found


def _unscheduled(key: SliceKey, digest: str) -> SliceState:
    return SliceState(key, LOCAL, digest, 0, 0, 0.0, None, "healthy", 0.0, 0, None, None, None)


def seen(check: str, state: SliceState, observed: Observed) -> Seen:
    """How one slice stands. What ran so long ago that three runs are missing is stale, whatever it was, unless a worker
    that is alive is at it. What nobody looks at is degraded at least, and so is what was set aside."""
    unserved, pause = observed.unserved(state), observed.pause(state)
    aside = pause is not None and pause.kind != "paused"
    health: Health = state.health if state.runs or state.unseen is not None else "healthy"
    if unserved is not None or aside:
        if health == "healthy":
            state = state._replace(since=pause.at if pause is not None else observed.regions[state.region].seen)
        health = worst((health, "degraded"))
    late = _OVERDUE_INTERVALS * state.interval_ms / 1000
    stale = state.last_at is not None and observed.at - state.last_at > late and state.running not in observed.alive
    standing: Standing = health
    if health == "healthy":
        standing = "paused" if pause is not None else "stale" if stale else "healthy" if state.runs else "unknown"
    return Seen(check, state, standing, health != "healthy", stale and pause is None, unserved, pause)


def only_failing(report: HealthReport) -> HealthReport:
    """The same without what is healthy; what nobody knows stays."""
    systems = []
    for system in report.systems:
        cells = tuple(c for c in system.cells if c.standing != "healthy")
        if cells:
            systems.append(SystemHealth(system.name, system.standing, cells))
    return HealthReport(report.at, tuple(systems), report.workers, report.silent)


def _cell(environment: str | None, found: list[Seen]) -> Cell:
    found.sort(key=lambda s: (RANK[s.standing], s.check, s.state.region))
    standing = found[0].standing
    return Cell(environment, standing, _since(standing, found), tuple(found))


def _since(standing: Standing, found: Iterable[Seen]) -> float | None:
    """A failing cell has been so since the first of what fails now; a healthy one since the last became healthy."""
    at = [_from(s) for s in found if s.standing == standing and (s.state.runs or s.failing)]
    if not at:
        return None
    return max(at) if standing == "healthy" else min(at)


def _from(s: Seen) -> float:
    if s.standing == "stale" and s.state.last_at is not None:
        return s.state.last_at
    if s.standing == "paused" and s.pause is not None:
        return s.pause.at
    return s.state.since


def _system(name: str, cells: list[Cell]) -> SystemHealth:
    cells.sort(key=lambda c: (RANK[c.standing], c.environment or ""))
    return SystemHealth(name, cells[0].standing, tuple(cells))
