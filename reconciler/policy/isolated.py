"""Work on behalf of people who aren't trusted, in a process of its own that may die.

An expression of a pull request can ask for any amount of time and memory, or find a defect of a library; neither has
an interruption. So such work runs in a forked child with a deadline and a limit of memory. It tells what it is at, so
that its end can be blamed on a rule.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

MEMORY = 256 * 1024 * 1024
"""What the child may take beside what it shares with its parent."""
_MARK = struct.Struct("qq")

Mark = Callable[[int, int], None]
"""Notes two numbers: which rule is at work, on which subject."""


class Ended(NamedTuple):
    """What the child said. ``why`` is None when it came to its end; else ``at`` is what it was at."""

    rows: list[Any]
    why: str | None = None
    at: tuple[int, int] = (-1, -1)


def isolated(work: Callable[[Mark], Iterable[Any]], *, seconds: float) -> Ended:
    """Every row of ``work``, which must be plain JSON, in order. Raises ``OSError`` where no process can be started."""
    shared = mmap.mmap(-1, _MARK.size)
    shared[:] = _MARK.pack(-1, -1)
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid == 0:
        os.close(reader)
        _child(work, writer, shared, seconds)
    os.close(writer)
    try:
        text, late = _collect(reader, time.monotonic() + seconds)
    finally:
        os.close(reader)
        if not _gone(pid):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    rows = [json.loads(line) for line in text.split(b"\n") if line.endswith((b"]", b"}"))]
    at = _MARK.unpack(shared[:])
    shared.close()
    if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)):
        return Ended(rows, "it took too long", at)
    if os.WIFSIGNALED(status):
        return Ended(rows, "it asked for too much memory, or nests too deep", at)
    return Ended(rows, None if status == 0 else "it asked for too much memory", at)


def _child(work: Callable[[Mark], Iterable[Any]], writer: int, shared: mmap.mmap, seconds: float) -> None:
    """Never returns into its parent's code."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        cpu = int(seconds) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
        if sys.platform == "linux":
            most = _size() + MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        faulthandler.disable()
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):  # what a library prints as it dies is of no use to anybody
            os.dup2(null, number)

        def mark(rule: int, subject: int) -> None:
            shared[:] = _MARK.pack(rule, subject)

        with os.fdopen(writer, "wb", buffering=0) as pipe:  # what was found counts, however it ends
            for row in work(mark):
                pipe.write(json.dumps(row).encode() + b"\n")
        os._exit(0)
    finally:
        os._exit(1)


def _collect(reader: int, deadline: float) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return b"".join(parts), True
        part = os.read(reader, 1 << 16)
        if not part:
            return b"".join(parts), False
        parts.append(part)


def _gone(pid: int) -> bool:
    """Whether it ended by itself, soon after it closed its end of the pipe; it isn't reaped yet."""
    until = time.monotonic() + 1
    while time.monotonic() < until:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            return True
        time.sleep(0.001)
    return False


def _size() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * mmap.PAGESIZE
