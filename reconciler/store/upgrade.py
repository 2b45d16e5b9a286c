"""The tables brought to the version of this release when somebody asks for it, a backup first.

Whoever opens a store upgrades it as well, in the same one transaction, as long as no worker of an older release is
alive; so nobody has to think of it. To ask for it adds the backup, and the choice of the moment.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

from reconciler.base.errors import StoreTooNew
from reconciler.store.address import is_postgres
from reconciler.store.backup import BackedUp, automatic_name, back_up
from reconciler.store.file import opened, ours
from reconciler.store.lock import file_lock
from reconciler.store.schema import KNOWN
from reconciler.store.sqlite import SqliteDatabase
from reconciler.store.users import OfFile, refuse_older


class Upgraded(NamedTuple):
    """From which version to which; equal where there was nothing to do. ``backup`` is None where none was made."""

    before: int
    after: int
    backup: BackedUp | None


def upgrade(path: str, *, actor: str, backup: bool = True, force: bool = False, lock_timeout: float = 10.0) -> Upgraded:
    """Upgrade the tables of a file, or of an address; a database isn't backed up first. ``force``: although workers of
    an older release are alive. Raises ``StoreError``; then the store is as it was."""
    if is_postgres(path):
        from reconciler.store.pg_examine import upgrade_server

        return Upgraded(*upgrade_server(path, force=force, lock_timeout=lock_timeout), None)
    if _version(path, force=force) == KNOWN:
        return Upgraded(KNOWN, KNOWN, None)
    with file_lock(f"{path}.lock", actor=actor, host=socket.gethostname(), timeout=lock_timeout):
        before = _version(path, force=force)
        made = back_up(path, automatic_name(path, f"version-{before}")) if backup and before < KNOWN else None
        SqliteDatabase(path, insist=force).close()
    return Upgraded(before, KNOWN, made)


def _version(path: str, *, force: bool) -> int:
    with opened(path) as db:
        found = ours(db, path)
        if found > KNOWN:
            raise StoreTooNew(path, found, KNOWN)
        if found < KNOWN and not force:
            refuse_older(OfFile(db, path), found)
    return found
