"""From the schedule's rows to what people ask of health: by system and environment, the worst first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from reconciler.flows.named import unknown_name
from reconciler.model.resource import Key
from reconciler.model.run import LOCAL
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey
from reconciler.store.executing import SliceState, WorkerRow
from reconciler.store.port import Reader

Standing = Literal["unhealthy", "degraded", "stale", "unknown", "healthy"]
"""What a thing is shown as. ``stale``: it was healthy when somebody last looked, which is too long ago; ``unknown``:
nothing of it has run, or not all of it. Neither is ever shown as green."""

RANK: dict[Standing, int] = {"unhealthy": 0, "degraded": 1, "stale": 2, "unknown": 3, "healthy": 4}
_OVERDUE_INTERVALS = 3
SILENT_AFTER = 30.0
"""Seconds without a beat after which a worker doesn't count as alive."""


class Seen(NamedTuple):
    """One slice (in one region) as it stands. ``failing``: its health isn't healthy."""

    check: str
    state: SliceState
    standing: Standing
    failing: bool
    stale: bool


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


class States(Protocol):
    """The part of the store's hands that health is read with."""

    def now(self) -> float:
        """The database's clock."""

    def states(self, *, system: int | None = None) -> Iterator[SliceState]:
        """Every slice of the schedule."""

    def workers(self) -> list[WorkerRow]:
        """All that registered."""


def health(states: States, reader: Reader, *, system: str | None = None) -> HealthReport:
    """What is healthy, what isn't, and what nobody knows; of one system or all. One pass over the slices.

    Raises ``GitopsError`` for a system that isn't there.
    """
    with reader.snapshot():
        return _health(states, reader, system)


def _health(states: States, reader: Reader, system: str | None) -> HealthReport:
    names = {uid: key.name for uid, key in reader.names().items()}
    uid = None if system is None else system_uid(reader, system)
    now = states.now()
    workers = states.workers()
    alive = {w.id for w in workers if now - w.seen <= SILENT_AFTER}
    cells: defaultdict[tuple[int, int], list[Seen]] = defaultdict(list)
    for state in _all(states, reader, uid):
        key = state.key
        check = names.get(key.check) or f"#{key.check}"
        cells[key.system, key.environment].append(seen(check, state, now, alive))
    systems: dict[int, list[Cell]] = {}
    for (of, environment), found in cells.items():
        name = None if environment == NO_ENVIRONMENT else names.get(environment) or f"#{environment}"
        systems.setdefault(of, []).append(_cell(name, found))
    rows = [_system(names.get(of) or f"#{of}", found) for of, found in systems.items()]
    return HealthReport(
        now,
        tuple(sorted(rows, key=lambda s: (RANK[s.standing], s.name))),
        tuple(w for w in workers if w.id in alive),
        tuple(w for w in workers if w.id not in alive),
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


def seen(check: str, state: SliceState, now: float, alive: Collection[str] = ()) -> Seen:
    """How one slice stands. What ran so long ago that three runs are missing is stale, whatever it was, unless a worker
    that is ``alive`` is at it."""
    failing = state.runs > 0 and state.health != "healthy"
    late = _OVERDUE_INTERVALS * state.interval_ms / 1000
    stale = state.last_at is not None and now - state.last_at > late and state.running not in alive
    standing: Standing = "unknown" if not state.runs else state.health
    if stale and not failing:
        standing = "stale"
    return Seen(check, state, standing, failing, stale)


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
    worst = found[0].standing
    return Cell(environment, worst, _since(worst, found), tuple(found))


def _since(standing: Standing, found: Iterable[Seen]) -> float | None:
    """A failing cell has been so since the first of what fails now; a healthy one since the last became healthy."""
    at = [_from(s) for s in found if s.standing == standing and s.state.runs]
    if not at:
        return None
    return max(at) if standing == "healthy" else min(at)


def _from(s: Seen) -> float:
    if s.standing == "stale" and s.state.last_at is not None:
        return s.state.last_at
    return s.state.since


def _system(name: str, cells: list[Cell]) -> SystemHealth:
    cells.sort(key=lambda c: (RANK[c.standing], c.environment or ""))
    return SystemHealth(name, cells[0].standing, tuple(cells))
