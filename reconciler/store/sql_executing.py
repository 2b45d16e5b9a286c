"""The hands of executors on SQLite, put together from their parts."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.base.errors import StoreError
from reconciler.model.slice import SliceKey
from reconciler.store.database import Database
from reconciler.store.executing import Reconciled
from reconciler.store.sql_health import Healths
from reconciler.store.sql_keeping import Keeping
from reconciler.store.sql_pauses import Pauses
from reconciler.store.sql_poison import Poison
from reconciler.store.sql_reader import SqlReader
from reconciler.store.sql_reconcile import reconcile
from reconciler.store.sql_regions import Regions
from reconciler.store.sql_runs import Runs
from reconciler.store.sql_schedule import Schedule
from reconciler.store.sql_vitals import VitalSigns
from reconciler.store.sql_workers import Workers

_LOG_PAGES = 8000


class SqlExecuting(Runs, Poison, Pauses, Schedule, Healths, Regions, Keeping, Workers, VitalSigns):
    """Implements :class:`reconciler.store.executing.Executing`."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self._reader = SqlReader(db)
        # Each run changes pages all over the file. A longer log lets more of these changes meet before they are moved.
        if db.dialect == "sqlite":
            db.rows(f"pragma wal_autocheckpoint={_LOG_PAGES}")

    def reconcile(self) -> Reconciled | None:
        """See the protocol."""
        return reconcile(self.db)

    def generation(self) -> int:
        """See the protocol. Asked again and again by whoever works for long, who is told here of a replaced file."""
        if self.db.replaced():
            raise StoreError(f"the store {self.db.path} isn't the file any more that was opened", hint="open it again")
        return self._reader.generation()

    def listen(self) -> int | None:
        """See the protocol."""
        return None

    def heard(self) -> bool:
        """See the protocol."""
        return False

    def bodies(self, keys: Collection[SliceKey]) -> dict[SliceKey, tuple[str, bytes]]:
        """See the protocol."""
        return {key: (found.digest, found.body) for key, found in self._reader.slices(keys).items()}

    def close(self) -> None:
        """See the protocol."""
        with self.db.translated():
            self.db.close()
