"""When a clock fires: patterns of minutes, hours and days in a time zone, and plain intervals.

Where clocks are set on or back, a pattern that names hours and minutes fires once for each of its days: what the day
skips comes right after the gap, and what the day has twice comes the first time. A pattern with a star for its minutes
or hours goes by real time, so that every ten minutes stay ten minutes.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from math import floor
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


@lru_cache(maxsize=4096)
def next_cron(pattern: str, timezone: str, after: float) -> float | None:
    """The first moment after ``after`` (epoch seconds); None where there is none for decades, as on 31 February."""
    return _walk(pattern, timezone, after, reverse=False)


def newest_cron(pattern: str, timezone: str, until: float) -> float | None:
    """The newest moment that isn't after ``until``."""
    return _walk(pattern, timezone, until + 1.0, reverse=True)


def newest_interval(due: float, seconds: float, until: float) -> float:
    """Of the ticks every ``seconds`` from ``due`` on, the newest that isn't after ``until``."""
    return due + max(0, floor((until - due) / seconds)) * seconds


def _walk(pattern: str, timezone: str, start: float, *, reverse: bool) -> float | None:
    zone = ZoneInfo(timezone)
    try:
        for moment in CronSim(pattern, datetime.fromtimestamp(start, zone), reverse=reverse):
            at = moment.timestamp()
            # In the hour that a day has twice, a wall clock's time may name the moment an hour ago.
            if at < start if reverse else at > start:
                return at
    except CronSimError:
        return None
    return None
