"""Workers that have registered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.base.canonical import dumps, loads
from reconciler.store.database import Database
from reconciler.store.executing import WorkerRow

_SILENT_SECONDS = 86_400.0
ALIVE_SECONDS = 60.0


class WorkerRows:
    """Who works, for whoever reads the store."""

    db: Database

    def workers(self) -> list[WorkerRow]:
        """See the port."""
        return read_workers(self.db)

    def clock(self) -> float:
        """See the port."""
        return self.db.clock()


def read_workers(db: Database) -> list[WorkerRow]:
    """All that have registered and neither left nor were silent for a day."""
    sql = "select id, host, pid, started, seen, stopping, info from worker where seen >= ? order by started, id"
    return [
        WorkerRow(name, host, pid, started, seen, bool(stopping), loads(info))
        for name, host, pid, started, seen, stopping, info in db.rows(sql, (db.clock() - _SILENT_SECONDS,))
    ]


def alive(workers: Iterable[WorkerRow], now: float) -> list[WorkerRow]:
    """Those that were seen in the last minute, and go on: one that stops takes nothing any more."""
    return [w for w in workers if not w.stopping and now - w.seen <= ALIVE_SECONDS]


def told(worker: WorkerRow, now: float) -> str:
    """Enough to find it."""
    ago = max(0.0, now - worker.seen)
    version = worker.info.get("version") or "of an unknown version"
    return f"worker {worker.id} on {worker.host} (gitops {version}, seen {ago:.0f} seconds ago)"


class Workers(WorkerRows):
    """The part of :class:`reconciler.store.executing.Executing` about workers."""

    def register(self, worker: str, *, host: str, pid: int, info: dict[str, Any]) -> None:
        """See the protocol. Those that were silent for a day are forgotten here."""
        with self.db.transaction(lasting=False):
            now = self.db.clock()
            self.db.run("delete from worker where seen < ?", (now - _SILENT_SECONDS,))
            self.db.run(
                "insert into worker (id, host, pid, started, seen, stopping, info) values (?, ?, ?, ?, ?, 0, ?) "
                "on conflict (id) do update set host = excluded.host, pid = excluded.pid, seen = excluded.seen, "
                "stopping = 0, info = excluded.info",
                (worker, host, pid, now, now, dumps(info).decode()),
            )

    def beat(self, worker: str, *, stopping: bool = False) -> None:
        """See the protocol."""
        with self.db.transaction(lasting=False):
            sql = "update worker set seen = ?, stopping = ? where id = ?"
            self.db.run(sql, (self.db.clock(), int(stopping), worker))

    def leave(self, worker: str) -> None:
        """See the protocol."""
        with self.db.transaction(lasting=False):
            self.db.run("delete from worker where id = ?", (worker,))
