"""Housekeeping beside the work: aggregates of hours that are over, and the end of what is kept long enough.

Done in small steps when nothing is due, and now and then also when there is always something due.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.store.executing import Executing

_EVERY = 60.0
_AGAIN = 0.25
_STARVED = 5.0
_STEP = 0.02
"""Seconds that a step should take."""


class Keeping:
    """Steps as large as take about 20 ms here."""

    def __init__(self) -> None:
        self._next = time.monotonic() + 5.0
        self._condense, self._prune = 10, 200

    def step(self, executing: Executing, *, busy: bool) -> None:
        """Do a little, if it is time."""
        now = time.monotonic()
        if now < self._next or (busy and now < self._next + _STARVED):
            return
        executing.resume_expired()
        condensed = executing.condense(limit=self._condense)
        self._condense = _sized(self._condense, time.monotonic() - now)
        began = time.monotonic()
        pruned = executing.prune(limit=self._prune)
        self._prune = _sized(self._prune, time.monotonic() - began)
        self._next = time.monotonic() + (_AGAIN if condensed or pruned else _EVERY)


def _sized(limit: int, took: float) -> int:
    """What to ask for the next time."""
    if took > 1.5 * _STEP:
        return max(1, limit // 2)
    return min(5000, limit * 2) if took < _STEP / 4 else limit
