"""Follow one started process to its end: both streams, the sandbox's status, the clock."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reconciler.sandbox.output import Budget
from reconciler.sandbox.running import Running, SpawnerLost

_READ = 1 << 16
_GRACE = 10.0
"""Seconds for the end of what was killed; the kernel may be busy tearing namespaces down."""
_DRAIN = 2.0
"""Seconds for the pipes to come to their end once every process is gone."""


@dataclass(slots=True)
class Status:
    """What bubblewrap said of itself. ``exit_code`` is there only if the command was executed."""

    raw: bytes = b""
    child_pid: int | None = None
    exit_code: int | None = None

    def feed(self, data: bytes) -> None:
        """Whole lines are objects; the last one may still be coming."""
        *lines, self.raw = (self.raw + data).split(b"\n")
        for line in lines:
            said: dict[str, Any] = json.loads(line) if line.strip() else {}
            self.child_pid = said.get("child-pid", self.child_pid)
            self.exit_code = said.get("exit-code", self.exit_code)


@dataclass(slots=True)
class Followed:
    """``gone``: the spawner saw the last process of the run end."""

    timed_out: bool = False
    truncated: bool = False
    gone: bool = False
    lost: bool = False
    status: Status = field(default_factory=Status)


class Follow:
    """One run. The descriptors (stdout, stderr and, with a sandbox, status) are closed by :meth:`close`."""

    def __init__(self, running: Running, out: int, err: int, status: int | None, *, deadline: float) -> None:
        self._running, self._deadline = running, deadline
        self._open = {fd: i for i, fd in enumerate((out, err, status)) if fd is not None}
        self._poll = select.poll()
        for fd in (*self._open, running.reply):
            self._poll.register(fd, select.POLLIN)
        self.result = Followed()

    def until_child(self) -> int | None:
        """The host's pid of the first process inside, as soon as bubblewrap tells; None when there is none in time."""
        status, reply = next((fd for fd, i in self._open.items() if i == 2), None), self._running.reply
        poll = select.poll()
        for fd in (status, reply):
            if fd is not None:
                poll.register(fd, select.POLLIN)
        while self.result.status.child_pid is None and status is not None:
            ready = dict(poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000))
            if status not in ready:
                return None
            data = os.read(status, _READ)
            if not data:
                return None
            self.result.status.feed(data)
        return self.result.status.child_pid

    def to_end(self, budget: Budget) -> Followed:
        """Collect until every process is gone and every pipe is at its end. Kills when the clock or the budget is."""
        killed = False
        while self._open or not self._over:
            left = self._deadline - time.monotonic()
            late, full = left <= 0, budget.spent
            if late and (killed or self._over):
                break
            if (late or full) and not killed:
                self.result.timed_out, self.result.truncated, killed = late, full, True
                self._deadline = time.monotonic() + _GRACE
                self._running.kill()
                continue
            for fd, _ in self._poll.poll(left * 1000 + 1):
                self._ready(fd, budget)
        self.result.gone = self._running.ended is not None and not self.result.lost
        return self.result

    def close(self) -> None:
        """Give the descriptors back."""
        for fd in self._open:
            os.close(fd)
        self._open.clear()

    @property
    def _over(self) -> bool:
        return self._running.ended is not None or self.result.lost

    def _ready(self, fd: int, budget: Budget) -> None:
        if fd == self._running.reply:
            try:
                self._running.read()
            except SpawnerLost:
                self.result.lost = True
            if self.result.lost or self._running.ended is not None:
                self._poll.unregister(fd)
                self._deadline = min(self._deadline, time.monotonic() + _DRAIN)
            return
        data = os.read(fd, _READ)
        if not data:
            self._poll.unregister(fd)
            del self._open[fd]
            os.close(fd)
        elif self._open[fd] == 2:
            self.result.status.feed(data)
        else:
            budget.add(self._open[fd], data)


def wait_for(happened: Callable[[], bool], deadline: float) -> bool:
    """Look again and again, ever more slowly; False when the deadline came first."""
    pause = 0.0001
    while not happened():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.005)
    return True
