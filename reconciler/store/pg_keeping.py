"""Housekeeping on PostgreSQL: one worker does it at a time."""

from __future__ import annotations

from reconciler.store.batches import alone, insisting
from reconciler.store.engine import Engine
from reconciler.store.pg_pruning import Pruner, keep_days
from reconciler.store.pg_runs import CONDENSING
from reconciler.store.progress import progress, set_progress
from reconciler.store.sql_keeping import Keeping


class PgKeeping(Keeping):
    """The part of :class:`reconciler.store.executing.Executing` about aggregates and what is old."""

    engine: Engine

    def condense(self, *, limit: int = 500) -> int:
        """See the protocol. While another worker does it, there is nothing to do."""
        with alone(self.db, "keeping") as one:
            return insisting(lambda: super(PgKeeping, self).condense(limit=limit)) if one else 0

    def prune(self, *, limit: int = 5000) -> int:
        """See the protocol. While another worker does it, there is nothing to do."""
        with alone(self.db, "keeping") as one:
            return Pruner(self.db, self.engine).prune(limit) if one else 0

    def keep_days(self) -> int:
        """Make the tables of the days to come, and of yesterday; returns how many there were to make."""
        return keep_days(self.db)

    def _settle(self) -> int:
        if self._over() > progress(self.db, "condensed"):
            # Whoever is just recording runs has seen the old mark; they have to be in sight before anybody counts.
            with self.db.transaction(lasting=False, locks=(CONDENSING,)):
                set_progress(self.db, "condensed", self._over())
        return progress(self.db, "condensed")
