"""Who runs what when: claims, leases and ticks, on the ``schedule`` table.

A claim is one write transaction for a whole batch; where nothing is due, none is opened. None of this has to outlive a
power cut, after which there are no workers that claims could belong to; a run that is recorded takes its claim along.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from reconciler.model.slice import SliceKey
from reconciler.store.database import Database
from reconciler.store.executing import TRIES, Claim
from reconciler.store.grid import tick_after, tick_before
from reconciler.store.progress import progress, set_progress

KEY = 'system, "check", environment, region'
WHERE = 'system = ? and "check" = ? and environment = ? and region = ?'
CLAIMED = 'place, system, "check", environment, region, digest, interval_ms, slot, pace, lease, worker, tries'
"""Columns of a row that is being claimed."""
_HAIR_MS = 7
"""How far the grid moves after the clock stepped back: no slot is met twice, and nobody sees the difference."""


class Schedule:
    """The part of :class:`reconciler.store.executing.Executing` about the schedule."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def now(self) -> float:
        """See the protocol."""
        return self.db.clock()

    def claim(
        self, worker: str, limit: int, *, lease: float, regions: Sequence[str] = ("",), grace: float = 0.0
    ) -> list[Claim]:
        """See the protocol."""
        if limit < 1 or not self._anything(regions, grace):
            return []
        with self.db.transaction(lasting=False):
            now = self.db.clock()
            generation = progress(self.db, "generation")
            number = progress(self.db, "lease")
            until, claims, rows = now + lease, [], []
            ran_out, due = self._claimable(regions, now, grace, limit)
            mine, beyond = lost(ran_out, worker)
            self._put_aside(beyond, generation)
            for row in [*mine, *due][:limit]:
                number += 1
                at, system, check, environment, region, digest, interval_ms, slot, pace, held, _, tries, *grid = row
                if not held:
                    phase_ms, due_at = grid
                    was, slot = slot, max(due_at, tick_before(now, interval_ms, phase_ms))
                    tries = tries if slot == was else 0
                    due_at = tick_after(slot, interval_ms, phase_ms)
                else:
                    due_at = grid[1]
                key = SliceKey(system, check, environment)
                claims.append(Claim(key, region, digest, generation, interval_ms, slot, number, pace, bool(held)))
                rows.append((number, worker, until, lease, slot, due_at, tries, at))
            self.db.many(
                "update schedule set lease = ?, worker = ?, lease_until = ?, lease_for = ?, slot = ?, due_at = ?, "
                "tries = ? where place = ?",
                rows,
            )
            set_progress(self.db, "lease", number)
        return claims

    def _put_aside(self, rows: Sequence[tuple[Any, ...]], generation: int) -> None:
        """See :class:`reconciler.store.sql_poison.Poison`."""
        raise NotImplementedError

    def _anything(self, regions: Sequence[str], grace: float) -> bool:
        """Whether a claim would find something; asked without waiting for writers."""
        sql = (
            "select exists (select 1 from schedule where lease = 0 and paused = 0 and region = ? and due_at <= ?) or "
            "exists (select 1 from schedule where lease <> 0 and region = ? and lease_until <= ?)"
        )
        now = self.db.clock()
        return any(self.db.rows(sql, (region, now, region, now - grace))[0][0] for region in regions)

    def _claimable(
        self, regions: Sequence[str], now: float, grace: float, limit: int
    ) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Rows whose lease ran out, and those that are due; each with its phase and when it is due."""
        columns = f"{CLAIMED}, phase_ms, due_at"
        ran_out, due = [], []
        for region in regions:
            ran_out += self.db.rows(
                f"select {columns} from schedule where lease <> 0 and region = ? and lease_until <= ? "
                "order by lease_until limit ?",
                (region, now - grace, limit),
            )
            due += self.db.rows(
                f"select {columns} from schedule where lease = 0 and paused = 0 and region = ? and due_at <= ? "
                "order by due_at limit ?",
                (region, now, limit),
            )
        if len(regions) > 1:
            due.sort(key=lambda row: row[-1])
        return ran_out, due

    def next_due(self, *, regions: Sequence[str] = ("",)) -> float | None:
        """See the protocol."""
        sql = "select min(due_at) from schedule where lease = 0 and paused = 0 and region = ?"
        found = [self.db.rows(sql, (region,))[0][0] for region in regions]
        return min((due for due in found if due is not None), default=None)

    def overdue(self, *, regions: Sequence[str] = ("",)) -> int:
        """See the protocol."""
        sql = "select count(*) from schedule where lease = 0 and paused = 0 and region = ? and due_at <= ?"
        now = self.db.clock()
        return sum(self.db.rows(sql, (region, now))[0][0] for region in regions)

    def renew(self, claims: Collection[Claim], *, lease: float) -> set[int]:
        """See the protocol."""
        if not claims:
            return set()
        held = set()
        with self.db.transaction(lasting=False):
            until = self.db.clock() + lease
            for claim in claims:
                sql = f"update schedule set lease_until = ?, lease_for = ? where {WHERE} and lease = ?"
                if self.db.run(sql, (until, lease, *claim.key, claim.region, claim.lease)).rowcount:
                    held.add(claim.lease)
        return held

    def give_back(self, claims: Collection[Claim], *, again: bool) -> None:
        """See the protocol."""
        if not claims:
            return
        due = "slot" if again else "due_at"
        with self.db.transaction(lasting=False):
            self.db.many(
                f"update schedule set lease = 0, worker = '', due_at = {due} where {WHERE} and lease = ?",
                ((*claim.key, claim.region, claim.lease) for claim in claims),
            )

    def set_paces(self, paces: Collection[tuple[SliceKey, str, str]]) -> None:
        """See the protocol."""
        if not paces:
            return
        with self.db.transaction(lasting=False):
            self.db.many(
                f"update schedule set pace = ? where {WHERE}", ((pace, *key, region) for key, region, pace in paces)
            )

    def mend_clock(self) -> int:
        """See the protocol."""
        with self.db.transaction(lasting=False):
            return self._mend()

    def _mend(self) -> int:
        now = self.db.clock()
        rows = self.db.rows(
            "select place, interval_ms, phase_ms, due_at, lease_until, lease_for from schedule "
            "where due_at > ? + interval_ms / 1000.0 + 0.001 or lease <> 0 and lease_until > ? + lease_for "
            "order by place",
            (now, now),
        )
        self.db.many(
            "update schedule set phase_ms = ?, due_at = ?, lease_until = ? where place = ?", _mended(rows, now)
        )
        self.db.run("update schedule set since = ? where since > ?", (now, now))
        self.db.run("update worker set seen = ? where seen > ?", (now, now))
        self.db.run("update region set seen = ? where seen > ?", (now, now))
        return len(rows)


def lost(rows: Iterable[tuple[Any, ...]], worker: str) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Rows whose lease ran out, with one more worker lost over them; and those that took too many down. A worker that
    meets its own again wasn't lost."""
    mine: list[tuple[Any, ...]] = []
    beyond: list[tuple[Any, ...]] = []
    for row in rows:
        tries = row[11] + (row[10] not in ("", worker))
        (beyond if tries >= TRIES else mine).append((*row[:11], tries, *row[12:]))
    return mine, beyond


def _mended(rows: Iterable[tuple[Any, ...]], now: float) -> Iterable[tuple[Any, ...]]:
    for place, interval_ms, phase_ms, due_at, lease_until, lease_for in rows:
        until = min(lease_until, now + lease_for)
        if due_at > now + interval_ms / 1000.0 + 0.001:
            moved = (phase_ms + _HAIR_MS) % interval_ms
            yield moved, tick_after(now, interval_ms, moved), until, place
        else:
            yield phase_ms, due_at, until, place
