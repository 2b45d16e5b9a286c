"""From a store's address to a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.base.errors import StoreError, UsageError
from reconciler.store.database import MEMORY
from reconciler.store.sql_writer import SqlStore
from reconciler.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from reconciler.store.sql_executing import SqlExecuting

_SQLITE = "sqlite:///"


def store_path(address: str) -> str:
    """The file of an address: ``sqlite:///path``, a plain path, or ``:memory:``. Raises ``UsageError`` otherwise."""
    if address.startswith(("postgres://", "postgresql://")):
        raise UsageError("PostgreSQL stores aren't in this release", hint="use a file: --store .gitops/store.db")
    if "://" in address and not address.startswith(_SQLITE):
        raise UsageError(f"{address.split('://')[0]}:// is no kind of store", hint="use a file, or sqlite:///path")
    path = address.removeprefix(_SQLITE)
    if not path:
        raise UsageError("the store has an empty path", hint="use a file: --store .gitops/store.db")
    return path


def open_store(address: str) -> SqlStore:
    """Open for writing; makes the file, its folder and its tables. Raises ``StoreError``."""
    return SqlStore(SqliteDatabase(store_path(address)))


def open_executing(address: str) -> SqlExecuting:
    """Open for executors; makes the file, its folder and its tables. Raises ``StoreError``."""
    from reconciler.store.sql_executing import SqlExecuting

    return SqlExecuting(SqliteDatabase(store_path(address)))


def open_to_read(address: str, *, shared: bool = False) -> SqlStore:
    """Open for planning. A store that isn't there yet reads as empty and isn't made. ``shared``: see ``Database``."""
    path = store_path(address)
    if path == MEMORY or not Path(path).exists():
        return SqlStore(SqliteDatabase(MEMORY, shared=shared))
    try:
        return SqlStore(SqliteDatabase(path, shared=shared))
    except StoreError as error:
        if "read-only" in error.message or "can't be opened" in error.message:
            return SqlStore(SqliteDatabase(path, readonly=True, shared=shared))
        raise
