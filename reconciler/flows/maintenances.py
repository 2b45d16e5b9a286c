"""Planned work that comes by the clock: planned with its times, begun and ended by whoever keeps the house."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reconciler.automate.windows import Recurrence, Window
from reconciler.base.errors import GitopsError, UsageError
from reconciler.flows.incidents import need_pattern, one_span, zone
from reconciler.store.database import Database
from reconciler.store.incidents import Author, Maintenance, Suppression
from reconciler.store.sql_maintenances import SqlMaintenances


def tick(db: Database) -> int:
    """Begin and end what is due by now, each once however many call this; returns how many did.

    Whoever leads calls it every few seconds. What recurs moves on to its next time; a time that passed while nobody
    called is left out, and tells nobody. One that can't be read holds up no other.
    """
    kept = SqlMaintenances(db)
    return sum(kept.turn(each, _following(each, db.clock())) for each in kept.due())


def suppression(db: Database) -> Suppression:
    """Which systems are in a maintenance now that holds changes of their health back. Ask once for a batch of them.

    Where that can't be read nothing is held back: rather a call too many than an outage that nobody hears of. What was
    held back and still holds when it is over comes once more, as a transition that isn't handled: a run that is
    recorded as skipped for it mustn't make the same event known.
    """
    try:
        return SqlMaintenances(db).suppressing()
    except GitopsError:
        return Suppression()


_SHORTEST = 1.0


class Wanted(NamedTuple):
    """A maintenance as people ask for it; moments are those of clocks in the time zone."""

    title: str
    starts: str | None = None
    ends: str | None = None
    seconds: float | None = None
    cron: str | None = None
    timezone: str = "UTC"
    suppress: bool = True
    description: str = ""


def plan(db: Database, wanted: Wanted, *, author: Author, systems: Sequence[str]) -> Maintenance:
    """Plan it; it begins at once where its time is now. Raises ``UsageError`` for what can't be."""
    now, where, recurs = db.clock(), zone(wanted.timezone), None
    if wanted.seconds is not None and wanted.seconds < _SHORTEST:
        raise UsageError("it would be over at once", hint="a maintenance takes a second at least")
    if wanted.cron is None or wanted.seconds is None:
        starts, ends = one_span(now, wanted.starts, wanted.ends, wanted.seconds, where)
    else:
        need_pattern(wanted.cron)
        recurrence = Recurrence(wanted.cron, round(wanted.seconds * 1000), wanted.timezone)
        fault, window = recurrence.fault(now), recurrence.first(now)
        if fault is not None or window is None:
            raise UsageError(f"this can't recur: {fault}", hint="as in --cron '0 2 * * sun' --for 2h")
        (starts, ends), recurs = window, recurrence
    return SqlMaintenances(db).add(
        wanted.title,
        author=author,
        systems=systems,
        starts=starts,
        ends=ends,
        recurs=recurs and (recurs.cron, recurs.duration_ms, recurs.timezone),
        suppress=wanted.suppress,
        description=wanted.description,
    )


def ahead(found: Maintenance, now: float, count: int) -> list[Window]:
    """The next times of one that recurs, the one that it is set to left out."""
    times: list[Window] = []
    if found.cron is not None and found.duration_ms is not None and found.ended is None:
        recurrence = Recurrence(found.cron, found.duration_ms, found.timezone)
        last: Window | None = recurrence.following(found.starts, now)
        while last is not None and len(times) < count:
            times.append(last)
            last = recurrence.after(last.starts)
    return times


def _following(due: Maintenance, now: float) -> Window | None:
    if due.cron is None or due.duration_ms is None:
        return None
    return Recurrence(due.cron, due.duration_ms, due.timezone).following(due.starts, now)
