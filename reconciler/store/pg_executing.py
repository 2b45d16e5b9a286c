"""The hands of executors on PostgreSQL, put together from their parts."""

from __future__ import annotations

from typing import Any

from reconciler.store.batches import insisting
from reconciler.store.database import Database
from reconciler.store.engine import Engine
from reconciler.store.executing import Reconciled
from reconciler.store.pg_keeping import PgKeeping
from reconciler.store.pg_reconcile import write
from reconciler.store.pg_runs import PgRuns
from reconciler.store.pg_schedule import PgSchedule
from reconciler.store.sql_executing import SqlExecuting
from reconciler.store.sql_reconcile import reconcile


class PgExecuting(PgRuns, PgSchedule, PgKeeping, SqlExecuting):
    """Implements :class:`reconciler.store.executing.Executing`, for one of many workers."""

    def __init__(self, db: Database, engine: Engine | None = None) -> None:
        super().__init__(db)
        if engine is None:
            from reconciler.store.pg_engine import PgQueuer

            engine = PgQueuer(db)
        self.engine = engine

    def register(self, worker: str, *, host: str, pid: int, info: dict[str, Any]) -> None:
        """See the protocol. Whoever comes sees to it that there are tables for its runs."""
        super().register(worker, host=host, pid=pid, info=info)
        self.keep_days()

    def reconcile(self) -> Reconciled | None:
        """See the protocol."""
        return insisting(lambda: reconcile(self.db, lambda difference: write(self.db, self.engine, difference)))
