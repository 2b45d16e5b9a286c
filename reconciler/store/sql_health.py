"""Health as it is kept: derived run by run inside the transaction that records them, with its transitions.

Whoever records a run holds the write lock, so that each change of health is seen, and written, exactly once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

from reconciler.base.canonical import loads
from reconciler.health.rollup import worst
from reconciler.health.thresholds import LETTERS, Thresholds, evaluate, read
from reconciler.model.run import Health, Run
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey
from reconciler.store.batches import hold, unnest
from reconciler.store.database import Database
from reconciler.store.executing import SliceState, Transition

TRANSITION = 'scope, system, "check", environment, region, at, was, now, cause, by_check, by_environment'
_TYPES = ("text", "bigint", "bigint", "bigint", "text", "float8", "text", "text", "text", "bigint", "bigint")
_BAD: tuple[Health, ...] = ("degraded", "unhealthy")
SEEN_AGAIN = "it is looked at again"
"""The cause of a change of health, where what ended is that nobody looked."""
_STATE = (
    'system, "check", environment, region, digest, generation, interval_ms, due_at, worker, health, since, runs, '
    "last_at, last_outcome, reason, paused, tries, unseen"
)


@dataclass(slots=True)
class Row:
    """The part of a schedule row that a run changes. ``was``: the health before nobody looked, else null."""

    place: int
    lease: int
    thresholds: str
    recent: str
    health: Health
    since: float
    runs: int
    pace: str
    unseen: float | None = None
    was: Health | None = None


class _Failing:
    """How many slices of a system aren't healthy, by environment, and in all of them (None).

    Counts, as a system of thousands of slices that fail one after the other would be looked through for each.
    """

    def __init__(self, rows: Iterable[tuple[int, Health, int]]) -> None:
        self._counts: Counter[tuple[int | None, Health]] = Counter()
        for environment, health, count in rows:
            self._counts[environment, health] += count
            self._counts[None, health] += count

    def worst(self, environment: int | None) -> Health:
        """The worst of them."""
        return worst(health for health in _BAD if self._counts[environment, health])

    def move(self, environment: int, was: Health, now: Health) -> None:
        """One of them changed."""
        for where in (environment, None):
            self._counts[where, was] -= 1
            self._counts[where, now] += 1


class Judge:
    """Derives health from runs, one after the other, within one transaction."""

    def __init__(self, db: Database, now: float, systems: Iterable[int] = ()) -> None:
        """``systems``: all that may change, where that is known."""
        self._db = db
        self._now = now
        self._expected = systems
        self._systems: dict[int, _Failing] = {}
        self._rows: list[tuple[Any, ...]] = []

    def add(self, run: Run, row: Row, *, scheduled: bool = True) -> None:
        """Count a run in. That nobody looks ends with a ``scheduled`` one; what held before then counts, lest
        thresholds make it last."""
        thresholds = _thresholds(row.thresholds)
        row.recent = (LETTERS[run.outcome] + row.recent)[: thresholds.remembered]
        row.runs += 1
        now = evaluate(thresholds, row.recent, row.was or row.health)
        cause = run.reason if run.outcome != "healthy" else None
        if row.was is not None and scheduled:
            row.unseen = row.was = None
            cause = f"{SEEN_AGAIN}: {cause}" if cause else SEEN_AGAIN
        elif row.was is not None:
            row.was, now = now, worst((now, "degraded"))
        if now != row.health:
            self.changed(run.key, run.region, row.health, now, cause=cause, by=run.key)
            row.health, row.since = now, self._now

    def changed(
        self, key: SliceKey, region: str, was: Health, now: Health, *, cause: str | None, by: SliceKey | None
    ) -> None:
        """A slice changed: note that, and what it makes of the environment and of the system. ``by``: the slice whose
        run made it, if one did."""
        system, check, environment = key
        because = cause, *((by.check, by.environment) if by is not None else (0, 0))
        failing = self._failing(system)
        before = failing.worst(environment), failing.worst(None)
        failing.move(environment, was, now)
        after = failing.worst(environment), failing.worst(None)
        self._note("slice", (system, check, environment, region), was, now, because)
        if environment != NO_ENVIRONMENT and before[0] != after[0]:
            self._note("environment", (system, 0, environment, ""), before[0], after[0], because)
        if before[1] != after[1]:
            self._note("system", (system, 0, 0, ""), before[1], after[1], because)

    def _failing(self, system: int) -> _Failing:
        """What fails of a system, before the change that is being noted."""
        if not self._systems:
            hold_healths(self._db)
            if self._db.dialect == "postgresql":  # where a question takes a journey
                self._look_at(sorted({system, *self._expected}))
        if system not in self._systems:
            sql = (
                "select environment, health, count(*) from schedule where system = ? and health <> 'healthy' "
                "group by environment, health"
            )
            self._systems[system] = _Failing(self._db.rows(sql, (system,)))
        return self._systems[system]

    def _look_at(self, systems: Sequence[int]) -> None:
        sql = (
            "select system, environment, health, count(*) from schedule where system = any(?::bigint[]) "
            "and health <> 'healthy' group by system, environment, health order by system"
        )
        found = {key: list(rows) for key, rows in groupby(self._db.rows(sql, (systems,)), lambda row: row[0])}
        self._systems |= {system: _Failing(row[1:] for row in found.get(system, ())) for system in systems}

    def _note(
        self, scope: str, of: tuple[int, int, int, str], was: Health, now: Health, because: tuple[str | None, int, int]
    ) -> None:
        self._rows.append((scope, *of, self._now, was, now, *because))

    def write(self) -> list[Transition]:
        """Store the transitions, and return them."""
        return write_transitions(self._db, self._rows)


def hold_healths(db: Database) -> None:
    """Only one changes healths at a time, from when it has read how many fail until that is committed: so each change
    of an environment and a system is seen once, and the numbers of transitions are in the order in which they come
    into sight. Held before anything of this is read, and after the rows of the schedule."""
    hold(db, "health")


def write_transitions(db: Database, rows: Sequence[tuple[Any, ...]]) -> list[Transition]:
    """Store these, in their order. Needs a transaction, and :func:`hold_healths`."""
    if rows and db.dialect == "postgresql":
        listed, values = unnest(_TYPES, rows)
        given = db.rows(
            f"insert into transition ({TRANSITION}) select {TRANSITION} from {listed} with ordinality "
            f"as new ({TRANSITION}, nth) order by nth returning id",
            values,
        )
        numbers = sorted(row[0] for row in given)
        return [read_transition((number, *row)) for number, row in zip(numbers, rows, strict=True)]
    found = []
    for row in rows:
        sql = f"insert into transition ({TRANSITION}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning id"
        found.append(read_transition((db.rows(sql, row)[0][0], *row)))
    return found


class Healths:
    """The part of :class:`reconciler.store.executing.Executing` that answers how healthy things are."""

    db: Database

    def states(self, *, system: int | None = None) -> Iterator[SliceState]:
        """See the protocol."""
        where, values = ("", ()) if system is None else (" where system = ?", (system,))
        for row in self.db.rows(f"select {_STATE} from schedule{where}", values):
            s, c, e, region, digest, generation, interval_ms, due_at, worker, *rest = row
            key = SliceKey(s, c, e)
            yield SliceState(key, region, digest, generation, interval_ms, due_at, worker or None, *rest)

    def transitions(self, *, system: int | None = None, after: int = 0, limit: int = 100) -> list[Transition]:
        """See the protocol."""
        order = "asc" if after else "desc"
        which = "" if system is None else " and system = ?"
        sql = f"select id, {TRANSITION} from transition where id > ?{which} order by id {order} limit ?"
        rows = self.db.rows(sql, (after, limit) if system is None else (after, system, limit))
        found = [read_transition(row) for row in rows]
        return found if after else found[::-1]


def read_transition(row: tuple[Any, ...]) -> Transition:
    """A row of an id and :data:`TRANSITION`."""
    number, scope, system, check, environment, region, at, was, now, cause, by_check, by_environment = row
    by = SliceKey(system, by_check, by_environment)
    return Transition(number, scope, SliceKey(system, check, environment), region, at, was, now, cause, by)


@lru_cache(maxsize=4096)
def _thresholds(text: str) -> Thresholds:
    return read(loads(text))
