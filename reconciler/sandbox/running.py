"""A process that the spawner started, as the worker sees it."""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from reconciler.sandbox.lane_main import FAILED, STARTED


class SpawnerLost(Exception):
    """The spawner, or a lane of it, isn't there (any more)."""


class Ended(NamedTuple):
    """``status`` as from ``waitpid``, or None when it never started, with the number of the error."""

    status: int | None
    error: int = 0

    @property
    def code(self) -> int:
        """Exit code; negative for a signal."""
        return -1 if self.status is None else os.waitstatus_to_exitcode(self.status)


class Running:
    """A process the spawner started. ``reply`` is readable when there is something for :meth:`read`."""

    def __init__(self, kill: Callable[[], None], reply: int) -> None:
        self._kill, self.reply = kill, reply
        self.pid: int | None = None
        self.ended: Ended | None = None

    def read(self) -> None:
        """Take what the spawner said; sets :attr:`pid` or :attr:`ended`. Blocks until it says something.

        Raises :class:`SpawnerLost`.
        """
        record = os.read(self.reply, 8)
        if len(record) < 8:
            raise SpawnerLost("the spawner process ended")
        what, value = struct.unpack("<Ii", record)
        if what == STARTED:
            self.pid = value
        elif what == FAILED:
            self.ended = Ended(None, value)
        else:
            self.ended = Ended(value)

    def kill(self) -> None:
        """End it and all it left; :attr:`ended` follows."""
        with suppress(OSError, SpawnerLost):
            self._kill()

    def close(self) -> None:
        """Give the reply pipe back."""
        os.close(self.reply)


class HelperProcess:
    """A :class:`reconciler.sandbox.network.port.Helper`."""

    def __init__(self, running: Running, pid: int) -> None:
        self._running, self._pid = running, pid

    @property
    def pid(self) -> int:
        """On the host."""
        return self._pid

    def wait(self, timeout: float) -> int | None:
        """Exit code, or None when it still runs after ``timeout`` seconds."""
        poll = select.poll()
        poll.register(self._running.reply, select.POLLIN)
        while self._running.ended is None:
            if not poll.poll(timeout * 1000):
                return None
            self._running.read()
        return self._running.ended.code

    def kill(self) -> None:
        """Without waiting."""
        self._running.kill()

    def __del__(self) -> None:
        with suppress(OSError):
            self._running.close()
