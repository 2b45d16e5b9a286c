"""The inbox of events: a row for each thing that automations may be told of, beside changes of health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.store.database import Database
from reconciler.store.incidents import Place


def post(
    db: Database,
    name: str,
    payload: Mapping[str, Any],
    *,
    actor: str,
    context_key: str | None = None,
    automation: int = 0,
    at: float | None = None,
) -> int:
    """Put an event into the inbox, within the transaction of what it tells; returns its number.

    ``automation``: the uid of the only one it is meant for, 0 for all. ``at``: now, unless told.
    """
    sql = "insert into event (name, context_key, automation, payload, actor, at) values (?, ?, ?, ?, ?, ?) returning id"
    when = db.clock() if at is None else at
    values = (name, context_key, automation, dumps(dict(payload)).decode(), actor, when)
    return int(db.rows(sql, values)[0][0])


def about(places: Sequence[Place], otherwise: str) -> tuple[str, dict[str, Any]]:
    """The context of an event about these systems, and the part of its payload that names them."""
    systems = list(dict.fromkeys(place.system_name for place in places))
    named = {"systemId": systems[0] if systems else None, "systemIds": systems, "places": [p.name for p in places]}
    return systems[0] if len(systems) == 1 else otherwise, named


def stamp(at: float | None) -> str | None:
    """A moment as payloads tell it: ``2026-01-31T12:00:00.000Z``."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
