"""What came in by webhooks: each once, together with its event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.base.canonical import digest
from reconciler.base.errors import StoreError
from reconciler.store.database import Database
from reconciler.store.posting import post_event

EVENT = "webhook"


class Taken(NamedTuple):
    """The events that tell of it; ``new``: of one at least it is the first time."""

    events: tuple[int, ...]
    new: bool


class Full(StoreError):
    """Nobody handles what came in, so that no more is taken."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most:,} events wait to be handled", hint="start a gitops worker")


def take(
    db: Database,
    hook: str,
    payload: Mapping[str, Any],
    meant_for: Sequence[tuple[int, Sequence[str]]],
    *,
    actor: str,
    remember: float,
    most: int,
) -> Taken:
    """Post an event for each of these automations (uid, marks of what was sent) that hasn't had it, durably.

    Marks are forgotten after ``remember`` seconds. Raises :class:`Full` where ``most`` events wait already.
    """
    with db.transaction(locks=("webhooks",)):
        now = db.clock()
        db.run("delete from webhook_seen where at < ?", (now - remember,))
        waiting = "select count(*) from (select 1 from event where handled_at is null limit ?) as waiting"
        if int(db.rows(waiting, (most,))[0][0]) >= most:
            raise Full(most)
        events, new = [], False
        for automation, marks in meant_for:
            digests = [digest(hook.encode(), mark.encode("utf-8", "replace")) for mark in marks]
            event = _seen(db, automation, digests)
            if event is None:
                event = post_event(db, EVENT, payload, context_key=hook, actor=actor, automation=automation)
                new = True
            db.many(
                "insert into webhook_seen (automation, digest, at, event) values (?, ?, ?, ?) on conflict do nothing",
                [(automation, each, now, event) for each in digests],
            )
            events.append(event)
    return Taken(tuple(events), new)


def _seen(db: Database, automation: int, digests: Sequence[str]) -> int | None:
    sql = "select event from webhook_seen where automation = ? and digest = ?"
    return next((int(row[0]) for each in digests for row in db.rows(sql, (automation, each))), None)
