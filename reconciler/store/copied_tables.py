"""What a copy of a store takes along: tables, their columns, and rows in batches, with a digest that both sides reach.

A row counts by its columns' names and values, whichever database they come from; the digest of a table is a sum over
its rows, so that nobody has to sort them alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

from reconciler.base.canonical import dumps
from reconciler.store.database import MEMORY, Database
from reconciler.store.sqlite import SqliteDatabase

LEFT = ("schema_version", "worker", "fence")
"""Tables that aren't taken along: a copy has a version of its own; workers and holders of locks stay with the old."""
BATCH = 2000
_DIGITS = 32
_CURSOR = "copied_rows"

Row = tuple[Any, ...]


class Table(NamedTuple):
    """``columns`` in their order; ``identity`` is the one that counts up by itself."""

    name: str
    columns: tuple[str, ...]
    identity: str | None

    @property
    def listed(self) -> str:
        """The columns, for a statement."""
        return ", ".join(f'"{column}"' for column in self.columns)


class Sum:
    """The digest of the rows that it was given, in whatever order."""

    def __init__(self) -> None:
        self.rows, self._sum = 0, 0

    def add(self, rows: list[Row]) -> None:
        """Count them in."""
        self.rows += len(rows)
        for row in rows:
            self._sum += int.from_bytes(blake2b(dumps(list(row)), digest_size=_DIGITS // 2).digest())

    @property
    def digest(self) -> str:
        """32 hexadecimal digits."""
        return f"{(self._sum + self.rows) % 16**_DIGITS:0{_DIGITS}x}"


def tables() -> list[Table]:
    """Of the version that this release writes; both databases have the same."""
    db = SqliteDatabase(MEMORY)
    try:
        names = db.rows("select name, sql from sqlite_master where type = 'table' order by name")
        found = []
        for name, sql in names:
            if name in LEFT or name.startswith("sqlite_"):
                continue
            columns = db.rows("select name, lower(type), pk from pragma_table_info(?) order by cid", (name,))
            counted = [c for c, kind, key in columns if key and kind == "integer" and "without rowid" not in sql]
            found.append(Table(name, tuple(c for c, _, _ in columns), counted[0] if counted else None))
        return found
    finally:
        db.close()


def batches(db: Database, table: Table) -> Iterator[list[Row]]:
    """All rows, without having them all at once. Needs a transaction or a snapshot.

    PostgreSQL has no place for the character NUL in texts, which SQLite may have in what a server once answered; it is
    taken for the sign of what can't be shown.
    """
    sql = f"select {table.listed} from {table.name}"
    if db.dialect == "sqlite":
        cursor = iter(db.run(sql))
        while rows := list(islice(cursor, BATCH)):
            yield [_shown(row) for row in rows]
        return
    db.run(f"declare {_CURSOR} no scroll cursor for {sql}")
    while rows := db.run(f"fetch {BATCH} from {_CURSOR}").fetchall():
        yield rows
    db.run(f"close {_CURSOR}")


def _shown(row: Row) -> Row:
    if any(isinstance(value, str) and "\0" in value for value in row):
        return tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in row)
    return row


def counted(db: Database, table: Table) -> int:
    """How many rows it has."""
    return int(db.rows(f"select count(*) from {table.name}")[0][0])


def summed(db: Database, table: Table) -> Sum:
    """The digest of what is there."""
    total = Sum()
    with db.translated():
        for rows in batches(db, table):
            total.add(rows)
    return total
