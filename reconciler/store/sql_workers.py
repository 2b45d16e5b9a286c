"""Workers that have registered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.store.sql_regions import serve
from reconciler.store.users import SILENT_SECONDS
from reconciler.store.worker_rows import WorkerRows


class Workers(WorkerRows):
    """The part of :class:`reconciler.store.executing.Executing` about workers. A worker that was told to stop serves
    its regions until it has left: its runs in flight still come in."""

    _serves: Sequence[str] = ()

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
            self._serves = sorted(info.get("regions") or ())
            serve(self.db, self._serves, now)

    def beat(self, worker: str, *, stopping: bool = False) -> None:
        """See the protocol."""
        with self.db.transaction(lasting=False):
            now = self.db.clock()
            self.db.run("update worker set seen = ?, stopping = ? where id = ?", (now, int(stopping), worker))
            serve(self.db, self._serves, now)

    def leave(self, worker: str) -> None:
        """See the protocol."""
        with self.db.transaction(lasting=False):
            self.db.run("delete from worker where id = ?", (worker,))
            serve(self.db, self._serves, self.db.clock())
