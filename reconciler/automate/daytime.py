"""Times of day and of the week, by the wall clock of a time zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo


def within(when: Mapping[str, Any], at: float) -> bool:
    """Whether the moment ``at`` lies in it: from ``after`` until just before ``before``, on one of the days.

    A span whose beginning lies behind its end goes over midnight. The day is that of the moment itself: on Saturday at
    two in the morning it is Saturday, also where the span began on Friday. What the clock shows counts, so that an hour
    which a change of the clock skips isn't there, and one that it repeats is there twice.
    """
    local = datetime.fromtimestamp(at, ZoneInfo(when["timezone"]))
    days = when.get("weekday")
    if days is not None and local.isoweekday() % 7 not in days:
        return False
    after, before = _time(when.get("after")), _time(when.get("before"))
    shown = local.time()
    if after is None or before is None:
        return (after is None or shown >= after) and (before is None or shown < before)
    if after > before:
        return shown >= after or shown < before
    return after <= shown < before


def next_change(when: Mapping[str, Any], at: float) -> float | None:
    """The first moment behind ``at`` at which :func:`within` can come out otherwise: a bound, or midnight."""
    zone = ZoneInfo(when["timezone"])
    today = datetime.fromtimestamp(at, zone).date()
    clock = [_time(when.get(key)) for key in ("after", "before")] + [time()]
    moments = []
    for days in range(3):
        day = today + timedelta(days=days)
        for each in clock:
            if each is not None:
                # An hour that is skipped maps to what the clock shows instead; one that is repeated, to both of them.
                moments += [datetime.combine(day, each, zone).replace(fold=fold).timestamp() for fold in (0, 1)]
    return min((moment for moment in moments if moment > at), default=None)


def _time(text: str | None) -> time | None:
    return None if text is None else time.fromisoformat(text)
