"""All that a worker gets from elsewhere, in one place: slices and where results go, the policy for scripts, secrets.

Today all of it is a store that the worker reads by itself. Who has no credentials for one (a host that connects over a
socket) implements :class:`Supply` another way; nothing else of a worker knows where things come from. What isn't there
yet is never guessed: until the first policy has come, no script runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from reconciler.base.errors import StoreError
from reconciler.sandbox.policy import SETTING
from reconciler.store.address import is_postgres
from reconciler.store.open import open_executing, open_to_read, store_path, there
from reconciler.store.shared import SharedStore
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from reconciler.secrets.encrypted import Rows
    from reconciler.store.database import Database
    from reconciler.store.executing import Executing
    from reconciler.store.port import Reader

_CACHE_KIB = 8192
"""Of a file, for each connection. A worker looks at few rows at a time, and lives long enough to fill any cache."""


class Hands(Protocol):
    """Slices and results, for one thread: claims with their bodies, who they are about, and what came of them."""

    executing: Executing
    reader: Reader

    def close(self) -> None:
        """Close the connections."""


class Supplied(Protocol):
    """What runs are held by and given. Asked anew for each run, by any thread."""

    def policy(self) -> str | None:
        """The policy for scripts as it was set; None: nobody set one, and the shipped one holds. Raises whatever says
        that it can't be had now."""

    def secrets(self) -> Rows:
        """Those that are kept beside the slices, encrypted."""

    def close(self) -> None:
        """Nothing is asked any more."""


class Supply(Supplied, Protocol):
    """The whole of it."""

    def open(self) -> Hands:
        """Slices and results, for the calling thread; asked again after each failure. Raises ``GitopsError``."""


class StoreSupplied:
    """Implements :class:`Supplied` by a store."""

    def __init__(self, address: str) -> None:
        self._shared = SharedStore(address)

    def policy(self) -> str | None:
        """See the protocol."""
        return self._shared.setting(SETTING)

    def secrets(self) -> Rows:
        """See the protocol."""
        return self._shared

    def close(self) -> None:
        """See the protocol."""
        self._shared.close()


class StoreSupply(StoreSupplied):
    """Implements :class:`Supply` by a store."""

    def __init__(self, address: str, *, opened: Callable[[], Hands] | None = None) -> None:
        """``opened`` opens it another way."""
        super().__init__(address)
        self._address, self._opened, self._begun = address, opened, False

    def open(self) -> Hands:
        """See the protocol."""
        hands = self._opened() if self._opened is not None else StoreHands(self._address, again=self._begun)
        self._begun = True
        return hands


class StoreHands:
    """Implements :class:`Hands`: two connections to a file, one to a server."""

    def __init__(self, address: str, *, again: bool = False) -> None:
        """``again``: it was there before; where it isn't now, no empty one is made in its place, in which everything
        that waits to be stored would be lost."""
        if again and not there(address):
            raise StoreError(
                f"the store {store_path(address)} isn't there any more", hint="bring it back: mount it, or restore it"
            )
        executing = open_executing(address)
        try:
            self._store = SqlStore(executing.db) if is_postgres(address) else _read_beside(address, executing.db)
        except BaseException:
            executing.close()
            raise
        self.executing: Executing = executing
        self.reader: Reader = self._store

    def close(self) -> None:
        """Both connections."""
        try:
            self.executing.close()
        finally:
            self._store.close()


def _read_beside(address: str, writing: Database) -> SqlStore:
    store = open_to_read(address)
    for db in (writing, store.db):
        db.run(f"pragma cache_size=-{_CACHE_KIB}")
    return store
