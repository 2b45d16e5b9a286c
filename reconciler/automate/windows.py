"""When planned work that recurs goes on: from a cron pattern in a time zone, for so long.

The pattern names the wall clock, the duration is real time: work of two hours that begins at 02:00 lasts two hours in
the night in which clocks are set, too. What falls into the hour that such a night skips begins right after it, and
what falls into the hour that it has twice begins once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reconciler.automate.clocks import next_cron

_LOOKED_AT = 100
"""Times that are compared to see whether they overlap."""


class Window(NamedTuple):
    """From when (epoch seconds) until just before when."""

    starts: float
    ends: float


class Recurrence(NamedTuple):
    """What recurs: a cron pattern of five fields, how long each time takes, and the zone of the pattern."""

    cron: str
    duration_ms: int
    timezone: str = "UTC"

    def at(self, when: float) -> Window | None:
        """The time that goes on at ``when``; None where none does."""
        for window in self._from(when - self.duration_ms / 1000):
            return window if window.starts <= when < window.ends else None
        return None

    def after(self, when: float) -> Window | None:
        """The first that starts after ``when``; None where the pattern names no moment any more."""
        return next(self._from(when), None)

    def following(self, last: float, now: float) -> Window | None:
        """The first one after the one that started at ``last`` which isn't over ``now``."""
        return next(self._from(max(last, now - self.duration_ms / 1000)), None)

    def first(self, when: float) -> Window | None:
        """The one that goes on at ``when``, else the next."""
        return self.at(when) or self.after(when)

    def fault(self, when: float) -> str | None:
        """Why it can't be, in a sentence: it never comes, or one time would begin before the last is over."""
        last: Window | None = None
        for count, window in enumerate(self._from(when)):
            if last is not None and window.starts < last.ends:
                minutes = (window.starts - last.starts) / 60
                return f"it comes again {minutes:.0f} minutes after it began, before it is over"
            last = window
            if count == _LOOKED_AT:
                break
        return None if last else f"{self.cron!r} names no moment that ever comes"

    def _from(self, when: float) -> Iterator[Window]:
        """Each that starts after ``when``; none where the pattern or the zone is none."""
        try:
            starts = next_cron(self.cron, self.timezone, when)
            while starts is not None:
                yield Window(starts, starts + self.duration_ms / 1000)
                starts = next_cron(self.cron, self.timezone, starts)
        except (ValueError, KeyError, OSError):
            return
