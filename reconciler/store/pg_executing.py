"""The hands of executors on PostgreSQL, put together from their parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.store.batches import alone, insisting
from reconciler.store.engine import Engine
from reconciler.store.executing import Reconciled
from reconciler.store.pg_keeping import PgKeeping
from reconciler.store.pg_reconcile import write
from reconciler.store.pg_runs import PgRuns
from reconciler.store.pg_schedule import PgSchedule
from reconciler.store.postgres import PostgresDatabase
from reconciler.store.sql_executing import SqlExecuting
from reconciler.store.sql_reconcile import reconcile
from reconciler.store.sql_writer import GENERATION


class PgExecuting(PgRuns, PgSchedule, PgKeeping, SqlExecuting):
    """Implements :class:`reconciler.store.executing.Executing`, for one of many workers."""

    def __init__(self, db: PostgresDatabase, engine: Engine | None = None) -> None:
        super().__init__(db)
        self._server = db
        if engine is None:
            from reconciler.store.pg_engine import PgQueuer

            engine = PgQueuer(db)
        self.engine = engine

    def register(self, worker: str, *, host: str, pid: int, info: dict[str, Any]) -> None:
        """See the protocol. Whoever comes sees to it that there are tables for its runs."""
        super().register(worker, host=host, pid=pid, info=info)
        self.keep_days()

    def reconcile(self) -> Reconciled | None:
        """See the protocol. Of many workers that hear of a generation, one finds out what differs."""
        newest = "select coalesce((select max(n) from generation), 0)"
        if self.db.rows(f"{newest} - coalesce((select n from progress where what = 'generation'), 0)")[0][0] == 0:
            return None
        with alone(self.db, "reconciling") as one:
            return insisting(self._reconcile) if one else None

    def _reconcile(self) -> Reconciled | None:
        return reconcile(self.db, lambda difference: write(self.db, self.engine, difference))

    def listen(self) -> int | None:
        """See the protocol."""
        return self._server.listen(GENERATION)

    def heard(self) -> bool:
        """See the protocol."""
        return GENERATION in self._server.heard()

    def queued(self, *, regions: Sequence[str] = ("",)) -> int:
        """See :class:`reconciler.store.sql_vitals.VitalSigns`."""
        return self.engine.depth(regions)
