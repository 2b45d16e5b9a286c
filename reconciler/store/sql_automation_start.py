"""Beginning, waking and ending runs of automations, within the transactions of others.

Whatever is decided about the runs of an automation is decided under its lock, so that the count of those that run, and
the line of those that wait for their turn, are what they seem.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.store.automating import Decided, Start, Wake
from reconciler.store.database import Database
from reconciler.store.sql_deliveries import abandon

_INSERT = (
    "insert into automation_run (automation, generation, digest, trigger_id, event, event_id, detail, context_key, "
    "lane, status, reason, created, started, ended, ready_at, lease, worker, lease_until, snapshot) "
    "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null, ?, ?, 0, '', 0, null) returning id"
)
_QUEUED = "status = 'pending' and ready_at is null and lease = 0"


def text_of(value: Mapping[str, Any] | None) -> str | None:
    """A map as it is stored."""
    return None if value is None else dumps(dict(value)).decode()


def begin(db: Database, start: Start, now: float) -> Decided:
    """Begin a run, put it in line, or record that it was skipped. Needs the lock of the automation."""
    known = "select 1 from automation_run where automation = ? and event_id = ?"
    if db.rows(known, (start.automation, start.event_id)):
        return Decided(None, "known")
    if start.refused is not None:
        return _skip(db, start, now, start.refused)
    runs = _going(db, start.automation, start.lane)
    queued = sum(1 for _, waits in runs if waits)
    if start.mode == "restart":
        cancelled = tuple(run for run, _ in runs)
        for run in cancelled:
            end(db, run, "cancelled", "a newer run took its place", now)
        return _begun(db, start, now)._replace(cancelled=cancelled)
    if start.mode == "single" and runs:
        return _skip(db, start, now, f"run {runs[0][0]} isn't over yet")
    if start.mode == "parallel" and len(runs) >= start.most:
        return _skip(db, start, now, f"{len(runs)} runs aren't over yet")
    if start.mode == "queued" and queued >= start.most:
        return _skip(db, start, now, f"{queued} runs wait for their turn already")
    if start.mode == "queued" and runs:
        return Decided(_insert(db, start, now, "pending"), "queued")
    return _begun(db, start, now)


def take(db: Database, starts: Collection[Start], wakes: Collection[Wake]) -> None:
    """Take the rows that these are going to change, in the order in which everybody takes them, so that no two wait for
    each other. Where there is one writer at a time there is nothing to take."""
    if db.dialect == "sqlite":
        return
    runs = {each.run for each in wakes}
    for start in starts:
        if start.mode == "restart":
            runs |= {run for run, _ in _going(db, start.automation, start.lane)}
    if runs:
        marks = ", ".join("?" * len(runs))
        db.rows(f"select id from automation_run where id in ({marks}) order by id for update", sorted(runs))


def wake(db: Database, each: Wake, now: float) -> None:
    """Let a run go on, where it hasn't ended. One that is under way looks again before it is put aside.

    First of all its row is taken, as by whoever keeps something of it.
    """
    db.run(
        f"update automation_run set ready_at = ? where id = ? and ended is null and not ({_QUEUED})", (now, each.run)
    )
    if each.path is not None:
        db.run(
            "update automation_wait set resumed_at = ?, payload = ? where run = ? and path = ? and resumed_at is null",
            (now, text_of(each.payload), each.run, each.path),
        )
    db.run(
        f"update automation_run set ready_at = ? where id = ? and ended is null and not ({_QUEUED})", (now, each.run)
    )


def end(db: Database, run: int, status: str, reason: str | None, now: float) -> None:
    """A run is over: what only a run that goes on needs is gone."""
    db.run(
        "update automation_run set status = ?, reason = ?, ended = ?, ready_at = null, lease = 0, worker = '', "
        "lease_until = 0, snapshot = null where id = ?",
        (status, reason, now, run),
    )
    db.run("delete from automation_wait where run = ?", (run,))
    db.run(
        "update automation_step set status = 'cancelled', ended = ? where run = ? and status in ('running', 'waiting')",
        (now, run),
    )
    abandon(db, run, now)


def next_in_line(db: Database, automation: int, lane: str, now: float) -> None:
    """After a run has ended it is the turn of the one that waits longest. Needs the lock of the automation."""
    runs = _going(db, automation, lane)
    if runs and all(waits for _, waits in runs):
        db.run("update automation_run set ready_at = ? where id = ?", (now, runs[0][0]))


def _going(db: Database, automation: int, lane: str) -> list[tuple[int, bool]]:
    """Runs that haven't ended, oldest first, and whether each waits for its turn."""
    sql = f"select id, {_QUEUED} from automation_run where automation = ? and lane = ? and ended is null order by id"
    return [(run, bool(waits)) for run, waits in db.rows(sql, (automation, lane))]


def _begun(db: Database, start: Start, now: float) -> Decided:
    return Decided(_insert(db, start, now, "pending", ready=now), "pending")


def _skip(db: Database, start: Start, now: float, reason: str) -> Decided:
    return Decided(_insert(db, start, now, "skipped", reason=reason), "skipped", reason)


def _insert(
    db: Database, start: Start, now: float, status: str, *, reason: str | None = None, ready: float | None = None
) -> int:
    ended = now if status == "skipped" else None
    values: tuple[Any, ...] = (
        *(start.automation, start.generation, start.digest, start.trigger_id, start.event_name, start.event_id),
        *(text_of(start.event), start.context_key, start.lane, status, reason, now, ended, ready),
    )
    return int(db.rows(_INSERT, values)[0][0])
