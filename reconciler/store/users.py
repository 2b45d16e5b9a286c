"""Who works with a store: asked before anything is done to it that they couldn't bear."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

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


class Asked(Protocol):
    """A store of whatever version; every ``Database`` is one."""

    @property
    def dialect(self) -> str:
        """See ``Database``."""

    @property
    def path(self) -> str:
        """See ``Database``."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> Cursor:
        """See ``Database``."""


class OfFile(NamedTuple):
    """A plain connection to a file. Implements :class:`Asked`."""

    db: sqlite3.Connection
    path: str
    dialect: str = "sqlite"

    def run(self, sql: str, values: Sequence[Any] = ()) -> Cursor:
        """See the protocol."""
        return self.db.execute(sql, values)


_THERE = {
    "sqlite": "select 1 from sqlite_master where name = 'worker'",
    "postgresql": "select 1 where to_regclass('worker') is not null",
}


def live_workers(db: Asked) -> tuple[list[WorkerRow], float]:
    """Workers that are alive, and the database's clock, whatever the version of the tables; none where none is told."""
    now = float(db.run(f"select {DIALECTS[db.dialect]['NOW']}").fetchone()[0])
    if db.run(_THERE[db.dialect]).fetchone() is None:
        return [], now
    return alive(read_workers(db.run, now), now), now


def refuse_live(db: Asked, what: str, *, hint: str) -> None:
    """Raise ``StoreInUse`` while any worker is alive; ``what`` would be done to the store."""
    _refuse(*live_workers(db), f"the store {db.path} can't be {what}", hint=hint)


def refuse_older(db: Asked, found: int) -> None:
    """Raise ``StoreInUse`` while workers are alive that couldn't read the tables once they are upgraded."""
    live, now = live_workers(db)
    older = [w for w in live if not _knows(w)]
    begin = f"the tables of {db.path} are at version {found}, and can't be upgraded to {KNOWN}"
    backup = " (gitops store upgrade makes a backup first)" if db.dialect == "sqlite" else ""
    hint = f"stop the older workers, then try again{backup}"
    _refuse(older, now, begin, hint=hint)


def _refuse(workers: list[WorkerRow], now: float, begin: str, *, hint: str) -> None:
    if workers:
        users = [told(w, now) for w in workers]
        more = f" and {len(users) - 1} more" if len(users) > 1 else ""
        raise StoreInUse(f"{begin} while {users[0]}{more} works with it", users=users, hint=hint)


def _knows(worker: WorkerRow) -> bool:
    tables = worker.info.get(TABLES)
    return isinstance(tables, int) and tables >= KNOWN
