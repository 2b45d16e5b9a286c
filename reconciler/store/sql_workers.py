"""Workers that have registered."""

from __future__ import annotations

from typing import Any

from reconciler.base.canonical import dumps, loads
from reconciler.store.database import Database
from reconciler.store.executing import WorkerRow

_SILENT_SECONDS = 86_400.0


class Workers:
    """The part of :class:`reconciler.store.executing.Executing` about workers."""

    db: Database

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

    def workers(self) -> list[WorkerRow]:
        """See the protocol."""
        sql = "select id, host, pid, started, seen, stopping, info from worker where seen >= ? order by started, id"
        rows = self.db.rows(sql, (self.db.clock() - _SILENT_SECONDS,))
        return [
            WorkerRow(name, host, pid, started, seen, bool(stopping), loads(info))
            for name, host, pid, started, seen, stopping, info in rows
        ]
