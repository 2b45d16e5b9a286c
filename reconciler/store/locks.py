"""Locks for what isn't inside one transaction of the store: one-only jobs, automations that run once at a time.

A lock ends with the process or the connection that holds it, so it is no proof: whoever was cut off goes on working
without knowing. So every acquisition gives each key a number that only grows, the *fence*, and what is done under a
lock is committed by a transaction that asks :func:`fenced` whether somebody has a newer one. Several keys are taken in
one order everywhere, and nothing more while any is held: then nobody waits in a circle, for keys or for connections.
"""

from __future__ import annotations

import os
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Self

from reconciler.base.errors import LockLost, StoreError
from reconciler.store.address import is_postgres

if TYPE_CHECKING:
    from reconciler.store.database import Database


class Held:
    """Keys that are held, each with its fence, until they are released or the block ends that it is entered for."""

    def __init__(self, fences: Mapping[str, int]) -> None:
        self.fences = dict(fences)
        self._turn = threading.Lock()
        self._released = False

    @property
    def keys(self) -> tuple[str, ...]:
        """What is held, sorted."""
        return tuple(sorted(self.fences))

    @property
    def released(self) -> bool:
        """Whether it was let go here. A lock that was lost isn't noticed by itself."""
        return self._released

    def release(self) -> None:
        """Let go. Once is enough, more does nothing; from any thread. At the end of a section this raises ``LockLost``
        where the lock was gone already; what was acquired otherwise is released then too."""
        with self._turn:
            if self._released:
                return
            self._released = True
            self._let_go()

    def still(self) -> bool:
        """Whether the lock is held to the best of anybody's knowledge at this moment. Only :func:`fenced` proves it."""
        with self._turn:
            return not self._released and self._there()

    def _let_go(self) -> None:
        raise NotImplementedError

    def _there(self) -> bool:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_holding: ContextVar[Held | None] = ContextVar("holding", default=None)
"""What this flow of control has taken last. Asyncio's tasks have one each, other threads as well."""


class Locks(ABC):
    """The service; one for a process is enough, as all its threads may use it."""

    def try_acquire(self, keys: Collection[str]) -> Held | None:
        """Take all of the keys, or None at once where anybody has one of them. Raises ``StoreError``."""
        _refuse_nested()
        held = self._try(_sorted(keys))
        if held is not None:
            _holding.set(held)
        return held

    @contextmanager
    def section(self, keys: Collection[str]) -> Iterator[Held]:
        """Wait for all of the keys, and hold them for the block.

        Whoever sits in it doing nothing with the database for too long loses it, and is told so by ``LockLost`` at the
        end at the latest; its work must be committed under :func:`fenced`. Raises ``StoreError`` where the wait is too
        long. Settings: ``GITOPS_DATABASE_LOCK_TIMEOUT_MS`` and ``GITOPS_DATABASE_LOCK_IDLE_TX_TIMEOUT_MS``.
        """
        _refuse_nested()
        with self._section(_sorted(keys)) as held:
            token = _holding.set(held)
            try:
                yield held
            finally:
                _holding.reset(token)

    @abstractmethod
    def _try(self, keys: list[str]) -> Held | None: ...

    @abstractmethod
    def _section(self, keys: list[str]) -> AbstractContextManager[Held]: ...

    @abstractmethod
    def close(self) -> None:
        """Close all connections; what is still held is lost."""


def fenced(db: Database, held: Held) -> None:
    """Inside a transaction: go on only while nobody has any of the keys newer. Until the end of the transaction nobody
    gets them, so that what it commits comes before whatever the next holder does. Raises ``LockLost``."""
    marks = ", ".join("?" * len(held.fences))
    share = " for share" if db.dialect == "postgresql" else ""
    rows = db.rows(f"select key, n, holder from fence where key in ({marks}) order by key{share}", held.keys)
    for key, n, holder in rows:
        if n != held.fences[key]:
            raise LockLost(key, holder)
    if len(rows) < len(held.fences):  # another store was put in the place of this one
        raise LockLost(held.keys[0], "")


def open_locks(address: str, environ: Mapping[str, str] | None = None) -> Locks:
    """The locks of a store. Connections are made when they are needed. Raises ``StoreError``, ``UsageError``."""
    if is_postgres(address):
        from reconciler.store.pg_connect import driver

        driver()  # which says what to install where it is missing
        from reconciler.store.locks_postgres import PostgresLocks

        return PostgresLocks.at(address, os.environ if environ is None else environ)
    from reconciler.store.locks_sqlite import SqliteLocks

    return SqliteLocks(address, os.environ if environ is None else environ)


def holder() -> str:
    """This process, as others are told of it."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def waited(keys: Collection[str], who: str, seconds: float) -> StoreError:
    """Somebody else has it for longer than one waits."""
    return StoreError(
        f"waiting {seconds:g} s for {_named(keys)} was in vain; held by {who or 'somebody unknown'}",
        hint="look what hangs there, or wait longer: GITOPS_DATABASE_LOCK_TIMEOUT_MS",
    )


def _named(keys: Collection[str]) -> str:
    return f"the lock{'s' if len(keys) > 1 else ''} {', '.join(sorted(keys))}"


def _sorted(keys: Collection[str]) -> list[str]:
    found = sorted({keys} if isinstance(keys, str) else set(keys))
    if not found:
        raise ValueError("a lock needs a key")
    return found


def _refuse_nested() -> None:
    """Keys taken while others are held could make two wait for each other, and connections as well."""
    there = _holding.get()
    if there is not None and not there.released:
        raise StoreError(
            f"a lock can't be taken while {_named(there.keys)} {'is' if len(there.keys) == 1 else 'are'} held here",
            hint="take all keys at once, or release the first before",
        )
