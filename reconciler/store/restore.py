"""A backup takes the place of a store, whose file is moved aside; killed at any moment, one of both is there, whole."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from reconciler.base.errors import StoreError, StoreInUse, StoreTooNew
from reconciler.store.address import is_postgres, shown
from reconciler.store.backup import PG_DUMP, automatic_name, generation_of, reason, way_out
from reconciler.store.database import MEMORY
from reconciler.store.file import BESIDE, LOGS, copy, damage, folder_of, lasting, opened, ours, part_of, settle
from reconciler.store.lock import file_lock
from reconciler.store.schema import KNOWN
from reconciler.store.sqlite import translated, version_of
from reconciler.store.users import OfFile, refuse_live

_PATIENCE = 2.0
"""Seconds for which others that have the file open are waited for."""


class Restored(NamedTuple):
    """``aside`` is where the store went that was there, None where there was none. ``version`` is that of the tables in
    the backup; what is older is upgraded when it is first opened."""

    aside: str | None
    version: int
    generation: int


def restore(path: str, backup: str, *, actor: str, force: bool = False, lock_timeout: float = 10.0) -> Restored:
    """Put the backup in the place of the store. ``force``: although workers or others have it open; what they do until
    they notice, workers within seconds, is done to what was moved aside. Raises ``StoreError``; then nothing changed.
    """
    if is_postgres(path):
        raise StoreError(f"{shown(path)} isn't a file, which is what can be replaced here", hint=PG_DUMP)
    if path == MEMORY:
        raise StoreError("a store in memory can't be restored", hint="name a file with --store")
    if Path(path).exists() and Path(backup).exists() and os.path.samefile(path, backup):
        raise StoreError(f"{backup} is the store itself", hint="name the backup")
    lock = f"{path}.lock"
    path = os.path.realpath(path)  # a link stays one
    with ExitStack() as stack:
        source, version, generation = _looked_through(stack, backup)
        if not Path(folder_of(path)).is_dir():
            raise StoreError(f"there is no folder {folder_of(path)}", hint="make it first")
        stack.enter_context(file_lock(lock, actor=actor, host=socket.gethostname(), timeout=lock_timeout))
        part = stack.enter_context(part_of(path))
        _fill(source, path, backup, part)
        with _alone(path, force=force):
            aside = _swap(path, part, like=backup)
    return Restored(aside, version, generation)


def _looked_through(stack: ExitStack, backup: str) -> tuple[sqlite3.Connection, int, int]:
    """The backup, opened, with the version of its tables and its generation. Raises ``StoreError`` for a bad one."""
    try:
        source = stack.enter_context(opened(backup))
        with translated(backup):
            version = ours(source, backup)
            if version > KNOWN:
                raise StoreTooNew(backup, version, KNOWN)
            found = damage(source, thorough=True)
            if found:
                raise StoreError(f"{backup} is damaged ({'; '.join(found)})")
            return source, version, generation_of(source)
    except StoreTooNew:
        raise
    except StoreError as error:
        raise StoreError(f"{error.message}; nothing was restored", hint="name another backup") from error


def _fill(source: sqlite3.Connection, path: str, backup: str, part: str) -> None:
    """A copy of the backup beside the store, without the workers of back then, who would count as alive."""
    try:
        copy(source, part)
        settle(part)
        target = sqlite3.connect(part, isolation_level=None)
        try:
            if target.execute("select 1 from sqlite_master where name = 'worker'").fetchone():
                target.execute("delete from worker")
        finally:
            target.close()
        lasting(part)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"{backup} wasn't restored to {path}: {reason(error)}; the store is as it was", hint=way_out(error)
        ) from error


@contextmanager
def _alone(path: str, *, force: bool) -> Iterator[None]:
    """Nobody else has the store open inside, and all of it is in one file; with ``force`` as far as that can be.

    What is too damaged to be asked has no users.
    """
    if not Path(path).exists():
        yield
        return
    with translated(path):
        db = sqlite3.connect(
            f"{Path(path).absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_PATIENCE
        )
    try:
        _take(db, path, force=force)
        yield
    finally:
        db.close()


def _take(db: sqlite3.Connection, path: str, *, force: bool) -> None:
    try:
        if not force:
            version_of(db, path)  # what belongs to another program isn't ours to replace
            hint = "stop them first; with --force what they finish until they notice is lost to the new store"
            refuse_live(OfFile(db, path), "replaced", hint=hint)
        if db.execute("pragma journal_mode=delete").fetchone() == ("delete",):
            db.execute("begin exclusive")
            return
    except (sqlite3.DatabaseError, ValueError) as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return
    if not force:
        raise StoreInUse(
            f"the store {path} can't be replaced while another process has it open",
            hint="stop it first; with --force what it still does is done to what is moved aside",
        )
    with suppress(sqlite3.Error):
        db.execute("pragma wal_checkpoint(truncate)")


def _swap(path: str, part: str, *, like: str) -> str | None:
    """Both names are there before the old one is given to the new file. Only what was left by others that had it open,
    or by a crash of what is damaged, is moved in a step of its own: what is aside then is whole."""
    there = os.path.lexists(path)
    try:
        found = os.stat(path if there else like)
        os.chmod(part, stat.S_IMODE(found.st_mode))
        if there:
            with suppress(OSError):  # only root may give files away
                os.chown(part, found.st_uid, found.st_gid)
        aside = automatic_name(path, "before-restore") if there else None
        if aside is not None:
            _also_called(path, aside)
        for suffix in BESIDE:
            if not os.path.lexists(f"{path}{suffix}"):
                continue
            if aside is not None and suffix in LOGS:
                os.replace(f"{path}{suffix}", f"{aside}{suffix}")
            else:
                os.unlink(f"{path}{suffix}")
        os.replace(part, path)
        lasting(folder_of(path))
    except OSError as error:
        raise StoreError(f"the store {path} can't be replaced: {reason(error)}", hint=way_out(error)) from error
    return aside


def _also_called(path: str, aside: str) -> None:
    """A second name, or where the file system has no such thing a copy."""
    try:
        os.link(path, aside)
    except FileExistsError:
        raise
    except OSError:
        shutil.copy2(path, aside)
