"""The end of runs and aggregates that are older than their slice keeps them.

Each slice is looked at once an hour, so that a pass costs what there is to delete and a few look-ups. What isn't
condensed stays, however old; so do the rows of slices that are gone, until their retention is over like any other's.
"""

from __future__ import annotations

from typing import Any

from reconciler.base.canonical import loads
from reconciler.store.database import Database
from reconciler.store.sql_schedule import KEY, WHERE

RETENTION_MS = {"raw": 7 * 86_400_000, "hourly": 30 * 86_400_000, "daily": 365 * 86_400_000}
"""What an assignment that says nothing keeps."""

HOUR, DAY = 3600, 86_400
_EACH_SECONDS = 3600.0
_AT_A_TIME = 200
"""Slices looked at in one transaction."""


def prune(db: Database, limit: int) -> int:
    """See :meth:`reconciler.store.executing.Executing.prune`."""
    deleted = 0
    while deleted < limit:
        with db.transaction(lasting=False):
            now = db.clock()
            rows = db.rows(
                f"select {KEY}, retention, condensed, gone from keeping where pruned < ? order by pruned limit ?",
                (now - _EACH_SECONDS, _AT_A_TIME),
            )
            for row in rows:
                deleted += _slice(db, row, now, limit - deleted)
                if deleted >= limit:
                    break
            if len(rows) < _AT_A_TIME:
                return deleted + (prune_transitions(db, now, limit - deleted) if deleted < limit else 0)
    return deleted


def _slice(db: Database, row: tuple[Any, ...], now: float, limit: int) -> int:
    place, condensed, gone = row[:4], row[5], row[6]
    kept = RETENTION_MS | loads(row[4])
    raw, hourly, daily = (now - kept[name] / 1000.0 for name in ("raw", "hourly", "daily"))
    # The newest run of all stays, whosever it is, so that positions are never given out twice.
    sql = (
        f"delete from run where id in (select id from run where {WHERE} and slot < ? and late <> 1 "
        "and id <> (select max(id) from run) order by slot limit ?)"
    )
    deleted = db.run(sql, (*place, min(raw // HOUR * HOUR, condensed), limit)).rowcount
    for span, before in (
        ("hour", min(hourly // HOUR * HOUR, condensed // DAY * DAY)),
        ("day", daily // DAY * DAY),
    ):
        if deleted < limit:
            which = f"select start from aggregate where {WHERE} and span = ? and start < ? order by start limit ?"
            sql = f"delete from aggregate where {WHERE} and span = ? and start in ({which})"
            deleted += db.run(sql, (*place, span, *place, span, before, limit - deleted)).rowcount
    if deleted >= limit:
        return deleted  # there may be more
    if gone is not None and not _anything(db, place):
        db.run(f"delete from keeping where {WHERE}", place)
    else:
        db.run(f"update keeping set pruned = ? where {WHERE}", (now, *place))
    return deleted


def _anything(db: Database, place: tuple[Any, ...]) -> bool:
    sql = f"select exists (select 1 from run where {WHERE}) or exists (select 1 from aggregate where {WHERE})"
    return bool(db.rows(sql, (*place, *place))[0][0])


def prune_transitions(db: Database, now: float, limit: int) -> int:
    """Of those a year is kept, and the newest."""
    sql = (
        "delete from transition where id in (select id from transition where id < (select max(id) from transition) "
        "order by id limit ?) and at < ?"
    )
    return db.run(sql, (limit, now - RETENTION_MS["daily"] / 1000.0)).rowcount
