"""Bringing the schedule up to a generation: the difference between its rows and the current slices."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from reconciler.base.canonical import dumps, loads
from reconciler.health.rollup import worst
from reconciler.model.run import HOST, LOCAL, Health
from reconciler.model.slice import SliceKey
from reconciler.store.database import Database
from reconciler.store.executing import Reconciled
from reconciler.store.grid import first_tick, phase, place, tick_after
from reconciler.store.progress import progress, set_progress
from reconciler.store.sql_health import hold_healths, write_transitions
from reconciler.store.sql_pauses import changed, forget
from reconciler.store.sql_regions import expect, expect_no_more
from reconciler.store.sql_schedule import KEY, WHERE

_OF_THE_BROKEN = 60_000
_GONE = "a check that wasn't healthy is gone"


class _Wanted(NamedTuple):
    """What the body of a slice says about its schedule."""

    interval_ms: int
    regions: tuple[str, ...]
    thresholds: str
    retention: str


def reconcile(db: Database, written: Callable[[Difference], None] | None = None) -> Reconciled | None:
    """See :meth:`reconciler.store.executing.Executing.reconcile`. ``written`` writes a difference in another way.

    What differs is found without holding the write lock, as that takes long where there are many slices. Only this
    function makes and ends rows of the schedule, so what was found holds as long as no other generation came between.
    """
    while True:
        with db.snapshot():
            at = _generations(db)
            if at.newest == at.followed:
                return None
            difference = Difference(db, at.newest)
        with db.transaction(locks=("reconcile",)):
            if _generations(db) == at:
                if written is None:
                    difference.write(db)
                else:
                    written(difference)
                difference.settle(db)
                set_progress(db, "generation", at.newest)
                return difference.counts()


class _Generations(NamedTuple):
    newest: int
    followed: int


def _generations(db: Database) -> _Generations:
    newest = db.rows("select coalesce(max(n), 0) from generation")[0][0]
    return _Generations(newest, progress(db, "generation"))


ADDED = (
    f"place, {KEY}, digest, generation, thresholds, interval_ms, phase_ms, due_at, "
    "since, lease, slot, worker, lease_until, lease_for, recent, health, runs, pace"
)
"""Columns of a new row; from ``lease`` on they are the same in all of them."""
KEPT = f"{KEY}, retention, condensed, pruned"
BACK = (
    f"on conflict ({KEY}) do update set gone = null, condensed = case when excluded.condensed < keeping.condensed "
    "then excluded.condensed else keeping.condensed end"
)


class Difference:
    """Between the schedule and the current slices."""

    failing: list[tuple[Any, ...]]
    """Key, region and health of what wasn't healthy and is gone."""

    def __init__(self, db: Database, generation: int) -> None:
        self.generation = generation
        self.now = db.clock()
        self.added: list[tuple[Any, ...]] = []
        self.changed: list[tuple[Any, ...]] = []
        self.moved: list[tuple[Any, ...]] = []
        """Those of the changed ones whose interval differs, and with it their ticks."""
        self.removed: list[tuple[Any, ...]] = db.rows(
            f"select {KEY} from schedule s where not exists (select 1 from slice n where n.until is null and "
            'n.system = s.system and n."check" = s."check" and n.environment = s.environment)'
        )
        self.retentions: list[tuple[Any, ...]] = []
        rows = db.rows(
            'select n.system, n."check", n.environment, n.digest, '
            '(select b.body from slice b where b.system = n.system and b."check" = n."check" and '
            "b.environment = n.environment and b.until is null), s.region, s.interval_ms "
            f"from slice n {db.slices_by_index} left join schedule s on "
            's.system = n.system and s."check" = n."check" and s.environment = n.environment '
            "where n.until is null and (s.digest is null or s.digest <> n.digest) "
            'order by n.system, n."check", n.environment'
        )
        for (system, check, environment, digest, body), of_slice in groupby(rows, lambda row: row[:5]):
            there = {row[5]: row[6] for row in of_slice if row[5] is not None}
            self._differs(SliceKey(system, check, environment), digest, _wanted(body), there)

    def counts(self) -> Reconciled:
        """How much it was."""
        return Reconciled(self.generation, len(self.added), len(self.changed), len(self.removed))

    def _differs(self, key: SliceKey, digest: str, wanted: _Wanted, there: dict[str, int]) -> None:
        self.removed += [(*key, region) for region in there if region not in wanted.regions]
        for region in wanted.regions:
            at, every = place(key, region), wanted.interval_ms
            into = phase(at, every)
            if region not in there:
                ticks = (every, into, first_tick(self.now, at, every))
                row = (digest, self.generation, wanted.thresholds, *ticks)
                self.added.append((at, *key, region, *row, self.now))
            else:
                self.changed.append((digest, self.generation, wanted.thresholds, at))
                if there[region] != every:
                    self.moved.append((every, into, tick_after(self.now, every, into), at))
            self.retentions.append((wanted.retention, *key, region))

    def write(self, db: Database) -> None:
        """Bring the schedule there. Needs a transaction."""
        health = f"select {KEY}, health from schedule where {WHERE} and health <> 'healthy'"
        self.failing = [row for key in self.removed for row in db.rows(health, key)]
        db.many(f"delete from schedule where {WHERE}", self.removed)
        db.many(f"update keeping set gone = ? where {WHERE}", ((self.now, *key) for key in self.removed))
        by_place = itemgetter(-1)
        db.many(
            "update schedule set digest = ?, generation = ?, thresholds = ? where place = ?",
            sorted(self.changed, key=by_place),
        )
        db.many(
            "update schedule set interval_ms = ?, phase_ms = ?, due_at = ? where place = ?",
            sorted(self.moved, key=by_place),
        )
        db.many(
            f"insert into schedule ({ADDED}) values ({', '.join('?' * 12)}, 0, 0, '', 0, 0, '', 'healthy', 0, '')",
            sorted(self.added),
        )
        # What comes back before its results are gone goes on where it was.
        condensed = progress(db, "condensed")
        db.many(
            f"insert into keeping ({KEPT}) values (?, ?, ?, ?, '', ?, ?) {BACK}",
            ((*row[1:5], condensed, self.now) for row in self.added),
        )
        db.many(
            f"update keeping set retention = ? where {WHERE} and retention <> ?",
            ((*row, row[0]) for row in self.retentions),
        )

    def settle(self, db: Database) -> None:
        """What follows from that. Needs the same transaction."""
        expect(db, {row[4] for row in self.added}, self.now)
        expect_no_more(db, {row[3] for row in self.removed})
        changed(db, [row[-1] for row in self.changed])
        if self.removed:
            forget(db)
        hold_healths(db)
        write_transitions(db, _recovered(db, self.failing, self.now))


