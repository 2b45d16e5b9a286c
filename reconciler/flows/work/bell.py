"""What wakes the clerk: somebody in this process, or word from the store's server."""

from __future__ import annotations

import os
import select
import threading


class Bell:
    """An event that can be waited for together with a file descriptor. Any thread may ring; one waits."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._pipe: tuple[int, int] | None = None

    def set(self) -> None:
        """Ring."""
        if self._event.is_set():
            return
        self._event.set()
        with self._lock:
            if self._pipe is not None:
                os.write(self._pipe[1], b"!")

    def clear(self) -> None:
        """Whoever rang so far was heard. Who rings meanwhile is heard at the next time."""
        self._event.clear()
        if self._pipe is not None:
            while self._rung(self._pipe[0]):
                os.read(self._pipe[0], 64)

    def wait(self, timeout: float, beside: int | None = None) -> bool:
        """Until it rings, or there is something to read from ``beside``; returns whether it was the latter."""
        if beside is None:
            self._event.wait(timeout)
            return False
        with self._lock:
            if self._pipe is None:
                self._pipe = os.pipe()
        if self._event.is_set():
            return False
        waiting = select.poll()
        for each in (self._pipe[0], beside):
            waiting.register(each, select.POLLIN)
        return any(found == beside for found, _ in waiting.poll(max(0.0, timeout) * 1000.0))

    @staticmethod
    def _rung(pipe: int) -> bool:
        waiting = select.poll()
        waiting.register(pipe, select.POLLIN)
        return bool(waiting.poll(0))

    def close(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            pipe, self._pipe = self._pipe, None
        for each in pipe or ():
            os.close(each)
