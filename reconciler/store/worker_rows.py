"""Who works, for whoever reads the store: without what executors load, as each plan asks."""

from __future__ import annotations

from reconciler.store.database import Database
from reconciler.store.executing import WorkerRow
from reconciler.store.users import read_workers


class WorkerRows:
    """The part of a reader about workers."""

    db: Database

    def workers(self) -> list[WorkerRow]:
        """See the port."""
        with self.db.translated():
            return read_workers(self.db.run, self.db.clock())

    def clock(self) -> float:
        """See the port."""
        return self.db.clock()
