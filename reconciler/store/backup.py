"""A copy of a store's file while others write to it: of one moment, looked through, on the disk; or none at all."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from reconciler.base.errors import StoreError
from reconciler.store.address import is_postgres, shown
from reconciler.store.file import Progress, copy, damage, folder_of, lasting, opened, ours, part_of, settle

PG_DUMP = "back a database up by pg_dump --format=custom, and put it back by pg_restore; gitops store copy makes a file"


class BackedUp(NamedTuple):
    """What was made: its path, bytes, version of the tables, newest generation, and how long it took."""

    path: str
    size: int
    version: int
    generation: int
    seconds: float


def back_up(path: str, target: str, *, force: bool = False, progress: Progress | None = None) -> BackedUp:
    """Copy the store to ``target``. Waits for nobody, and nobody waits for it.

    ``force`` takes the place of a file that is there. Raises ``StoreError``; then ``target`` is as it was.
    """
    if is_postgres(path):
        raise StoreError(f"{shown(path)} isn't a file, which is what can be copied here", hint=PG_DUMP)
    started = time.monotonic()
    with opened(path) as source:
        version = ours(source, path)
        _refuse_target(path, target, force=force)
        with part_of(target) as part:
            made = _filled(source, path, target, part, progress)
            mode = stat.S_IMODE(os.stat(path).st_mode)
            _put(part, target, mode, force=force)
    return BackedUp(target, os.stat(target).st_size, version, made, time.monotonic() - started)


def automatic_name(path: str, why: str) -> str:
    """A name beside the store that nothing has yet: ``store.db.before-upgrade-20260131T120000Z``."""
    name = f"{path}.{why}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    found, n = name, 2
    while os.path.lexists(found):
        found, n = f"{name}-{n}", n + 1
    return found


def _refuse_target(path: str, target: str, *, force: bool) -> None:
    if Path(target).is_dir():
        raise StoreError(f"{target} is a folder", hint="name a file in it")
    if not Path(folder_of(target)).is_dir():
        raise StoreError(f"there is no folder {folder_of(target)}", hint="make it first")
    if not os.path.lexists(target):
        return
    if os.path.exists(target) and os.path.samefile(path, target):
        raise StoreError(f"{target} is the store itself", hint="name another file")
    if not force:
        raise StoreError(f"{target} is there already", hint="name another file, or pass --force to take its place")


def _filled(source: sqlite3.Connection, path: str, target: str, part: str, progress: Progress | None) -> int:
    """The generation that the copy holds. Raises ``StoreError`` where it can't be made, or isn't sound."""
    try:
        copy(source, part, progress)
        settle(part)
        lasting(part)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"the backup {target} wasn't made: {reason(error)}", hint=way_out(error)) from error
    with opened(part) as copied:
        found = damage(copied)
        if found or ours(copied, part) == 0:
            raise StoreError(
                f"the backup {target} wasn't made: the store {path} is damaged ({'; '.join(found)})",
                hint="restore it from an older backup: gitops store restore",
            )
        return generation_of(copied)


def generation_of(db: sqlite3.Connection) -> int:
    """The newest generation that a file holds."""
    return int(db.execute("select coalesce(max(n), 0) from generation").fetchone()[0])


def reason(error: Exception) -> str:
    """What hindered writing, in words."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return "the disk is full"
    return str(getattr(error, "strerror", None) or error)


def way_out(error: Exception) -> str:
    """What to do about it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return "free some space" if code == sqlite3.SQLITE_FULL else "check the disk, the path and its permissions"


def _put(part: str, target: str, mode: int, *, force: bool) -> None:
    try:
        os.chmod(part, mode)
        if not force and os.path.lexists(target):  # it has come meanwhile
            raise StoreError(f"{target} is there already", hint="name another file, or pass --force")
        os.replace(part, target)
        lasting(folder_of(target))
    except OSError as error:
        raise StoreError(f"the backup {target} wasn't made: {reason(error)}", hint=way_out(error)) from error
