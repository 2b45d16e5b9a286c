"""One connection for several threads that ask small things now and then: the sandbox's policy, a secret.

The connection of an executor belongs to one thread; scripts and look-ups of secrets run in others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from reconciler.base.errors import StoreError
from reconciler.secrets.encrypted import Row
from reconciler.store.database import MEMORY, Database
from reconciler.store.open import open_database, open_to_read, store_path, there
from reconciler.store.sql_reader import SqlReader
from reconciler.store.sql_secrets import SecretRows

T = TypeVar("T")


class SharedStore:
    """Opened at the first need, and anew after an error. Implements :class:`reconciler.secrets.encrypted.Rows` too."""

    def __init__(self, address: str, *, create: bool = False) -> None:
        """``create``: make the file and its tables where they aren't there; else that is a ``StoreError``."""
        self.where = store_path(address)
        self._address = address
        self._create = create
        self._lock = threading.Lock()
        self._db: Database | None = None
        self._closed = False

    def exists(self) -> bool:
        """Whether there may be a store to ask: there is a file, or a server has been named."""
        return there(self._address)

    def setting(self, key: str) -> str | None:
        """A value of the settings table. Raises ``StoreError``."""
        return self._look(lambda db: SqlReader(db).setting(key))

    def read(self, environment: str, name: str) -> Row | None:
        """See the protocol."""
        return self._look(lambda db: SecretRows(db).read(environment, name))

    def read_all(self) -> list[Row]:
        """See the protocol."""
        return self._look(lambda db: SecretRows(db).read_all())

    def write(self, rows: Sequence[Row], *, only_over: Sequence[Row] = ()) -> bool:
        """See the protocol."""
        return self._use(lambda db: SecretRows(db).write(rows, only_over=only_over))

    def remove(self, environment: str, name: str) -> bool:
        """See the protocol."""
        return self._use(lambda db: SecretRows(db).remove(environment, name))

    def close(self) -> None:
        """Close the connection; every later question is a ``StoreError``."""
        with self._lock:
            self._closed = True
            self._drop()

    def _look(self, ask: Callable[[Database], T]) -> T:
        """Read; once more by another connection where one of before fails: a server may have gone and come back."""
        with self._lock:
            before = self._db
        try:
            return self._use(ask)
        except StoreError:
            if before is None or self._closed:
                raise
            return self._use(ask)

    def _use(self, ask: Callable[[Database], T]) -> T:
        with self._lock:
            try:
                return ask(self._opened())
            except StoreError:
                self._drop()
                raise

    def _opened(self) -> Database:
        if self._closed:
            raise StoreError(f"the store {self.where} was closed")
        if self._db is not None and self._db.replaced():
            self._drop()
        if self._db is None:
            self._db = open_database(self._address, shared=True) if self._create else self._there()
        return self._db

    def _there(self) -> Database:
        """What is there already, for who may only read it as well."""
        found = open_to_read(self._address, shared=True).db
        if found.path == MEMORY:
            found.close()
            raise StoreError(f"the store {self.where} isn't there", hint="gitops apply makes it")
        return found

    def _drop(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
