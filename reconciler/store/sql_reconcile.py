"""Bringing the schedule up to a generation: the difference between its rows and the current slices."""

from __future__ import annotations

from itertools import groupby
from typing import Any, NamedTuple

from reconciler.base.canonical import dumps, loads
from reconciler.health.rollup import worst
from reconciler.model.run import LOCAL, Health
from reconciler.model.slice import SliceKey
from reconciler.store.database import Database
from reconciler.store.executing import Reconciled
from reconciler.store.grid import first_tick, phase, place, tick_after
from reconciler.store.progress import progress, set_progress
from reconciler.store.sql_health import write_transitions
from reconciler.store.sql_schedule import KEY, WHERE

HOST = "local"
"""How an assignment spells the region that is kept as :data:`LOCAL`."""

_GONE = "a check that wasn't healthy is gone"


class _Wanted(NamedTuple):
    """What the body of a slice says about its schedule."""

    interval_ms: int
    regions: tuple[str, ...]
    thresholds: str
    retention: str


def reconcile(db: Database) -> Reconciled | None:
    """See :meth:`reconciler.store.executing.Executing.reconcile`."""
    newest = "select coalesce(max(n), 0) from generation"
    if db.rows(newest)[0][0] == progress(db, "generation"):
        return None
    with db.transaction():
        generation = db.rows(newest)[0][0]
        if generation == progress(db, "generation"):
            return None  # somebody else did it while we waited
        pass_ = _Pass(db, generation)
        pass_.compare()
        pass_.write()
        pass_.tell()
        set_progress(db, "generation", generation)
    return Reconciled(generation, len(pass_.added), len(pass_.changed), len(pass_.removed))


class _Pass:
    def __init__(self, db: Database, generation: int) -> None:
        self.db = db
        self.generation = generation
        self.now = db.clock()
        self.condensed = progress(db, "condensed")
        self.added: list[tuple[Any, ...]] = []
        self.changed: list[tuple[Any, ...]] = []
        self.removed: list[tuple[Any, ...]] = []
        """Key, region and health."""
        self._kept: list[tuple[Any, ...]] = []

    def compare(self) -> None:
        """Find what differs."""
        self.removed += self.db.rows(
            f"select {KEY}, health from schedule s where not exists (select 1 from slice n where n.until is null and "
            'n.system = s.system and n."check" = s."check" and n.environment = s.environment)'
        )
        rows = self.db.rows(
            'select n.system, n."check", n.environment, n.digest, '
            '(select b.body from slice b where b.system = n.system and b."check" = n."check" and '
            "b.environment = n.environment and b.until is null), "
            "s.region, s.interval_ms, s.phase_ms, s.due_at, s.health "
            f"from slice n {self.db.slices_by_index} left join schedule s on "
            's.system = n.system and s."check" = n."check" and s.environment = n.environment '
            "where n.until is null and (s.digest is null or s.digest <> n.digest) "
            'order by n.system, n."check", n.environment'
        )
        for (system, check, environment, digest, body), of_slice in groupby(rows, lambda row: row[:5]):
            there = {row[5]: row[6:] for row in of_slice if row[5] is not None}
            self._differs(SliceKey(system, check, environment), digest, _wanted(body), there)

    def _differs(self, key: SliceKey, digest: str, wanted: _Wanted, there: dict[str, tuple[Any, ...]]) -> None:
        self.removed += [(*key, region, row[3]) for region, row in there.items() if region not in wanted.regions]
        for region in wanted.regions:
            at, every = place(key, region), wanted.interval_ms
            if region not in there:
                ticks = (phase(at, every), first_tick(self.now, at, every))
                row = (digest, self.generation, every, *ticks, wanted.thresholds)
                self.added.append((at, *key, region, *row, self.now))
            else:
                interval_ms, *ticks_before = there[region][:3]
                moved = (phase(at, every), tick_after(self.now, every, phase(at, every)))
                ticks = tuple(ticks_before) if interval_ms == every else moved
                self.changed.append((digest, self.generation, every, *ticks, wanted.thresholds, at))
            self._kept.append((*key, region, wanted.retention, self.condensed, self.now))

    def write(self) -> None:
        """Bring the schedule there. What comes back within its retention goes on where it was."""
        self.db.many(f"delete from schedule where {WHERE}", (row[:4] for row in self.removed))
        self.db.many(f"update keeping set gone = ? where {WHERE}", ((self.now, *row[:4]) for row in self.removed))
        self.db.many(
            "update schedule set digest = ?, generation = ?, interval_ms = ?, phase_ms = ?, due_at = ?, "
            "thresholds = ? where place = ?",
            self.changed,
        )
        self.db.many(
            f"insert into schedule (place, {KEY}, digest, generation, interval_ms, phase_ms, due_at, thresholds, "
            "since, lease, slot, worker, lease_until, lease_for, recent, health, runs, pace) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, '', 0, 0, '', 'healthy', 0, '')",
            sorted(self.added),
        )
        self.db.many(
            f"insert into keeping ({KEY}, retention, condensed, pruned) values (?, ?, ?, ?, ?, ?, ?) "
            f"on conflict ({KEY}) do update set retention = excluded.retention, gone = null, "
            "condensed = case when excluded.condensed < condensed then excluded.condensed else condensed end",
            self._kept,
        )

    def tell(self) -> None:
        """An environment or a system may be well again because what failed there is gone; the rest of it is asked."""
        gone = [row for row in self.removed if row[4] != "healthy"]
        found: list[tuple[Any, ...]] = []
        for system in sorted({row[0] for row in gone}):
            left: dict[int, list[Health]] = {}
            for environment, health in self.db.rows(
                "select environment, health from schedule where system = ?", (system,)
            ):
                left.setdefault(environment, []).append(health)
            was: dict[int, list[Health]] = {e: list(healths) for e, healths in left.items()}
            for row in gone:
                if row[0] == system:
                    was.setdefault(row[2], []).append(row[4])
            for environment in sorted(e for e in left if e):
                found.append(("environment", system, environment, worst(was[environment]), worst(left[environment])))
            if left:
                before = worst(h for healths in was.values() for h in healths)
                found.append(("system", system, 0, before, worst(h for healths in left.values() for h in healths)))
        rows = [
            (scope, system, 0, environment, "", self.now, before, after, _GONE, 0, 0)
            for scope, system, environment, before, after in found
            if before != after
        ]
        write_transitions(self.db, rows)


def _wanted(body: str) -> _Wanted:
    read = loads(body)
    assignment = read["assignment"]
    regions = dict.fromkeys(LOCAL if r == HOST else r for r in assignment.get("regions") or (HOST,))
    return _Wanted(
        int(read["check"]["interval"]),
        tuple(regions),
        dumps(assignment.get("thresholds") or {}).decode(),
        dumps(assignment.get("retention") or {}).decode(),
    )
