"""Counters of the executors, a row each."""

from __future__ import annotations

from reconciler.store.database import Database


def progress(db: Database, what: str) -> int:
    """How far it is; 0 before anything was done."""
    rows = db.rows("select n from progress where what = ?", (what,))
    return int(rows[0][0]) if rows else 0


def set_progress(db: Database, what: str, n: int) -> None:
    """It is there now. Needs a transaction."""
    db.run("insert into progress values (?, ?) on conflict (what) do update set n = excluded.n", (what, n))
