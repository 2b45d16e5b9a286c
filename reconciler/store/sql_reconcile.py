"""Bringing the schedule up to a generation: the difference between its rows and the current slices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from reconciler.base.canonical import dumps, loads
from reconciler.health.rollup import worst
from reconciler.model.run import LOCAL, Health
from reconciler.model.slice import SliceKey
from reconciler.store.database import Database
from reconciler.store.executing import Reconciled
from reconciler.store.grid import first_tick, spread, tick_after
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
        gone = pass_.remove_gone()
        pass_.bring_forward()
        pass_.tell(gone)
        set_progress(db, "generation", generation)
    return Reconciled(generation, pass_.added, pass_.changed, pass_.removed)


class _Pass:
    def __init__(self, db: Database, generation: int) -> None:
        self.db = db
        self.generation = generation
        self.now = db.clock()
        self.condensed = progress(db, "condensed")
        self.added = self.changed = self.removed = 0

    def remove_gone(self) -> list[tuple[Any, ...]]:
        """End the rows of slices that are gone; returns key, region and health of those that weren't healthy."""
        gone = self.db.rows(
            f"select {KEY}, health from schedule s where not exists (select 1 from slice n where n.until is null and "
            'n.system = s.system and n."check" = s."check" and n.environment = s.environment)'
        )
        self._end([row[:4] for row in gone])
        return [row for row in gone if row[4] != "healthy"]

    def _end(self, keys: list[tuple[Any, ...]]) -> None:
        self.db.many(f"delete from schedule where {WHERE}", keys)
        self.db.many(f"update keeping set gone = ? where {WHERE}", ((self.now, *key) for key in keys))
        self.removed += len(keys)

    def bring_forward(self) -> None:
        """Make the rows of new slices, and adapt those of changed ones."""
        for key, digest, wanted in list(self._differing()):
            rows = {
                row[0]: row[1:]
                for row in self.db.rows(
                    "select region, interval_ms, phase_ms, due_at from schedule "
                    'where system = ? and "check" = ? and environment = ?',
                    key,
                )
            }
            self._end([(*key, region) for region in rows if region not in wanted.regions])
            for region in wanted.regions:
                if region in rows:
                    self._change(key, region, digest, wanted, rows[region])
                else:
                    self._add(key, region, digest, wanted)

    def _differing(self) -> Iterator[tuple[SliceKey, str, _Wanted]]:
        rows = self.db.rows(
            'select n.system, n."check", n.environment, n.digest, '
            '(select b.body from slice b where b.system = n.system and b."check" = n."check" and '
            "b.environment = n.environment and b.until is null) "
            f"from slice n {self.db.slices_by_index} where n.until is null and not exists (select 1 from schedule s "
            'where s.system = n.system and s."check" = n."check" and s.environment = n.environment '
            "and s.digest = n.digest)"
        )
        for system, check, environment, digest, body in rows:
            yield SliceKey(system, check, environment), digest, _wanted(body)

    def _add(self, key: SliceKey, region: str, digest: str, wanted: _Wanted) -> None:
        phase = spread(key, region, wanted.interval_ms)
        due = first_tick(self.now, key, region, wanted.interval_ms, phase)
        self.db.run(
            f"insert into schedule ({KEY}, digest, generation, interval_ms, phase_ms, due_at, lease, slot, worker, "
            "lease_until, lease_for, thresholds, recent, health, since, runs, pace) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, '', 0, 0, ?, '', 'healthy', ?, 0, '')",
            (*key, region, digest, self.generation, wanted.interval_ms, phase, due, wanted.thresholds, self.now),
        )
        self._keep(key, region, wanted)
        self.added += 1

    def _change(self, key: SliceKey, region: str, digest: str, wanted: _Wanted, row: tuple[Any, ...]) -> None:
        interval_ms, phase, due = row
        if interval_ms != wanted.interval_ms:
            phase = spread(key, region, wanted.interval_ms)
            due = tick_after(self.now, wanted.interval_ms, phase)
        self.db.run(
            "update schedule set digest = ?, generation = ?, interval_ms = ?, phase_ms = ?, due_at = ?, "
            f"thresholds = ? where {WHERE}",
            (digest, self.generation, wanted.interval_ms, phase, due, wanted.thresholds, *key, region),
        )
        self._keep(key, region, wanted)
        self.changed += 1

    def _keep(self, key: SliceKey, region: str, wanted: _Wanted) -> None:
        """What comes back within its retention goes on where it was."""
        self.db.run(
            f"insert into keeping ({KEY}, retention, condensed, pruned) values (?, ?, ?, ?, ?, ?, ?) "
            f"on conflict ({KEY}) do update set retention = excluded.retention, gone = null, "
            "condensed = min(condensed, excluded.condensed)",
            (*key, region, wanted.retention, self.condensed, self.now),
        )

    def tell(self, gone: list[tuple[Any, ...]]) -> None:
        """An environment or a system may be well again because what failed there is gone; the rest of it is asked."""
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
