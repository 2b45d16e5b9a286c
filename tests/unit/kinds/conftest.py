"""Documents to start from, as plain data."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

Doc = dict[str, Any]

CHECK: Doc = {
    "apiVersion": "gitops/v2",
    "kind": "Check",
    "metadata": {"name": "orders-http"},
    "spec": {
        "interval": "45s",
        "strategy": {"type": "http@3", "config": {"timeout": "8s"}},
        "collectors": [
            {
                "type": "request@1",
                "config": {
                    "url": "{{ environment.baseUrl }}/ready",
                    "headers": [
                        {"name": "X-Probe", "value": "{{ system.name }}"},
                        {"name": "X-Key", "valueFrom": {"secret": "PROBE_KEY"}},
                    ],
                },
                "assertions": [{"field": "statusCode", "operator": "equals", "value": 200}],
            }
        ],
    },
}
SYSTEM: Doc = {
    "apiVersion": "gitops/v2",
    "kind": "System",
    "metadata": {"name": "orders-api"},
    "spec": {
        "fields": {"runbook": "https://wiki.example.net/orders"},
        "groups": ["commerce"],
        "environments": ["staging", "production"],
        "dependencies": [{"system": "orders-db", "impact": "critical", "transitive": True}],
        "checks": [
            {"check": "orders-http", "environments": None, "thresholds": {"degraded": 2, "unhealthy": 4}},
            {"check": "orders-cron", "environments": []},
            {"check": "orders-tls", "environments": ["production"]},
        ],
    },
}
ENVIRONMENT: Doc = {
    "apiVersion": "gitops/v2",
    "kind": "Environment",
    "metadata": {"name": "production", "title": "Production"},
    "spec": {"extends": "base", "fields": {"baseUrl": "https://orders.example.net", "tier": 1}},
}
AUTOMATION: Doc = {
    "apiVersion": "gitops/v2",
    "kind": "Automation",
    "metadata": {"name": "page-when-down"},
    "spec": {
        "runAs": "oncall",
        "triggers": [
            {
                "event": "healthcheck.system_health_changed",
                "filter": "trigger.payload.newStatus == 'unhealthy'",
                "for": "5m",
            }
        ],
        "actions": [
            {
                "id": "page",
                "action": "webhook@1",
                "config": {"url": "${{ secrets.PAGER_URL }}", "body": "{{ trigger.payload.systemId }} is down"},
            }
        ],
    },
}
DOCUMENTS = {"Check": CHECK, "System": SYSTEM, "Environment": ENVIRONMENT, "Automation": AUTOMATION}


def changed(document: Doc, *path: str | int, to: Any) -> Doc:
    """A deep copy of ``document`` with ``to`` at ``path``; an index at the end of a list appends."""
    copied = copy.deepcopy(document)
    place: Any = copied
    for step in path[:-1]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    if isinstance(place, list) and path[-1] == len(place):
        place.append(to)
    else:
        place[path[-1]] = to
    return copied


@pytest.fixture
def edit() -> Callable[..., Doc]:
    """``edit(kind, *path, to=value)``: the example of that kind, changed in one place."""

    def _edit(kind: str, *path: str | int, to: Any) -> Doc:
        return changed(DOCUMENTS[kind], *path, to=to)

    return _edit


@pytest.fixture
def documents() -> dict[str, Doc]:
    """Good examples by kind; copies."""
    return copy.deepcopy(DOCUMENTS)
