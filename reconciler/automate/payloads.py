"""What each event tells: all the keys its payload can have. Those that an event lacks are null, never absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEALTH = {
    "systemId": "the name of the system",
    "systemName": "its title",
    "environmentId": "the name of the environment; null for the system as a whole",
    "environmentName": "its title",
    "previousStatus": "what the health was",
    "newStatus": "what it is now",
    "healthyChecks": "how many checks are healthy",
    "totalChecks": "how many checks there are",
    "timestamp": "when",
}
_INCIDENT = {
    "incidentId": "the incident",
    "title": "its headline",
    "description": "what is known",
    "severity": "minor, major or critical",
    "status": "investigating, identified, monitoring or resolved",
    "previousSeverity": "how bad it was before; null for a new one",
    "previousStatus": "where it stood before; null for a new one",
    "systemId": "the first of its systems",
    "systemIds": "the names of its systems",
    "places": "the same with environments, as `orders-api::production`, where it is about some only",
    "message": "what is new",
    "depth": "how many runs of automations led to it, one by what the other did; 0 for a person's",
    "timestamp": "when",
}
_MAINTENANCE = {
    "maintenanceId": "the maintenance",
    "title": "its headline",
    "description": "what is done",
    "status": "active, completed or cancelled",
    "systemId": "the first of its systems",
    "systemIds": "the names of its systems",
    "places": "the same with environments, as `orders-api::production`, where it is about some only",
    "startsAt": "when it began",
    "endsAt": "when it ends by itself, or ended; null where somebody has to end it",
    "recurring": "whether it comes again",
    "suppress": "whether changes of health start no automations meanwhile",
    "message": "how it went",
    "depth": "how many runs of automations led to it, one by what the other did; 0 for a person's",
    "timestamp": "when",
}

PAYLOADS: dict[str, dict[str, str]] = {
    "healthcheck.system_degraded": _HEALTH,
    "healthcheck.system_healthy": _HEALTH,
    "healthcheck.system_health_changed": _HEALTH,
    "healthcheck.check_failed": {
        "systemId": "the name of the system",
        "systemName": "its title",
        "configurationId": "the name of the check",
        "configurationName": "its title",
        "environmentId": "the name of the environment; null for a run without one",
        "status": "the outcome of the run",
        "latencyMs": "how long it took",
        "error": "what went wrong, in a sentence",
        "result": "what was measured",
        "timestamp": "when",
    },
    "incident.created": _INCIDENT,
    "incident.updated": _INCIDENT,
    "incident.resolved": _INCIDENT,
    "maintenance.started": _MAINTENANCE,
    "maintenance.completed": _MAINTENANCE,
    "automation.cron": {
        "cronPattern": "the pattern that fired",
        "timezone": "its time zone",
        "scheduledAt": "the moment it names",
        "timestamp": "when it fired",
    },
    "automation.interval": {
        "intervalSeconds": "how often it fires",
        "scheduledAt": "the moment it was due",
        "timestamp": "when it fired",
    },
    "automation.numeric_state": {
        "systemId": "the name of the system, where it is about one",
        "field": "what is watched",
        "value": "what it is",
        "above": "the bound below it",
        "below": "the bound above it",
        "timestamp": "when",
    },
    "webhook": {
        "hook": "the last part of the address that was called",
        "id": "what the sender calls this delivery",
        "headers": "some headers of the request, their names in small letters",
        "body": "what was sent: a JSON object, or the fields of a form",
    },
}
"""Event (without a version) to key to what it means."""

OPEN = frozenset({"manual"})
"""Events whose payload is whatever was sent."""


def complete(event: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload with every key that the event can have; what more it has stays."""
    return {**dict.fromkeys(PAYLOADS.get(event.partition("@")[0], ())), **payload}
