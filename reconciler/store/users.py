"""Who works with a store: asked before anything is done to it that they couldn't bear."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from reconciler.base.canonical import loads
from reconciler.base.errors import StoreInUse
from reconciler.store.database import Cursor
from reconciler.store.executing import WorkerRow
from reconciler.store.schema import DIALECTS, KNOWN

SILENT_SECONDS = 86_400.0
ALIVE_SECONDS = 60.0
TABLES = "tables"
"""Where a worker tells in its row up to which version it knows the tables."""


def read_workers(run: Callable[[str, tuple[Any, ...]], Cursor], now: float) -> list[WorkerRow]:
    """All that have registered and neither left nor were silent for a day; ``run`` executes a statement."""
    sql = "select id, host, pid, started, seen, stopping, info from worker where seen >= ? order by started, id"
    return [
        WorkerRow(name, host, pid, started, seen, bool(stopping), loads(info))
        for name, host, pid, started, seen, stopping, info in run(sql, (now - SILENT_SECONDS,)).fetchall()
    ]


def alive(workers: Iterable[WorkerRow], now: float) -> list[WorkerRow]:
    """Those that were seen in the last minute."""
    return [w for w in workers if now - w.seen <= ALIVE_SECONDS]


def told(worker: WorkerRow, now: float) -> str:
    """Enough to find it."""
    ago = max(0.0, now - worker.seen)
    version = worker.info.get("version") or "of an unknown version"
    return f"worker {worker.id} on {worker.host} (gitops {version}, seen {ago:.0f} seconds ago)"


def live_workers(db: sqlite3.Connection) -> tuple[list[WorkerRow], float]:
    """Workers that are alive, and the database's clock, whatever the version of the tables; none where none is told."""
    now = float(db.execute(f"select {DIALECTS['sqlite']['NOW']}").fetchone()[0])
    if db.execute("select 1 from sqlite_master where name = 'worker'").fetchone() is None:
        return [], now
    return alive(read_workers(db.execute, now), now), now


def refuse_live(db: sqlite3.Connection, path: str, what: str, *, hint: str) -> None:
    """Raise ``StoreInUse`` while any worker is alive; ``what`` would be done to the store."""
    _refuse(*live_workers(db), f"the store {path} can't be {what}", hint=hint)


def refuse_older(db: sqlite3.Connection, path: str, found: int) -> None:
    """Raise ``StoreInUse`` while workers are alive that couldn't read the tables once they are upgraded."""
    live, now = live_workers(db)
    older = [w for w in live if not _knows(w)]
    begin = f"the tables of {path} are at version {found}, and can't be upgraded to {KNOWN}"
    hint = "stop the older workers, then try again (gitops store upgrade makes a backup first)"
    _refuse(older, now, begin, hint=hint)


def _refuse(workers: list[WorkerRow], now: float, begin: str, *, hint: str) -> None:
    if workers:
        users = [told(w, now) for w in workers]
        more = f" and {len(users) - 1} more" if len(users) > 1 else ""
        raise StoreInUse(f"{begin} while {users[0]}{more} works with it", users=users, hint=hint)


def _knows(worker: WorkerRow) -> bool:
    tables = worker.info.get(TABLES)
    return isinstance(tables, int) and tables >= KNOWN
