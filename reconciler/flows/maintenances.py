"""Planned work that comes by the clock: planned with its times, begun and ended by whoever keeps the house."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.automate.windows import Recurrence, Window
from reconciler.base.errors import GitopsError, UsageError
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


def plan_recurring(
    db: Database,
    title: str,
    recurrence: Recurrence,
    *,
    author: Author,
    systems: Sequence[str],
    suppress: bool,
    description: str = "",
) -> Maintenance:
    """Plan what recurs; it begins at once where one of its times is now. Raises ``UsageError`` for what can't be."""
    now = db.clock()
    fault = recurrence.fault(now)
    window = recurrence.first(now)
    if fault is not None or window is None:
        raise UsageError(f"this can't recur: {fault}", hint="as in --cron '0 2 * * sun' --for 2h")
    return SqlMaintenances(db).add(
        title,
        author=author,
        systems=systems,
        starts=window.starts,
        ends=window.ends,
        recurs=(recurrence.cron, recurrence.duration_ms, recurrence.timezone),
        suppress=suppress,
        description=description,
    )


def _following(due: Maintenance, now: float) -> Window | None:
    if due.cron is None or due.duration_ms is None:
        return None
    return Recurrence(due.cron, due.duration_ms, due.timezone).following(due.starts, now)
