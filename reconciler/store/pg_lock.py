"""One apply at a time on PostgreSQL, and a sentence about who it is.

An apply holds its lock while it plans, and while a person thinks about the plan: minutes, in which a transaction would
keep the server from cleaning up, and be ended for standing still. So the order of applies is a lock of the session. It
is on the connection that commits: when the server or the operator ends that, the lock and the work are gone together.
What keeps the data right is another lock, of the transaction of the commit, and the comparison of the generation in it.

The session's ``application_name`` tells who holds the lock, since when: everybody may read it, it needs no row that
somebody would have to tidy up, and it ends with the session.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from reconciler.base.errors import LockHeld, StoreError
from reconciler.store.database import Database
from reconciler.store.postgres import LOCK_KEY, refuse_pooler

_POLL_SECONDS = (0.02, 0.25)
"""From the first to any later look. Asking leaves no one in a queue who has died meanwhile."""
_NAME = "gitops apply"
_NAMELESS = "its holder left no name"
_BYTES = 63
_KEY = LOCK_KEY.format("'apply'")
_HOLDER = (
    "select a.application_name, a.pid from pg_locks l join pg_stat_activity a on a.pid = l.pid "
    "where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and a.datname = current_database() "
    f"and l.database = a.datid and ((l.classid::bigint << 32) | l.objid::bigint) = {_KEY}"
)


@contextmanager
def apply_lock(
    db: Database, *, actor: str, timeout: float, waiting: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold it; wait up to ``timeout`` seconds, then raise ``LockHeld`` with the holder's words. See the port."""
    refuse_pooler(db, "an apply")
    deadline = time.monotonic() + timeout
    pause, longest = _POLL_SECONDS
    while not db.rows(f"select pg_try_advisory_lock({_KEY})")[0][0]:
        holder = _holder(db)
        if time.monotonic() >= deadline:
            raise LockHeld(holder)
        if waiting is not None:
            waiting(holder)
            waiting = None
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(2 * pause, longest)
    name = f"{_NAME} {os.getpid()} {int(time.time())} {actor} on {socket.gethostname()}"
    before = db.rows("select current_setting('application_name')")[0][0]
    try:
        _call_oneself(db, name.encode()[:_BYTES].decode(errors="ignore"))
        yield
    finally:
        with suppress(StoreError):  # the lock has gone with the connection
            db.rows(f"select pg_advisory_unlock({_KEY})")
            _call_oneself(db, before)


def _call_oneself(db: Database, name: str) -> None:
    db.rows("select set_config('application_name', ?, false)", (name,))


def _holder(db: Database) -> str:
    found = db.rows(_HOLDER)
    if not found:
        return _NAMELESS
    name, backend = found[0]
    try:
        pid, since, who = name.removeprefix(f"{_NAME} ").split(" ", 2)
        told = datetime.fromtimestamp(int(since), UTC).isoformat(timespec="seconds")
        return f"{who} (process {int(pid)}, since {told})"
    except ValueError:  # it has the lock, and hasn't said its name yet
        return f"{name or _NAMELESS} (server process {backend})"
