"""Incidents and maintenances as machines read them. Moments are ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.flows.incidents import Now
from reconciler.report.moments import iso
from reconciler.store.incidents import Incident, Maintenance, Update


def incident_json(found: Incident) -> dict[str, Any]:
    """One. ``automation`` is a uid; null where a person opened it."""
    return {
        "id": found.id,
        "title": found.title,
        "description": found.description,
        "severity": found.severity,
        "status": found.status,
        "systems": [place.name for place in found.systems],
        "automation": found.automation or None,
        "run": found.run or None,
        "actor": found.actor,
        "at": iso(found.at),
        "updated": iso(found.updated),
        "resolved": iso(found.resolved),
    }


def timeline_json(timeline: Sequence[Update]) -> list[dict[str, Any]]:
    """What was said of one, oldest first."""
    return [
        {"at": iso(u.at), "actor": u.actor, "status": u.status, "severity": u.severity, "message": u.message}
        for u in timeline
    ]


def maintenance_json(found: Maintenance) -> dict[str, Any]:
    """One. ``from`` and ``to`` are those of the next or current time where it recurs."""
    recurs = None
    if found.cron is not None:
        recurs = {"cron": found.cron, "durationMs": found.duration_ms, "timezone": found.timezone}
    return {
        "id": found.id,
        "title": found.title,
        "description": found.description,
        "status": found.status,
        "systems": [place.name for place in found.systems],
        "from": iso(found.starts),
        "to": iso(found.ends),
        "recurs": recurs,
        "suppress": found.suppress,
        "automation": found.automation or None,
        "run": found.run or None,
        "actor": found.actor,
        "at": iso(found.at),
        "updated": iso(found.updated),
        "ended": iso(found.ended),
    }


def now_json(now: Now) -> dict[str, Any]:
    """What an overview has beside health."""
    return {
        "incidents": [incident_json(each) for each in now.incidents],
        "maintenances": [maintenance_json(each) for each in now.maintenances],
        "deadLetters": now.dead_letters,
    }
