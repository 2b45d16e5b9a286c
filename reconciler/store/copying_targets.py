"""Where a copy of a store goes: a file that is none until it is whole, or a database that is marked until it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reconciler.base.errors import UNFINISHED, StoreError, StoreInUse
from reconciler.store.address import is_postgres
from reconciler.store.copied_tables import Row, Sum, Table, summed, tables
from reconciler.store.file import folder_of, lasting, part_of, settle
from reconciler.store.open import store_path
from reconciler.store.sqlite import SqliteDatabase, translated
from reconciler.store.users import refuse_live

if TYPE_CHECKING:
    from reconciler.store.copying_postgres import CopyDatabase

Send = Callable[[list[Row]], None]

# Leases are with the workers of the store that was copied. What they ran is due once more: results count once.
_LET_GO = "update schedule set lease = 0, worker = '', due_at = slot where lease <> 0"


class Target(Protocol):
    """What is copied to."""

    @property
    def path(self) -> str:
        """As it may be shown."""

    def holds(self, table: Table) -> bool:
        """Whether anything of it is there."""

    def sum(self, table: Table) -> Sum:
        """The digest of what is there."""

    def filling(self, table: Table) -> AbstractContextManager[Send]:
        """Empties the table, and hands out what takes its rows; what was sent is there when the block ends."""

    def finish(self) -> None:
        """All is there: from now on it is a store."""


class FileTarget:
    """A file beside the one that it becomes."""

    def __init__(self, path: str, part: str) -> None:
        self.path, self._part = path, part
        self._db = SqliteDatabase(part)

    def holds(self, table: Table) -> bool:
        """Never: the file is new."""
        return False

    def sum(self, table: Table) -> Sum:
        """See the protocol."""
        with self._db.snapshot():
            return summed(self._db, table)

    @contextmanager
    def filling(self, table: Table) -> Iterator[Send]:
        """See the protocol."""
        marks = ", ".join("?" * len(table.columns))
        sql = f"insert into {table.name} ({table.listed}) values ({marks})"
        with self._db.transaction(lasting=False), self._db.unwatched():
            self._db.run(f"delete from {table.name}")
            yield lambda rows: void(self._db.many(sql, rows))

    def finish(self) -> None:
        """See the protocol."""
        with self._db.transaction():
            self._db.run(_LET_GO)
        self._db.close()
        with translated(self.path):
            settle(self._part)
            lasting(self._part)
            # Linked, not moved: what has come meanwhile isn't overwritten.
            try:
                os.link(self._part, self.path)
            except FileExistsError:
                raise StoreError(f"{self.path} has come meanwhile", hint="name another file") from None
            except OSError:  # a file system without such a thing
                os.rename(self._part, self.path)
            lasting(folder_of(self.path))

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


def void(_: object) -> None:
    """For a statement in an expression."""


@contextmanager
def file_target(path: str, *, like: str) -> Iterator[Target]:
    """With the permissions of the file ``like``, where that is one. Raises ``StoreError`` where anything has that name
    already."""
    if os.path.lexists(path):
        raise StoreError(f"{path} is there already", hint="name another file, or move it away")
    if not Path(folder_of(path)).is_dir():
        raise StoreError(f"there is no folder {folder_of(path)}", hint="make it first")
    with part_of(path) as part, closing(FileTarget(path, part)) as target:
        if not is_postgres(like):
            with translated(path):
                os.chmod(part, stat.S_IMODE(os.stat(store_path(like)).st_mode))
        yield target


class ServerTarget:
    """A database whose tables say that they are unfinished, until they are."""

    def __init__(self, db: CopyDatabase) -> None:
        self._db, self.path = db, db.path

    def holds(self, table: Table) -> bool:
        """See the protocol."""
        return bool(self._db.rows(f"select exists (select 1 from {table.name})")[0][0])

    def sum(self, table: Table) -> Sum:
        """See the protocol."""
        with self._db.snapshot():
            return summed(self._db, table)

    @contextmanager
    def filling(self, table: Table) -> Iterator[Send]:
        """See the protocol."""
        with self._db.transaction(lasting=False), self._db.unwatched():
            if self.holds(table):
                self._db.run(f"truncate {table.name}")
            yield self._db.sender(table)

    def finish(self) -> None:
        """See the protocol. Sequences go on behind what they have given out elsewhere."""
        with self._db.transaction():
            self._db.run(_LET_GO)
            for table in tables():
                if table.identity is not None:
                    self._db.run(
                        f"select setval(pg_get_serial_sequence('{table.name}', '{table.identity}'), "
                        f"coalesce(max({table.identity}), 1), max({table.identity}) is not null) from {table.name}"
                    )
            self._db.run("delete from schema_version where n = ?", (UNFINISHED,))
        with self._db.translated():
            for table in tables():
                self._db.run(f"analyze {table.name}")


@contextmanager
def server_target(address: str) -> Iterator[Target]:
    """Raises ``StoreError`` where anything is in the tables already, but for what a copy left there that was killed;
    and where another one is under way."""
    from reconciler.store.copying_postgres import CopyDatabase
    from reconciler.store.locks import open_locks
    from reconciler.store.postgres import refuse_pooler

    with closing(CopyDatabase(address)) as db, closing(open_locks(address)) as locks:
        refuse_pooler(db, "a copy")
        held = locks.try_acquire(["copy"])
        if held is None:
            raise StoreInUse(f"another copy to {db.path} is under way", hint="wait for it")
        with held:
            _mark(db)
            yield ServerTarget(db)


def _mark(db: CopyDatabase) -> None:
    """From now on nobody else opens it."""
    if db.unfinished:
        return
    refuse_live(db, "copied to", hint="stop them first, or name an empty database")
    # Nobody makes a generation meanwhile, as that takes the same lock.
    with db.transaction(locks=("apply",)):
        for table in tables():
            if db.rows(f"select exists (select 1 from {table.name})")[0][0]:
                raise StoreError(
                    f"the store {db.path} isn't empty: its table {table.name} holds something",
                    hint="name an empty database, or another schema by the search_path",
                )
        db.run("insert into schema_version values (?)", (UNFINISHED,))
