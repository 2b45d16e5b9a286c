"""Ends a run from another thread than the one that waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Stop:
    """Of one run. What was asked before the run began holds as soon as it begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kill: Callable[[], None] | None = None
        self.asked = False

    def ask(self) -> None:
        """Kill the run, and all it left. Doesn't wait for it; does nothing to one that is over."""
        with self._lock:
            self.asked = True
            kill = self._kill
        if kill is not None:
            kill()

    def attach(self, kill: Callable[[], None]) -> None:
        """The run has begun, and this ends it."""
        with self._lock:
            self._kill = kill
            asked = self.asked
        if asked:
            kill()
