"""Workers that have registered."""

from __future__ import annotations

from typing import Any

from reconciler.base.canonical import dumps
from reconciler.store.database import Database
from reconciler.store.executing import WorkerRow
from reconciler.store.users import SILENT_SECONDS, read_workers


class WorkerRows:
    """Who works, for whoever reads the store."""

    db: Database

    def workers(self) -> list[WorkerRow]:
        """See the port."""
        with self.db.translated():
            return read_workers(self.db.run, self.db.clock())

    def clock(self) -> float:
        """See the port."""
        return self.db.clock()


class Workers(WorkerRows):
    """The part of :class:`reconciler.store.executing.Executing` about workers."""

    def register(self, worker: str, *, host: str, pid: int, info: dict[str, Any]) -> None:
        """See the protocol. Those that were silent for a day are forgotten here."""
        with self.db.transaction(lasting=False):
            now = self.db.clock()
            self.db.run("delete from worker where seen < ?", (now - SILENT_SECONDS,))
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