def _recovered(db: Database, failing: list[tuple[Any, ...]], now: float) -> list[tuple[Any, ...]]:
    """Transitions of environments and systems that are better because what failed there is gone: ``failing`` are key,
    region and health of that. Where nothing is left, there is nothing to tell."""
    found: list[tuple[Any, ...]] = []
    for system in sorted({row[0] for row in failing}):
        left: dict[int, list[Health]] = {}
        for environment, health in db.rows("select environment, health from schedule where system = ?", (system,)):
            left.setdefault(environment, []).append(health)
        was = {environment: list(healths) for environment, healths in left.items()}
        for row in failing:
            if row[0] == system:
                was.setdefault(row[2], []).append(row[4])
        for environment in sorted(e for e in left if e):
            found.append(("environment", system, environment, worst(was[environment]), worst(left[environment])))
        if left:
            before = worst(health for healths in was.values() for health in healths)
            found.append(
                ("system", system, 0, before, worst(health for healths in left.values() for health in healths))
            )
    return [
        (scope, system, 0, environment, "", now, before, after, _GONE, 0, 0)
        for scope, system, environment, before, after in found
        if before != after
    ]


def _wanted(body: str) -> _Wanted:
    """A body that somebody broke by hand is scheduled all the same: its runs say what is wrong, rather than nothing."""
    try:
        read = loads(body)
        assignment = read["assignment"]
        regions = dict.fromkeys(LOCAL if r == HOST else str(r) for r in assignment.get("regions") or (HOST,))
        return _Wanted(
            max(1000, int(read["check"]["interval"])),
            tuple(regions),
            dumps(dict(assignment.get("thresholds") or {})).decode(),
            dumps(dict(assignment.get("retention") or {})).decode(),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return _Wanted(_OF_THE_BROKEN, (LOCAL,), "{}", "{}")
