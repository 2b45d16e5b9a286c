"""Regions that no live worker serves: their slices are degraded, as nobody knows how they are.

A worker says with each beat that it serves its regions, and once more when it leaves; so a row of ``region`` tells when
somebody last did, whoever that was. Silence counts only while somebody has looked the whole time: after a restart of
everything, or after a jump of the clock, each worker has its time to say that it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.health.rollup import worst
from reconciler.model.slice import SliceKey
from reconciler.store.database import Database
from reconciler.store.executing import RegionRow, Transition
from reconciler.store.progress import progress, set_progress
from reconciler.store.sql_health import SEEN_AGAIN, Judge

_LOCK = "observe"
_SHARE = 6
"""Of the time after which a region counts as lost: so long nobody looks again after somebody did."""
_ROW = 'place, system, "check", environment, region, health'


def serve(db: Database, regions: Sequence[str], now: float) -> None:
    """A live worker serves these, of which those count where there is something to do. Needs a transaction;
    ``regions`` in one order everywhere, as each row is locked."""
    db.many("update region set seen = ?, served = 1 where name = ?", [(now, region) for region in regions])


def expect(db: Database, regions: Iterable[str], now: float) -> None:
    """There is something to do in these. Needs a transaction."""
    sql = "insert into region (name, seen, served) values (?, ?, 0) on conflict (name) do nothing"
    db.many(sql, [(region, now) for region in sorted(regions)])


def expect_no_more(db: Database, regions: Iterable[str]) -> None:
    """There may be nothing left to do in these. Needs a transaction."""
    sql = "delete from region where name = ? and not exists (select 1 from schedule where region = ?)"
    db.many(sql, [(region, region) for region in sorted(regions)])


class Regions:
    """The part of :class:`reconciler.store.executing.Executing` about regions."""

    db: Database

    def regions(self) -> list[RegionRow]:
        """See the protocol."""
        rows = self.db.rows("select name, seen, served from region order by name")
        return [RegionRow(name, seen, bool(served)) for name, seen, served in rows]

    def observe(self, alive_seconds: float, *, limit: int = 1000) -> list[Transition]:
        """See the protocol."""
        if self._looked(self.db.clock(), alive_seconds):
            return []
        with self.db.transaction(locks=(_LOCK,)):
            now = self.db.clock()
            if self._looked(now, alive_seconds):  # another worker, while this one waited
                return []
            last = now - alive_seconds
            begun = self._begun(now, alive_seconds)
            lost = {r.name: r for r in self.regions() if r.seen < last} if begun <= last else {}
            marked = self._to_mark(list(lost), limit)
            back = self._to_unmark(last, now, limit - len(marked))
            judge = Judge(self.db, now, (row[1] for row in (*marked, *back)))
            self._mark(judge, marked, lost, now)
            self._unmark(judge, back, now)
            set_progress(self.db, "observing", round(begun * 1000))
            if len(marked) + len(back) < limit:
                set_progress(self.db, "observed", round(now * 1000))
            return judge.write()

    def _looked(self, now: float, alive_seconds: float) -> bool:
        """Whether somebody did just now."""
        return 0 <= now - progress(self.db, "observed") / 1000 < alive_seconds / _SHARE

    def _begun(self, now: float, alive_seconds: float) -> float:
        """Since when there was always somebody who looks."""
        gap = now - progress(self.db, "observed") / 1000
        return progress(self.db, "observing") / 1000 if 0 <= gap <= alive_seconds else now

    @property
    def _mine(self) -> str:
        """What is being finished just now is left to the next time."""
        return "for update skip locked" if self.db.dialect == "postgresql" else ""

    def _to_mark(self, regions: Sequence[str], limit: int) -> list[tuple[Any, ...]]:
        """What is paused isn't run anyway, and would stay marked."""
        if not regions:
            return []
        return self.db.rows(
            f"select {_ROW} from schedule where region in ({', '.join('?' * len(regions))}) and unseen is null "
            f"and paused = 0 order by place limit ? {self._mine}",
            (*regions, limit),
        )

    def _mark(self, judge: Judge, rows: Sequence[tuple[Any, ...]], lost: Mapping[str, RegionRow], now: float) -> None:
        for _, system, check, environment, region, health in rows:
            if health == "healthy":
                key = SliceKey(system, check, environment)
                judge.changed(key, region, health, "degraded", cause=lost[region].unserved, by=None)
        self.db.many(
            "update schedule set unseen = ?, unseen_was = health, health = ?, "
            "since = case when health = 'healthy' then ? else since end where place = ?",
            [(lost[row[4]].seen, worst((row[5], "degraded")), now, row[0]) for row in rows],
        )

    def _to_unmark(self, last: float, now: float, limit: int) -> list[tuple[Any, ...]]:
        """Slices of regions that are served again, which ran within their interval all the same."""
        return self.db.rows(
            f"select {_ROW}, unseen_was from schedule where unseen is not null and lease = 0 "
            "and last_at > ? - interval_ms / 1000.0 "
            "and region in (select name from region where served = 1 and seen >= ?) "
            f"order by place limit ? {self._mine}",
            (now, last, limit),
        )

    def _unmark(self, judge: Judge, rows: Sequence[tuple[Any, ...]], now: float) -> None:
        for _, system, check, environment, region, health, was in rows:
            if health != was:
                judge.changed(SliceKey(system, check, environment), region, health, was, cause=SEEN_AGAIN, by=None)
        self.db.many(
            "update schedule set health = unseen_was, unseen = null, unseen_was = null, "
            "since = case when health = unseen_was then since else ? end where place = ?",
            [(now, row[0]) for row in rows],
        )
