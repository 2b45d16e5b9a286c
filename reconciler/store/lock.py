"""One apply at a time, and a sentence about who holds it.

The kernel frees a ``flock`` with its process, so a killed apply never leaves a stale lock. The lock orders applies and
names the holder; what keeps the data right is the compare-and-set inside the transaction.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from reconciler.base.canonical import dumps, loads
from reconciler.base.errors import LockHeld, StoreError

_POLL_SECONDS = 0.05
_NAME_SECONDS = 0.25
"""A holder that has the lock but hasn't written its name yet, or has just taken it away, gets so much longer."""


@contextmanager
def file_lock(
    path: str, *, actor: str, host: str, timeout: float, waiting: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold ``path`` exclusively; wait up to ``timeout`` seconds, then raise ``LockHeld`` with its holder's words."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(
            f"the lock file {path} can't be opened: {error.strerror}", hint="check the permissions"
        ) from error
    held = False
    try:
        deadline = time.monotonic() + timeout
        told = waiting is None
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = True
                break
            except OSError:
                late, holder = time.monotonic() - deadline, _holder(fd)
                if late >= (0.0 if holder else _NAME_SECONDS):
                    raise LockHeld(holder or _NAMELESS) from None
                if waiting is not None and not told:
                    told = True
                    waiting(holder or _NAMELESS)
                time.sleep(_POLL_SECONDS)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with suppress(OSError):  # a full disk must not keep an apply from telling so in its own words
            os.ftruncate(fd, 0)
            os.pwrite(fd, dumps({"actor": actor, "host": host, "pid": os.getpid(), "since": now}), 0)
        yield
    finally:
        if held:
            with suppress(OSError):
                os.ftruncate(fd, 0)
        os.close(fd)


_NAMELESS = "its holder left no name"


def _holder(fd: int) -> str:
    try:
        h = loads(os.pread(fd, 4096, 0))
        return f"{h['actor']} on {h['host']} (process {h['pid']}, since {h['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
