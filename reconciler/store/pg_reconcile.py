"""Writing a difference between the schedule and the current slices on PostgreSQL: thousands of rows in a statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.model.slice import SliceKey
from reconciler.store.batches import unnest
from reconciler.store.database import Database
from reconciler.store.engine import Engine
from reconciler.store.grid import place
from reconciler.store.sql_reconcile import ADDED, BACK, KEPT, Difference
from reconciler.store.sql_schedule import KEY

_AT_A_TIME = 5000
_KEY = ("bigint", "bigint", "bigint", "text")
_SAME_KEY = " and ".join(f"t.{column} = n.{column}" for column in KEY.split(", "))
_NEW = ", ".join(ADDED.split(", ")[:12])
_NEW_TYPES = ("bigint", *_KEY, "text", "bigint", "text", "bigint", "bigint", "float8", "float8")


def write(db: Database, engine: Engine, difference: Difference) -> None:
    """Bring the schedule there. Needs a transaction. Rows are locked in their order before anything is done to them."""
    removed = sorted((place(SliceKey(*row[:3]), row[3]), *row) for row in difference.removed)
    touched = sorted([row[0] for row in removed] + [row[-1] for row in difference.changed])
    db.run("select 1 from schedule where place = any(?::bigint[]) order by place for update", (touched,))
    difference.failing = _remove(db, engine, removed, difference.now)
    for sql, values in _batches(("text", "bigint", "text", "bigint"), difference.changed):
        db.run(
            "update schedule t set digest = n.digest, generation = n.generation, thresholds = n.thresholds "
            f"from {sql} as n (digest, generation, thresholds, place) where t.place = n.place",
            values,
        )
    for sql, values in _batches(("bigint", "bigint", "float8", "bigint"), difference.moved):
        db.run(
            "update schedule t set interval_ms = n.interval_ms, phase_ms = n.phase_ms, due_at = n.due_at "
            f"from {sql} as n (interval_ms, phase_ms, due_at, place) where t.place = n.place",
            values,
        )
    _add(db, difference)
    there = {row[-1] for row in difference.changed}
    kept = [row for row in difference.retentions if place(SliceKey(*row[1:4]), row[4]) in there]
    for sql, values in _batches(("text", *_KEY), kept):
        db.run(
            f"update keeping t set retention = n.retention from {sql} as n (retention, {KEY}) "
            f"where {_SAME_KEY} and t.retention <> n.retention",
            values,
        )


def _remove(db: Database, engine: Engine, rows: Sequence[tuple[Any, ...]], now: float) -> list[tuple[Any, ...]]:
    """Returns key, region and health of those that weren't healthy."""
    places = [row[0] for row in rows]
    gone = db.rows(f"delete from schedule where place = any(?::bigint[]) returning {KEY}, health", (places,))
    engine.drop(places)
    for sql, values in _batches(_KEY, [row[1:] for row in rows]):
        db.run(f"update keeping t set gone = ? from {sql} as n ({KEY}) where {_SAME_KEY}", (now, *values))
    return [row for row in gone if row[4] != "healthy"]


def _add(db: Database, difference: Difference) -> None:
    rows = sorted(difference.added)
    for sql, values in _batches(_NEW_TYPES, rows):
        db.run(
            f"insert into schedule ({ADDED}) select n.*, 0, 0, '', 0, 0, '', 'healthy', 0, '' from {sql} as n ({_NEW})",
            values,
        )
    retention = {row[1:]: row[0] for row in difference.retentions}
    for sql, values in _batches((*_KEY, "text"), [(*row[1:5], retention[row[1:5]]) for row in rows]):
        db.run(
            f"insert into keeping ({KEPT}) select n.*, coalesce((select c.n from progress c "
            f"where c.what = 'condensed'), 0), ? from {sql} as n ({KEY}, retention) "
            f"{BACK}, retention = excluded.retention",
            (difference.now, *values),
        )


def _batches(types: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, list[list[Any]]]]:
    for start in range(0, len(rows), _AT_A_TIME):
        yield unnest(types, rows[start : start + _AT_A_TIME])
