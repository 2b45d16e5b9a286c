"""A database on PostgreSQL that a store is being copied to."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.base.errors import UNFINISHED, StoreError
from reconciler.store.copied_tables import Row, Table
from reconciler.store.postgres import PostgresDatabase
from reconciler.store.schema import KNOWN

_DAY = 86_400


class CopyDatabase(PostgresDatabase):
    """Opens what isn't finished, too."""

    unfinished = False

    def _prepare(self, *, create: bool, insist: bool) -> None:
        if self.version() != UNFINISHED:
            super()._prepare(create=create, insist=insist)
            return
        self.unfinished = True
        self.tables = int(self.rows("select max(n) from schema_version where n < ?", (UNFINISHED,))[0][0])
        if self.tables != KNOWN:
            raise StoreError(
                f"the copy in {self.path} was begun by another release (its tables are at version {self.tables}, this "
                f"one writes {KNOWN})",
                hint="drop its tables, then copy anew",
            )

    def sender(self, table: Table) -> Callable[[list[Row]], None]:
        """What sends rows, the quickest way there is. Needs a transaction. Days of runs get tables of their own."""
        sql = f"copy {table.name} ({table.listed}) from stdin"
        slot, days = table.columns.index("slot") if table.name == "run" else -1, set[int]()

        def send(rows: list[Row]) -> None:
            if slot >= 0:
                for day in sorted({int(row[slot] // _DAY) for row in rows} - days):
                    self.run("select run_days(?, ?)", (day, day))
                    days.add(day)
            with self._db.cursor() as cursor, cursor.copy(sql) as copy:
                for row in rows:
                    copy.write_row(row)

        return send
