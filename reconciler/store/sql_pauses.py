"""What an operator does to single slices of the schedule, and what is set aside as its runs took their workers down.

A row of the schedule that is paused is never due; whoever runs it already may finish. ``pause`` says who did it and
why. None of this is an apply, so none of it is drift.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from reconciler.model.slice import SliceKey
from reconciler.store.database import Database
from reconciler.store.executing import PauseRow
from reconciler.store.grid import place
from reconciler.store.sql_schedule import KEY

RUNS, PAUSED, SET_ASIDE = 0, 1, 2
"""``schedule.paused``."""
OURSELVES = "gitops"
"""Who sets slices aside."""

_UPSERT = (
    "insert into pause (place, at, until, actor, reason) values (?, ?, ?, ?, ?) on conflict (place) do update set "
    "at = excluded.at, until = excluded.until, actor = excluded.actor, reason = excluded.reason"
)


class Pauses:
    """The part of :class:`reconciler.store.executing.Executing` about single slices."""

    db: Database

    def pause(
        self,
        keys: Collection[tuple[SliceKey, str]],
        *,
        actor: str,
        reason: str,
        until: float | None = None,
    ) -> int:
        """See the protocol."""
        if not keys:
            return 0
        with self.db.transaction():
            now = self.db.clock()
            found = _there(self.db, _places(keys))
            self.db.many("update schedule set paused = ? where place = ?", ((PAUSED, at) for at in found))
            self.db.many(_UPSERT, ((at, now, until, actor, reason) for at in found))
        return len(found)

    def resume(self, keys: Collection[tuple[SliceKey, str]]) -> int:
        """See the protocol."""
        if not keys:
            return 0
        with self.db.transaction():
            return _resume(self.db, _there(self.db, _places(keys), "paused <> 0"))

    def resume_expired(self) -> int:
        """See the protocol."""
        over = "select place from pause where until is not null and until <= ? order by place"
        if not self.db.rows(f"{over} limit 1", (self.db.clock(),)):
            return 0
        with self.db.transaction():
            return _resume(self.db, [row[0] for row in self.db.rows(over, (self.db.clock(),))])

    def paused(self) -> list[PauseRow]:
        """See the protocol."""
        kinds = {PAUSED: "paused", SET_ASIDE: "set aside"}
        rows = self.db.rows(
            f"select {KEY}, p.at, p.until, p.actor, p.reason, s.paused from pause p join schedule s "
            "on s.place = p.place where s.paused <> 0 order by p.at, p.place"
        )
        return [
            PauseRow(SliceKey(s, c, e), region, at, until, actor, reason, kinds[paused])
            for s, c, e, region, at, until, actor, reason, paused in rows
        ]

    def run_now(self, keys: Collection[tuple[SliceKey, str]]) -> int:
        """See the protocol."""
        if not keys:
            return 0
        with self.db.transaction():
            now = round(self.db.clock(), 3)
            found = _there(self.db, _places(keys), "paused = 0")
            self.db.many(
                "update schedule set due_at = ? where place = ? and due_at > ?", ((now, p, now) for p in found)
            )
        return len(found)


def set_aside(db: Database, rows: Iterable[tuple[int, str]], *, now: float) -> None:
    """Take (place, reason) out of the schedule, until somebody resumes them or they change. Needs a transaction."""
    listed = sorted(rows)
    db.many(
        "update schedule set paused = ?, lease = 0, worker = '' where place = ?", ((SET_ASIDE, at) for at, _ in listed)
    )
    db.many(_UPSERT, ((at, now, None, OURSELVES, reason) for at, reason in listed))


def changed(db: Database, places: Collection[int]) -> None:
    """These have another configuration now, with which their runs may go well. Needs a transaction."""
    aside = {row[0] for row in db.rows("select place from pause where actor = ?", (OURSELVES,))}
    _resume(db, _there(db, aside.intersection(places), f"paused = {SET_ASIDE}"))


def forget(db: Database) -> None:
    """Pauses of rows that aren't in the schedule any more. Needs a transaction."""
    db.run("delete from pause where not exists (select 1 from schedule s where s.place = pause.place)")


def _places(keys: Iterable[tuple[SliceKey, str]]) -> set[int]:
    return {place(key, region) for key, region in keys}


def _there(db: Database, places: Iterable[int], which: str = "1 = 1") -> list[int]:
    """Those that are in the schedule, locked in their order, which is the same for everybody."""
    if db.dialect == "postgresql":
        sql = f"select place from schedule where place = any(?::bigint[]) and {which} order by place for no key update"
        return [row[0] for row in db.rows(sql, (sorted(places),))]
    sql = f"select place from schedule where place = ? and {which}"
    return [row[0] for at in sorted(places) for row in db.rows(sql, (at,))]


def _resume(db: Database, places: Collection[int]) -> int:
    resumed: list[tuple[Any, ...]] = [(at,) for at in places]
    if resumed:
        db.many("update schedule set paused = 0, tries = 0 where place = ?", resumed)
        db.many("delete from pause where place = ?", resumed)
    return len(resumed)
