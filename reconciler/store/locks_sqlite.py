"""Locks beside a file of SQLite: ranges of one more file, which the kernel frees with the process that holds them.

Every key is one byte far out in it. There is nothing that would take a lock from a process that merely sleeps: it is on
this machine, where somebody can see it and end it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b

from reconciler.base.errors import StoreError
from reconciler.store.database import MEMORY
from reconciler.store.locks import Held, Locks, holder, waited
from reconciler.store.sqlite import SqliteDatabase, translated

_POLL_SECONDS = 0.02
_FLOCK = "hhqqi"
"""Type, whence, start, length, and a process that must be 0."""


class _Ranges(Held):
    """Held by an open file."""

    def __init__(self, fences: Mapping[str, int], fd: int) -> None:
        super().__init__(fences)
        self._fd = fd

    def _let_go(self) -> None:
        os.close(self._fd)

    def _there(self) -> bool:
        return True


class SqliteLocks(Locks):
    """See :class:`reconciler.store.locks.Locks`."""

    def __init__(self, address: str, environ: Mapping[str, str]) -> None:
        from reconciler.store.open import store_path
        from reconciler.store.pg_settings import PgSettings

        self._path = store_path(address)
        if self._path == MEMORY:
            raise StoreError("a store in memory has no locks", hint="name a file with --store")
        self._wait = PgSettings.read(environ).lock_timeout_ms / 1000
        self._turn = threading.Lock()
        self._db: SqliteDatabase | None = None

    def _try(self, keys: list[str]) -> Held | None:
        return self._taken(keys, lambda: False)

    @contextmanager
    def _section(self, keys: list[str]) -> Iterator[Held]:
        deadline = time.monotonic() + self._wait

        def again() -> bool:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
            return True

        held = self._taken(keys, again)
        if held is None:
            raise waited(keys, self._holder(keys), self._wait)
        with held:
            yield held

    def _taken(self, keys: list[str], again: Callable[[], bool]) -> Held | None:
        """Every key in its turn; ``again`` says whether to ask once more for one that somebody has."""
        with translated(self._path):
            fd = os.open(f"{self._path}.locks", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            for place in sorted({_place(key) for key in keys}):
                while not _locked(fd, place):
                    if not again():
                        os.close(fd)
                        return None
            return _Ranges(self._fences(keys), fd)
        except BaseException:
            os.close(fd)
            raise

    def _fences(self, keys: list[str]) -> dict[str, int]:
        sql = (
            "insert into fence (key, n, holder, at) values (?, 1, ?, ?) on conflict (key) do update set "
            "n = fence.n + 1, holder = excluded.holder, at = excluded.at"
        )
        with self._turn, self._opened().transaction(lasting=False):
            db, now = self._opened(), self._opened().clock()
            db.many(sql, [(key, holder(), now) for key in keys])
            marks = ", ".join("?" * len(keys))
            return dict(db.rows(f"select key, n from fence where key in ({marks})", keys))

    def _holder(self, keys: list[str]) -> str:
        marks = ", ".join("?" * len(keys))
        with self._turn:
            rows = self._opened().rows(f"select holder from fence where key in ({marks}) order by at desc", keys)
        return str(rows[0][0]) if rows else ""

    def _opened(self) -> SqliteDatabase:
        if self._db is not None and self._db.replaced():
            self._db.close()
            self._db = None
        if self._db is None:
            self._db = SqliteDatabase(self._path, shared=True)
        return self._db

    def close(self) -> None:
        """See the base."""
        with self._turn:
            if self._db is not None:
                self._db.close()
                self._db = None


def _place(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest()) >> 2


def _locked(fd: int, place: int) -> bool:
    """Belongs to the open file, not to the process: two threads don't have it at once either."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0))
    except BlockingIOError:
        return False
    return True
