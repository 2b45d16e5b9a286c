"""From a store's address to a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.base.errors import StoreError, UsageError
from reconciler.store.address import SQLITE, is_postgres, shown
from reconciler.store.database import MEMORY, Database
from reconciler.store.sql_writer import SqlStore
from reconciler.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from reconciler.store.sql_executing import SqlExecuting


def store_path(address: str) -> str:
    """The file of an address (``sqlite:///path``, a plain path, or ``:memory:``), or where the database is, as that may
    be shown. Raises ``UsageError`` for anything else."""
    if is_postgres(address):
        return shown(address)
    if "://" in address and not address.startswith(SQLITE):
        raise UsageError(
            f"{address.split('://')[0]}:// is no kind of store", hint="use a file, sqlite:///path or postgresql://..."
        )
    path = address.removeprefix(SQLITE)
    if not path:
        raise UsageError("the store has an empty path", hint="use a file: --store .gitops/store.db")
    return path


def open_database(address: str, *, shared: bool = False) -> Database:
    """A connection for writing; makes what isn't there yet. Raises ``StoreError``. ``shared``: by threads in turns."""
    if is_postgres(address):
        from reconciler.store.postgres import PostgresDatabase

        return PostgresDatabase(address)
    return SqliteDatabase(store_path(address), shared=shared)


def there(address: str) -> bool:
    """Whether there may be a store: a file that isn't there is none; a server has to be asked."""
    path = store_path(address)
    return path != MEMORY and (is_postgres(address) or Path(path).exists())


def open_store(address: str) -> SqlStore:
    """Open for writing; makes the file, its folder and its tables. Raises ``StoreError``."""
    return SqlStore(open_database(address))


def open_executing(address: str) -> SqlExecuting:
    """Open for executors; makes the file, its folder and its tables. Raises ``StoreError``."""
    if is_postgres(address):
        return _postgres_executing(address)
    from reconciler.store.sql_executing import SqlExecuting

    return SqlExecuting(open_database(address))


def _postgres_executing(address: str) -> SqlExecuting:
    from reconciler.store.pg_executing import PgExecuting
    from reconciler.store.postgres import PostgresDatabase, refuse_pooler

    db = PostgresDatabase(address)
    try:
        refuse_pooler(db, "whoever runs or pauses checks")
        return PgExecuting(db)
    except BaseException:
        db.close()
        raise


def open_to_read(address: str, *, shared: bool = False, patient: bool = True) -> SqlStore:
    """Open for planning. A store that isn't there yet reads as empty and isn't made. ``shared``: see ``Database``; who
    isn't ``patient`` gives up on a server that doesn't answer as soon as can be."""
    if is_postgres(address):
        return _postgres_to_read(address, shared, patient)
    path = store_path(address)
    if path == MEMORY or not Path(path).exists():
        return SqlStore(SqliteDatabase(MEMORY, shared=shared))
    try:
        return SqlStore(SqliteDatabase(path, shared=shared))
    except StoreError as error:
        if "read-only" in error.message or "can't be opened" in error.message:
            return SqlStore(SqliteDatabase(path, readonly=True, shared=shared))
        raise


def _postgres_to_read(address: str, shared: bool, patient: bool) -> SqlStore:
    from reconciler.store.pg_settings import pg_settings
    from reconciler.store.postgres import PostgresDatabase

    settings = pg_settings() if patient else pg_settings()._replace(pool_connection_timeout_ms=1)
    db = PostgresDatabase(address, create=False, settings=settings)
    if db.tables:
        return SqlStore(db)
    db.close()
    return SqlStore(SqliteDatabase(MEMORY, shared=shared))
