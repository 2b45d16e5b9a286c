"""What is too old on PostgreSQL: days of runs that go as a whole, and the rest in batches of slices.

Raw runs of slices that keep them longest go with the table of their day, once that long is over for all of it and all
of it is condensed: up to a day later than asked for. Slices that keep less lose theirs row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from reconciler.base.canonical import loads
from reconciler.store.batches import insisting, unnest
from reconciler.store.database import Database
from reconciler.store.engine import Engine
from reconciler.store.progress import progress, set_progress
from reconciler.store.pruning import DAY, HOUR, RETENTION_MS, prune_transitions
from reconciler.store.sql_schedule import KEY

_EACH_SECONDS = 3600.0
_AT_A_TIME = 200
"""Slices looked at in one transaction."""
_BATCHES = 3
"""Such transactions in one pass: whoever prunes has other things to do."""
_AHEAD = 2
"""Days whose tables are there before anything is due on them."""
_KEY_TYPES = ("bigint", "bigint", "bigint", "text")
_OF_SLICE = " and ".join(f"t.{column} = k.{column}" for column in KEY.split(", "))
_FOUND = " and ".join(f"t.{column} = found.{column}" for column in KEY.split(", "))
_RUNS = f"""
delete from run t using (
  select k.*, old.slot from {{ROWS}} as k ({KEY}, before) cross join lateral (
    select slot from run t where {_OF_SLICE} and slot < k.before and late <> 1 order by slot limit ?) as old
  limit ?) as found
where {_FOUND} and t.slot = found.slot
"""
_AGGREGATES = f"""
delete from aggregate t using (
  select k.*, old.start from {{ROWS}} as k ({KEY}, span, before) cross join lateral (
    select start from aggregate t where {_OF_SLICE} and span = k.span and start < k.before
    order by start limit ?) as old
  limit ?) as found
where {_FOUND} and t.span = found.span and t.start = found.start
"""
_NOTHING_LEFT = f"""
delete from keeping t using {{ROWS}} as k ({KEY}) where {_OF_SLICE} and gone is not null
and not exists (select 1 from run t where {_OF_SLICE}) and not exists (select 1 from aggregate t where {_OF_SLICE})
"""


def keep_days(db: Database) -> int:
    """Make the tables of the days to come, and of yesterday; returns how many there were to make."""
    today = int(db.clock() // DAY)
    if progress(db, "days") >= today + _AHEAD:
        return 0
    with db.transaction(locks=("days",)):
        made = db.rows("select run_days(?, ?)", (today - 1, today + _AHEAD))[0][0]
        set_progress(db, "days", max(today + _AHEAD, progress(db, "days")))
    return int(made)


class Pruner:
    """For one pass. Nobody else prunes meanwhile."""

    def __init__(self, db: Database, engine: Engine) -> None:
        self._db, self._engine = db, engine

    def prune(self, limit: int) -> int:
        """About ``limit`` rows at most; fewer say that all is done."""
        deleted = self._days(limit)
        self._engine.prune()
        for _ in range(_BATCHES):
            if deleted >= limit:
                return deleted
            some, more = insisting(partial(self._some, limit - deleted))
            deleted += some
            if not more:
                with self._db.transaction(lasting=False):
                    return deleted + prune_transitions(self._db, self._db.clock(), limit - deleted)
        return max(deleted, 1)  # there are others to look at

    def _days(self, limit: int) -> int:
        """Once an hour: the tables of days, those to come and those that are over."""
        now = self._db.clock()
        keep_days(self._db)
        if 0 <= now - progress(self._db, "dropped") < _EACH_SECONDS:
            return 0
        before = min(now - self._longest(), *self._unfinished(), now) // DAY
        with self._db.transaction(lasting=False, locks=("days",)):
            gone = int(self._db.rows("select run_dropped(?)", (int(before),))[0][0])
            # What is left before that day lies with the odd ones.
            odd = "select id from run where slot < ? and late <> 1 order by slot limit ?"
            deleted = self._db.run(
                f"delete from run where slot < ? and late <> 1 and id in ({odd})", (before * DAY, before * DAY, limit)
            ).rowcount
            if deleted < limit:
                set_progress(self._db, "dropped", int(now))
        return min(limit, gone + int(deleted))

    def _longest(self) -> float:
        """Seconds for which any slice keeps its raw runs."""
        said = [loads(row[0]) for row in self._db.rows("select distinct retention from keeping")]
        return float(max((RETENTION_MS | each)["raw"] for each in (*said, {}))) / 1000.0

    def _unfinished(self) -> list[float]:
        """Until when everything is condensed, late runs and all."""
        rows = self._db.rows("select (select min(condensed) from keeping), (select min(slot) from run where late = 1)")
        return [float(at) for at in rows[0] if at is not None]

    def _some(self, limit: int) -> tuple[int, bool]:
        """What is too old of some slices: how many rows, and whether there are more slices to look at."""
        with self._db.transaction(lasting=False):
            now = self._db.clock()
            rows = self._db.rows(
                f"select {KEY}, retention, condensed from keeping where pruned < ? order by pruned limit ?",
                (now - _EACH_SECONDS, _AT_A_TIME),
            )
            if not rows:
                return 0, False
            runs, aggregates = _old(rows, now, self._longest())
            deleted = self._delete(_RUNS, ("float8",), runs, limit)
            if deleted < limit:
                deleted += self._delete(_AGGREGATES, ("text", "float8"), aggregates, limit - deleted)
            if deleted < limit:
                self._looked(rows, now)
        return deleted, len(rows) == _AT_A_TIME

    def _delete(self, sql: str, more: tuple[str, ...], rows: Sequence[tuple[Any, ...]], limit: int) -> int:
        if not rows:
            return 0
        listed, values = unnest((*_KEY_TYPES, *more), rows)
        return int(self._db.run(sql.replace("{ROWS}", listed), (*values, limit, limit)).rowcount)

    def _looked(self, rows: Sequence[tuple[Any, ...]], now: float) -> None:
        listed, values = unnest(_KEY_TYPES, [row[:4] for row in rows])
        self._db.run(_NOTHING_LEFT.replace("{ROWS}", listed), values)
        self._db.run(f"update keeping t set pruned = ? from {listed} as k ({KEY}) where {_OF_SLICE}", (now, *values))


def _old(
    rows: Sequence[tuple[Any, ...]], now: float, longest: float
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Of each slice, before when its runs and aggregates are too old."""
    runs, aggregates = [], []
    for row in rows:
        place, condensed = row[:4], row[5]
        kept = {name: ms / 1000.0 for name, ms in (RETENTION_MS | loads(row[4])).items()}
        if kept["raw"] < longest:
            runs.append((*place, min((now - kept["raw"]) // HOUR * HOUR, condensed)))
        aggregates.append((*place, "hour", min((now - kept["hourly"]) // HOUR * HOUR, condensed // DAY * DAY)))
        aggregates.append((*place, "day", (now - kept["daily"]) // DAY * DAY))
    return runs, aggregates
