"""What was sent, and what wasn't: a row for each action that leaves the host, under the key that it carries.

The row is written before anything is sent, so that whoever comes after a crash knows of it; once it says ``delivered``,
nothing is sent under that key again. Nothing in it holds a secret's value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reconciler.base.canonical import dumps, loads
from reconciler.store.database import Database

Status = Literal["pending", "delivered", "dead"]
ENDED = "its run ended before it was sent"
_COLUMNS = (
    "id, key, run, path, automation, action, target, request, status, attempts, next_at, response, error, created, "
    "updated"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row. ``request`` is what it takes to send it again, with references instead of secrets; ``response`` is what
    was answered last. ``next_at``: when the next attempt is due. Times are epoch seconds by the store's clock."""

    id: int
    key: str
    run: int
    path: str
    automation: int
    action: str
    target: str
    request: Mapping[str, Any]
    status: Status
    attempts: int
    next_at: float | None
    response: Mapping[str, Any]
    error: str | None
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is about to be sent for the first time."""

    key: str
    run: int
    path: str
    automation: int
    action: str
    target: str
    request: Mapping[str, Any]


def begin(db: Database, outgoing: Outgoing) -> Delivery:
    """One more attempt begins, unless the row says that it was delivered, or given up: then it comes back as it is.

    What a power cut takes away here and in :func:`end` is sent again under the same key; what was kept of the run after
    it lasts, and makes this last as well.
    """
    with db.transaction(lasting=False):
        now = db.clock()
        db.run(
            "insert into delivery (key, run, path, automation, action, target, request, status, attempts, created, "
            "updated) values (?, ?, ?, ?, ?, ?, ?, 'pending', 0, ?, ?) on conflict (key) do nothing",
            (*_start(outgoing), now, now),
        )
        db.run(
            "update delivery set attempts = attempts + 1, next_at = null, updated = ? "
            "where key = ? and status = 'pending'",
            (now, outgoing.key),
        )
        return _one(db, "key = ?", outgoing.key)


def end(
    db: Database,
    key: str,
    status: Status,
    *,
    response: Mapping[str, Any] | None = None,
    error: str | None = None,
    after: float | None = None,
) -> None:
    """What came of an attempt; ``after`` so many seconds there is another one."""
    with db.transaction(lasting=False):
        now = db.clock()
        db.run(
            "update delivery set status = ?, response = ?, error = ?, next_at = ?, updated = ? where key = ?",
            (status, _text(response), error, None if after is None else now + after, now, key),
        )


def retake(db: Database, row: Delivery) -> bool:
    """Take a dead row to send it again; False where somebody else has it by now. It stays dead until that has worked,
    so that a crash on the way loses nothing."""
    with db.transaction():
        changed = db.run(
            "update delivery set attempts = attempts + 1, updated = ? where id = ? and status = 'dead' "
            "and attempts = ?",
            (db.clock(), row.id, row.attempts),
        )
        return changed.rowcount > 0


def abandon(db: Database, run: int, now: float) -> None:
    """The run has ended and won't try again: what it still wanted to send is dead. Needs a transaction."""
    db.run(
        "update delivery set status = 'dead', next_at = null, error = coalesce(error, ?), updated = ? "
        "where run = ? and status = 'pending'",
        (ENDED, now, run),
    )


def find(db: Database, key: str) -> Delivery | None:
    """The row of a key."""
    found = _rows(db, "key = ?", (key,), 1)
    return found[0] if found else None


def get(db: Database, ids: Collection[int]) -> list[Delivery]:
    """Rows by their ids, in that order; those that aren't there are left out."""
    found = {row.id: row for each in dict.fromkeys(ids) for row in _rows(db, "id = ?", (each,), 1)}
    return [found[each] for each in ids if each in found]


def listed(db: Database, *, status: Status | None = None, limit: int = 50) -> list[Delivery]:
    """Newest first."""
    return _rows(db, "1 = 1", (), limit) if status is None else _rows(db, "status = ?", (status,), limit)


def dead_letters(db: Database) -> int:
    """How many there are."""
    return int(db.rows("select count(*) from delivery where status = 'dead'")[0][0])


def _start(outgoing: Outgoing) -> tuple[Any, ...]:
    return (
        *(outgoing.key, outgoing.run, outgoing.path, outgoing.automation),
        *(outgoing.action, outgoing.target, dumps(dict(outgoing.request)).decode()),
    )


def _one(db: Database, where: str, value: Any) -> Delivery:
    return _rows(db, where, (value,), 1)[0]


def _rows(db: Database, where: str, values: tuple[Any, ...], limit: int) -> list[Delivery]:
    sql = f"select {_COLUMNS} from delivery where {where} order by id desc limit ?"
    return [_delivery(row) for row in db.rows(sql, (*values, limit))]


def _delivery(row: tuple[Any, ...]) -> Delivery:
    values = list(row)
    values[7] = loads(row[7])
    values[11] = loads(row[11]) if row[11] else {}
    return Delivery(*values)


def _text(response: Mapping[str, Any] | None) -> str | None:
    return None if response is None else dumps(dict(response)).decode()
