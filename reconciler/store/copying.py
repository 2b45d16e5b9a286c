"""A store copied whole, from SQLite to PostgreSQL or back or to its like, while others write to what is copied.

The copy shows one moment. A file takes its name when all of it is there and was read back; a database is marked until
then, so that everybody refuses to open it, and a copy that was killed is gone on with: tables that are there already
and are still the same aren't sent again.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import NamedTuple, Protocol

from reconciler.base.canonical import digest
from reconciler.base.errors import StoreError, StoreTooNew
from reconciler.store.address import is_postgres
from reconciler.store.copied_tables import Sum, Table, batches, counted, summed, tables
from reconciler.store.copying_targets import Target, file_target, server_target
from reconciler.store.database import MEMORY, Database
from reconciler.store.open import open_to_read, store_path
from reconciler.store.schema import KNOWN
from reconciler.store.users import refuse_live


class Progress(Protocol):
    """Is told of each table with its rows, and of each batch of them."""

    def stage(self, name: str, total: int) -> None:
        """A table begins."""

    def advance(self, steps: int = 1) -> None:
        """So many rows are done."""


class _Silent:
    def stage(self, name: str, total: int) -> None: ...

    def advance(self, steps: int = 1) -> None: ...


class CopiedTable(NamedTuple):
    """What was found the same on both sides."""

    name: str
    rows: int
    digest: str


class Copied(NamedTuple):
    """What was copied. ``digest`` is over all tables."""

    source: str
    target: str
    generation: int
    tables: tuple[CopiedTable, ...]
    seconds: float

    @property
    def digest(self) -> str:
        """32 hexadecimal digits."""
        return digest(*(f"{t.name} {t.rows} {t.digest}".encode() for t in self.tables))

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(t.rows for t in self.tables)


def copy_store(source: str, target: str, *, force: bool = False, progress: Progress | None = None) -> Copied:
    """Copy one address to the other. ``force``: although workers write to ``source``, which the copy won't see.

    Raises ``StoreError``; then ``target`` is no store, or as it was.
    """
    started = time.monotonic()
    shown = store_path(source), store_path(target)
    if source == target:
        raise StoreError(f"{shown[0]} is the store itself", hint="name two stores")
    if MEMORY in shown:
        raise StoreError("a store in memory can't be copied", hint="name files or databases")
    _refuse_other_tables(source)
    with ExitStack() as stack:
        read = open_to_read(source).db
        stack.callback(read.close)
        if not force:
            refuse_live(read, "copied", hint="stop them first; with --force what they do from now on isn't in the copy")
        opening = server_target(target) if is_postgres(target) else file_target(shown[1], like=source)
        written = stack.enter_context(opening)
        with read.snapshot():
            done = tuple(_copied(read, written, table, progress or _Silent()) for table in tables())
            generation = int(read.rows("select coalesce(max(n), 0) from generation")[0][0])
        written.finish()
    return Copied(*shown, generation, done, time.monotonic() - started)


def _refuse_other_tables(address: str) -> None:
    """Looked at before it is opened, which would upgrade it."""
    path = store_path(address)
    version = _version(address)
    if version > KNOWN:
        raise StoreTooNew(path, version, KNOWN)
    if version == 0:
        raise StoreError(f"{path} holds no store", hint="check the address; gitops apply makes a store")
    if version < KNOWN:
        raise StoreError(
            f"the tables of {path} are at version {version}, and only those of version {KNOWN} can be copied",
            hint="run gitops store upgrade with that store first",
        )


def _version(address: str) -> int:
    if is_postgres(address):
        from reconciler.store.pg_look import looked_at

        with looked_at(address) as look:
            return look.version()
    from reconciler.store.file import opened, ours

    with opened(store_path(address)) as db:
        return ours(db, store_path(address))


def _copied(read: Database, written: Target, table: Table, progress: Progress) -> CopiedTable:
    total = counted(read, table)
    progress.stage(table.name, total)
    if written.holds(table):  # from before it was killed
        there, here = written.sum(table), summed(read, table)
        if (there.rows, there.digest) == (here.rows, here.digest):
            progress.advance(total)
            return CopiedTable(table.name, here.rows, here.digest)
    here = _sent(read, written, table, progress)
    there = written.sum(table)
    if (there.rows, there.digest) != (here.rows, here.digest):
        raise StoreError(
            f"the table {table.name} of {written.path} isn't what was sent: {there.rows:,} rows with digest "
            f"{there.digest} instead of {here.rows:,} with {here.digest}",
            hint="copy again; if it stays so, one of the two databases is damaged",
        )
    return CopiedTable(table.name, here.rows, here.digest)


def _sent(read: Database, written: Target, table: Table, progress: Progress) -> Sum:
    total = Sum()
    with read.translated(), written.filling(table) as send:
        for rows in batches(read, table):
            send(rows)
            total.add(rows)
            progress.advance(len(rows))
    return total
