"""A store's file as it is: looked at without touching its tables, whatever their version, and copied whole."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.base.errors import StoreError
from reconciler.store.database import MEMORY
from reconciler.store.sqlite import translated, version_of

LOGS = ("-wal", "-journal")
"""What SQLite keeps beside a file, and what is lost without it."""
BESIDE = (*LOGS, "-shm")
_BUSY_SECONDS = 10.0
_PAGES = 2048
"""Copied in one step; between two of them an interrupt is heard."""

Progress = Callable[[int, int], None]
"""Is told how many pages of how many are done."""


@contextmanager
def opened(path: str, *, timeout: float = _BUSY_SECONDS) -> Iterator[sqlite3.Connection]:
    """A connection to a file that is there already. Raises ``StoreError``, for whatever goes wrong inside too."""
    if path == MEMORY:
        raise StoreError("a store in memory has no file", hint="name a file with --store")
    if not Path(path).exists():
        raise StoreError(f"there is no {path}", hint="check the path; gitops apply makes a store")
    if not Path(path).is_file():
        raise StoreError(f"{path} is no file", hint="name the file of a store")
    with translated(path):
        db = _connected(path, timeout)
        try:
            yield db
        finally:
            db.close()


def _connected(path: str, timeout: float) -> sqlite3.Connection:
    """To read and write where that can be; an account that may not even make the files beside it reads all the same."""
    modes = ["rw", "ro", *([] if Path(f"{path}-wal").exists() else ["ro&immutable=1"])]
    for mode in modes:
        uri = f"{Path(path).absolute().as_uri()}?mode={mode}"
        db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=timeout)
        try:
            db.execute("select count(*) from sqlite_master").fetchone()
            return db
        except sqlite3.Error as error:
            db.close()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) or mode == modes[-1]:
                raise
    raise AssertionError("there is a last mode")


def ours(db: sqlite3.Connection, path: str) -> int:
    """The version of the tables. Raises ``StoreError`` for what is no store, or one that holds nothing yet."""
    version = version_of(db, path)
    if version == 0:
        raise StoreError(f"{path} is empty: it holds no store", hint="check the path; gitops apply makes a store")
    return version


def damage(db: sqlite3.Connection, *, thorough: bool = False) -> list[str]:
    """What SQLite finds wrong with the file, a sentence each. ``thorough``: indexes are compared with their tables."""
    try:
        rows = db.execute(f"pragma {'integrity' if thorough else 'quick'}_check(5)").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    lines = (line.strip() for (text,) in rows for line in str(text).splitlines())
    return [line for line in lines if line != "ok" and not line.startswith("***")]


@contextmanager
def part_of(target: str) -> Iterator[str]:
    """A file beside ``target`` to write what is to take its place; gone at the end, unless it was moved there.

    What a killed process left of it is overwritten. Raises ``StoreError`` while another writes it.
    """
    part = f"{target}.part"
    with translated(target):
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"{part} is being written by another process", hint="wait for it") from None
        try:
            for suffix in BESIDE:
                Path(f"{part}{suffix}").unlink(missing_ok=True)
            os.ftruncate(fd, 0)
            yield part
        finally:
            for suffix in ("", *BESIDE):
                with suppress(OSError):
                    os.unlink(f"{part}{suffix}")
    finally:
        os.close(fd)


def copy(source: sqlite3.Connection, part: str, progress: Progress | None = None) -> None:
    """Everything as it is at one moment, however long it takes and whoever writes meanwhile, as one plain file.

    Raises ``sqlite3.Error`` and ``OSError``.
    """
    target = sqlite3.connect(part, isolation_level=None)
    try:
        target.execute("pragma journal_mode=off")  # nothing is there yet that could be lost
        target.execute("pragma synchronous=off")  # waited for once, at the end
        source.execute("begin")
        try:
            # Reading holds the moment; else a copy would begin anew whenever somebody writes.
            source.execute("select count(*) from sqlite_master").fetchone()
            source.backup(target, pages=_PAGES, progress=_telling(progress), sleep=0.01)
        finally:
            source.execute("rollback")
    finally:
        target.close()


def settle(part: str) -> None:
    """Fold the log into a copy, so that one file is all there is."""
    target = sqlite3.connect(part, isolation_level=None)
    try:
        target.execute("pragma journal_mode=delete").fetchone()
    finally:
        target.close()


def lasting(path: str) -> None:
    """On the disk when this returns, a file or a folder."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def folder_of(path: str) -> str:
    """The folder that holds it."""
    return str(Path(path).absolute().parent)


def _telling(progress: Progress | None) -> Callable[[int, int, int], object]:
    """Without anything to call, no interrupt would be heard before the end."""
    return lambda _, left, total: progress(total - left, total) if progress is not None else None
