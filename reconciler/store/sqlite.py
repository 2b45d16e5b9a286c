"""A connection to SQLite: transactions, upgrades of the tables, and its errors in one sentence each.

Every write transaction opens with ``BEGIN IMMEDIATE``: a deferred one that turns into a writer fails at once under
contention, whatever the busy timeout. ``synchronous=FULL`` makes an acknowledged apply survive a power cut.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from reconciler.base.errors import StoreError, StoreTooNew
from reconciler.store.database import MEMORY
from reconciler.store.schema import DIALECTS, KNOWN, steps, watchers

_BUSY_SECONDS = 10.0
_CACHE_KIB = 65_536
_OURS = ".gitops"
"""A folder of this name is made inside the user's repository, and must not be committed with the documents."""


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if folder.name == _OURS:
        (folder / ".gitignore").write_text("*\n")


class SqliteDatabase:
    """Implements :class:`reconciler.store.database.Database`.

    Belongs to its thread; users of a ``shared`` one take turns by a lock of their own.
    """

    dialect = "sqlite"

    def __init__(self, path: str, *, readonly: bool = False, shared: bool = False, insist: bool = False) -> None:
        """``insist``: upgrade the tables even while workers of an older release use them."""
        self.path = self.address = path
        self._insist = insist
        self._shared = shared
        self.readonly = readonly
        self.now = DIALECTS["sqlite"]["NOW"]
        """SQL for epoch seconds by the database's clock."""
        self.slices_by_index = DIALECTS["sqlite"]["SLICES"]
        """What follows the table's name where its bodies mustn't be read."""
        with translated(path):
            if path != MEMORY and not readonly:
                _make_folder(Path(path).parent)
            if Path(path).is_dir():
                raise StoreError(f"the store {path} can't be opened: it is a folder", hint="name a file in it")
            try:
                self._connect("ro" if readonly else "rwc")
            except sqlite3.OperationalError:
                # Where not even the file beside it for the readers of the log can be made. Without a log nobody writes.
                if not readonly or Path(f"{path}-wal").exists():
                    raise
                self._connect("ro&immutable=1")
            self._file = self._found()

    def _connect(self, mode: str) -> None:
        where = MEMORY if self.path == MEMORY else f"{Path(self.path).absolute().as_uri()}?mode={mode}"
        self._db = sqlite3.connect(
            where,
            uri=where != MEMORY,
            isolation_level=None,
            timeout=_BUSY_SECONDS,
            check_same_thread=not self._shared,
        )
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("pragma foreign_keys=on")
        self._db.execute(f"pragma cache_size=-{_CACHE_KIB}")
        found = self.version()
        if found > KNOWN:
            raise StoreTooNew(self.path, found, KNOWN)
        if not self.readonly:  # not before it is known to be ours: the mode is written into the file
            self._keep_a_log()
            self._db.execute("pragma synchronous=full")
        if found < KNOWN and not self.readonly:
            self._upgrade()
        elif found < KNOWN:
            raise StoreError(
                f"the tables of {self.path} are at version {found}, this release needs {KNOWN}, "
                "and the file is read-only",
                hint="let an account that may write to it run any gitops command once",
            )

    def _keep_a_log(self) -> None:
        """Switch to WAL. Of several that do so at once SQLite refuses all but one without waiting."""
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._db.execute("pragma journal_mode=wal")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def version(self) -> int:
        """The version of the tables; 0 for an empty file. A file of another program is refused."""
        return version_of(self._db, self.path)

    def _upgrade(self) -> None:
        with self.transaction():
            self.run("create table if not exists schema_version (n integer not null)")
            # Somebody else may have upgraded while we waited for the lock.
            found = self.version()
            if found < KNOWN and not self._insist:
                from reconciler.store.users import refuse_older

                refuse_older(self, found)
            for number, statements in enumerate(steps("sqlite")[found:], found + 1):
                for statement in statements:
                    self.run(statement)
                self.run("insert into schema_version values (?)", (number,))

    def run(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        return self._db.execute(sql, values)

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute one statement for each row; returns how many rows of the table it changed."""
        return self._db.executemany(sql, rows).rowcount

    def rows(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement. Raises ``StoreError``."""
        with translated(self.path):
            return self._db.execute(sql, values).fetchall()

    def replaced(self) -> bool:
        """Whether the file has made way for another, as by a restore: whoever has it open would go on with what nobody
        else sees, and not even be told."""
        with translated(self.path):
            return self._found() != self._file

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def clock(self) -> float:
        """Epoch seconds by the database's clock."""
        return float(self.rows(f"select {self.now}")[0][0])

    def tell_time(self, clock: Callable[[], float]) -> None:
        """Let ``clock`` say what time it is: tests step it."""
        self._db.create_function("told_time", 0, clock)
        self.now = "told_time()"

    def translated(self) -> AbstractContextManager[None]:
        """See the protocol."""
        return translated(self.path)

    def damaged(self, error: Exception) -> StoreError:
        """See the protocol."""
        return damaged(self.path, error)

    @contextmanager
    def transaction(self, *, lasting: bool = True, locks: Collection[str] = ()) -> Iterator[None]:
        """All or nothing; waits for another writer, whatever the ``locks``: there is one at a time.

        What needn't be ``lasting`` isn't waited for until it is on the disk: a power cut may undo it, together with
        whatever was committed after it, unless that was lasting.
        """
        with translated(self.path):
            self._db.execute(f"pragma synchronous={'full' if lasting else 'normal'}")
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                self._undo()
                raise

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Inside, writes aren't journalled as outside an apply. Needs a transaction, which undoes it on failure."""
        off, on = watchers()
        for statement in off:
            self.run(statement)
        yield
        for statement in on:
            self.run(statement)

    def tell(self, channel: str, text: str) -> None:
        """See the protocol. Whoever waits for something looks again and again."""

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside see one state. Nests."""
        if self._db.in_transaction:
            yield
            return
        with translated(self.path):
            self._db.execute("begin")
            try:
                yield
            finally:
                self._undo()

    def _undo(self) -> None:
        # A full disk or a damaged file may have rolled back already.
        if self._db.in_transaction:
            self._db.execute("rollback")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


def version_of(db: sqlite3.Connection, path: str) -> int:
    """The version of the tables; 0 for an empty file. Raises ``StoreError`` for a file of another program."""
    # One statement: between two of them somebody else may make the tables.
    tables = [str(name) for (name,) in db.execute("select name from sqlite_master")]
    if not tables:
        return 0
    if "schema_version" not in tables:
        raise StoreError(
            f"{path} is an SQLite file of another program (it has a table {tables[0]!r})",
            hint="name another file with --store",
        )
    return int(db.execute("select coalesce(max(n), 0) from schema_version").fetchone()[0])


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn the driver's errors into one sentence with a way out; the old generation is intact in each case."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(where, error) from error
    except UnicodeDecodeError as error:  # the driver can't even read the sentence about the damage
        raise damaged(where, error) from error
    except OSError as error:
        raise StoreError(
            f"the store {where} can't be opened: {error.strerror or error}", hint="check the path and its permissions"
        ) from error


def damaged(where: str, error: Exception) -> StoreError:
    """What is read makes no sense; nothing here can mend it."""
    return StoreError(
        f"{where} is damaged or no SQLite file ({error})", hint="restore it from a backup, or name another store"
    )


def _explain(where: str, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    intact = "what was applied before is intact"
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"the disk of {where} is full; {intact}", hint="free some space, then try again")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"the store {where} is locked by another process for more than {_BUSY_SECONDS:.0f} seconds; {intact}",
            hint="wait for it, or look who holds it open",
        )
    if code == sqlite3.SQLITE_READONLY:
        return StoreError(f"the store {where} is read-only; {intact}", hint="check the permissions of file and folder")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreError(f"the store {where} can't be opened", hint="check the path and its permissions")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(where, error)
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"reading or writing {where} failed ({error}); {intact}",
            hint="check the disk, and end what still holds a file of that name that was removed",
        )
    return StoreError(f"the store {where} failed: {error}; {intact}")
