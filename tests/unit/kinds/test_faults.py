"""Each thing that can be wrong: its code, its path, and a way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.base.diagnostics import Path
from reconciler.kinds.validate import validate

Edit = Callable[..., dict[str, Any]]

REQUEST: Path = ("spec", "collectors", 0, "config")
ASSERTION: Path = ("spec", "collectors", 0, "assertions", 0)
STRATEGY: Path = ("spec", "strategy", "config")
ACTION: Path = ("spec", "actions", 0)
BASIC = {"authType": "basic", "authUsername": "u"}

# kind, where to edit, what to put there, the code, the path of the fault (None: where it was edited)
CASES: list[tuple[str, Path, Any, str, Path | None]] = [
    ("Check", ("apiVersion",), "gitops/v3", "unknown-value", None),
    ("Check", ("metadata", "name"), "Orders", "bad-name", None),
    ("Check", ("metadata", "name"), "orders-", "bad-name", None),
    ("Check", ("metadata", "name"), "a" * 64, "out-of-range", None),
    ("Check", ("metadata", "nmae"), "x", "unknown-key", None),
    ("Check", ("metadata", "labels"), {"tier": 1}, "wrong-type", ("metadata", "labels", "tier")),
    ("Check", ("metadata", "labels"), {"on": True}, "wrong-type", ("metadata", "labels", "on")),
    ("Check", ("metadata", "tags"), ["a", 2], "wrong-type", ("metadata", "tags", 1)),
    (
        "Check",
        ("metadata", "annotations"),
        {"gitops/protect": "yes"},
        "bad-value",
        ("metadata", "annotations", "gitops/protect"),
    ),
    ("Check", ("metadata", "renamedFrom"), "orders-http", "self-reference", None),
    ("Check", ("metadata", "title"), "${{ secrets.A }}", "secret-in-plain-field", None),
    (
        "Check",
        ("metadata", "labels"),
        {"${{ secrets.A }}": "x"},
        "secret-in-plain-field",
        ("metadata", "labels", "${{ secrets.A }}"),
    ),
    ("Check", ("spec", "intervall"), "1m", "unknown-key", None),
    ("Check", ("spec", "interval"), "soon", "bad-duration", None),
    ("Check", ("spec", "interval"), "500ms", "out-of-range", None),
    ("Check", ("spec", "interval"), True, "wrong-type", None),
    ("Check", ("spec", "interval"), "{{ environment.interval }}", "bad-value", None),
    ("Check", ("spec", "collectors"), {}, "wrong-type", None),
    ("Check", ("spec", "strategy", "type"), "http", "missing-pin", None),
    ("Check", ("spec", "strategy", "type"), "http@three", "bad-pin", None),
    ("Check", ("spec", "strategy", "type"), "http@9", "newer-version", None),
    ("Check", ("spec", "strategy", "type"), "http@1", "older-version", None),
    ("Check", ("spec", "strategy", "type"), "htp@3", "unknown-strategy", None),
    ("Check", ("spec", "collectors", 0, "type"), "request", "missing-pin", None),
    ("Check", ("spec", "collectors", 0, "type"), "lookup@1", "unknown-collector", None),
    ("Check", ("spec", "collectors", 0, "id"), "a b", "bad-format", None),
    ("Check", (*STRATEGY, "timeout"), "50ms", "out-of-range", None),
    ("Check", (*STRATEGY, "timeout"), "8", "bad-duration", None),
    ("Check", (*STRATEGY, "timeuot"), "8s", "unknown-key", None),
    ("Check", (*STRATEGY, "authType"), "Basic", "unknown-value", None),
    ("Check", STRATEGY, BASIC, "missing-key", (*STRATEGY, "authPassword")),
    ("Check", STRATEGY, {"authType": "token"}, "missing-key", (*STRATEGY, "authToken")),
    ("Check", STRATEGY, {"proxyPassword": "${{ secrets.P }}"}, "missing-key", (*STRATEGY, "proxyUsername")),
    ("Check", (*STRATEGY, "proxyUrl"), "ftp://proxy", "bad-value", None),
    (
        "Check",
        (*STRATEGY, "egressDenyCidrs"),
        ["10.0.0.0/8", "10.0.0.0/99"],
        "bad-value",
        (*STRATEGY, "egressDenyCidrs", 1),
    ),
    ("Check", (*STRATEGY, "authToken"), "${{ secret.A }}", "bad-secret", None),
    ("Check", (*STRATEGY, "authUsername"), "${{ secrets.A }}", "secret-in-plain-field", None),
    ("Check", REQUEST, {}, "missing-key", (*REQUEST, "url")),
    ("Check", (*REQUEST, "url"), "orders.example.net", "bad-value", None),
    ("Check", (*REQUEST, "url"), "https://a b/", "bad-value", None),
    ("Check", (*REQUEST, "url"), "https://a:99999/", "bad-value", None),
    ("Check", (*REQUEST, "url"), "https://x/${{ secrets.A }}", "secret-in-plain-field", None),
    ("Check", (*REQUEST, "url"), 5, "wrong-type", None),
    ("Check", (*REQUEST, "method"), "get", "unknown-value", None),
    ("Check", (*REQUEST, "headers", 0), {"name": "X"}, "conflict", None),
    (
        "Check",
        (*REQUEST, "headers", 0),
        {"name": "X", "value": "a", "valueFrom": {"secret": "A"}},
        "conflict",
        (*REQUEST, "headers", 0, "valueFrom"),
    ),
    ("Check", (*REQUEST, "headers", 0, "value"), "a\nb", "bad-value", None),
    ("Check", (*REQUEST, "headers", 0, "name"), "a b", "bad-format", None),
    (
        "Check",
        (*REQUEST, "headers", 1, "valueFrom"),
        {"secret": "9"},
        "bad-format",
        (*REQUEST, "headers", 1, "valueFrom", "secret"),
    ),
    ("Check", (*ASSERTION, "field"), "statuscode", "unknown-field", None),
    ("Check", (*ASSERTION, "operator"), "contains", "bad-operator", None),
    ("Check", (*ASSERTION, "operator"), "equal", "unknown-operator", None),
    ("Check", (*ASSERTION, "value"), None, "missing-value", None),
    ("Check", (*ASSERTION, "value"), "ok", "bad-value", None),
    ("Check", ASSERTION, {"field": "body", "operator": "matches", "value": "("}, "bad-regex", (*ASSERTION, "value")),
    (
        "Check",
        ASSERTION,
        {"field": "responseTimeMs", "operator": "lessThan", "value": -1},
        "bad-value",
        (*ASSERTION, "value"),
    ),
    (
        "Check",
        ASSERTION,
        {"field": "body", "jsonPath": "$[", "operator": "exists"},
        "bad-json-path",
        (*ASSERTION, "jsonPath"),
    ),
    (
        "Check",
        ASSERTION,
        {"field": "body", "jsonPath": "$[?@.a==1]", "operator": "exists"},
        "bad-json-path",
        (*ASSERTION, "jsonPath"),
    ),
    (
        "Check",
        ASSERTION,
        {"field": "statusCode", "jsonPath": "$.a", "operator": "exists"},
        "bad-json-path",
        (*ASSERTION, "jsonPath"),
    ),
    ("Check", ASSERTION, {"field": "body.$", "operator": "exists"}, "missing-key", (*ASSERTION, "jsonPath")),
    ("System", ("spec", "checks", 3), {"check": "orders-http"}, "duplicate", ("spec", "checks", 3, "check")),
    (
        "System",
        ("spec", "checks", 2, "environments"),
        ["a", "a"],
        "duplicate",
        ("spec", "checks", 2, "environments", 1),
    ),
    ("System", ("spec", "groups"), ["a", "b", "a"], "duplicate", ("spec", "groups", 2)),
    ("System", ("spec", "dependencies", 0, "system"), "orders-api", "self-reference", None),
    ("System", ("spec", "dependencies", 0, "impact"), "fatal", "unknown-value", None),
    ("System", ("spec", "dependencies", 0, "transitive"), "yes", "wrong-type", None),
    ("System", ("spec", "checks", 0, "thresholds", "degraded"), 0, "out-of-range", None),
    (
        "System",
        ("spec", "checks", 0, "thresholds"),
        {"mode": "window"},
        "conflict",
        ("spec", "checks", 0, "thresholds", "windowSize"),
    ),
    (
        "System",
        ("spec", "checks", 0, "thresholds"),
        {"mode": "window", "windowSize": 3},
        "conflict",
        ("spec", "checks", 0, "thresholds", "unhealthy"),
    ),
    ("System", ("spec", "fields"), {"f": float("nan")}, "bad-value", ("spec", "fields", "f")),
    ("System", ("spec", "fields"), {"f": {"g": 2**70}}, "bad-value", ("spec", "fields", "f", "g")),
    ("Environment", ("spec", "fields"), {"f": {1: "x"}}, "bad-key", ("spec", "fields", "f")),
    ("Environment", ("spec", "extends"), "production", "self-reference", None),
    ("Automation", ("spec", "triggers"), [], "out-of-range", None),
    ("Automation", ("spec", "triggers", 0, "event"), "healthcheck.down", "unknown-event", None),
    ("Automation", ("spec", "triggers", 0, "event"), "incident.created@1", "bad-pin", None),
    (
        "Automation",
        ("spec", "triggers", 0),
        {"event": "automation.interval", "config": {"intervalSeconds": 5}},
        "missing-pin",
        ("spec", "triggers", 0, "event"),
    ),
    ("Automation", ("spec", "triggers", 0, "config"), {"a": 1}, "unknown-key", None),
    ("Automation", ("spec", "triggers", 0, "for"), "31d", "out-of-range", None),
    (
        "Automation",
        ("spec", "triggers", 0),
        {"event": "automation.cron@1", "config": {"cronPattern": "* * *"}},
        "bad-cron",
        ("spec", "triggers", 0, "config", "cronPattern"),
    ),
    (
        "Automation",
        ("spec", "triggers", 0),
        {"event": "automation.numeric_state@1", "config": {"field": "x"}},
        "missing-key",
        ("spec", "triggers", 0, "config"),
    ),
    ("Automation", ("spec", "conditions"), [{"x": []}], "bad-condition", ("spec", "conditions", 0)),
    ("Automation", ("spec", "conditions"), [{"nor": []}], "unknown-key", ("spec", "conditions", 0, "nor")),
    (
        "Automation",
        ("spec", "conditions"),
        [{"time": {"after": "25:00"}}],
        "bad-format",
        ("spec", "conditions", 0, "time", "after"),
    ),
    (
        "Automation",
        ("spec", "conditions"),
        [{"not": {"time": {}}}],
        "missing-key",
        ("spec", "conditions", 0, "not", "time"),
    ),
    ("Automation", (*ACTION, "action"), "webhok@1", "unknown-action", None),
    ("Automation", (*ACTION, "config", "boddy"), "x", "unknown-key", None),
    ("Automation", (*ACTION, "config", "url"), "pager", "bad-value", None),
    ("Automation", (*ACTION, "config", "body"), "${{ secrets.A }}", "secret-in-plain-field", None),
    ("Automation", (*ACTION, "id"), "page-me", "bad-format", None),
    ("Automation", ACTION, {"delay": "1s", "stop": {}}, "bad-action", None),
    ("Automation", ACTION, {"delay": "2d"}, "out-of-range", (*ACTION, "delay")),
    (
        "Automation",
        ACTION,
        {"repeat": {"count": 1, "until": "x", "sequence": [{"stop": {}}]}},
        "conflict",
        (*ACTION, "repeat"),
    ),
    (
        "Automation",
        ACTION,
        {"sequence": [{"choose": [{"when": "x", "sequence": [{"delay": "x"}]}]}]},
        "bad-duration",
        (*ACTION, "sequence", 0, "choose", 0, "sequence", 0, "delay"),
    ),
    (
        "Automation",
        ACTION,
        {"waitForTrigger": {"event": "automation.cron@1"}},
        "bad-value",
        (*ACTION, "waitForTrigger", "event"),
    ),
    ("Automation", ACTION, {"action": "incident.create@1", "config": {"title": "x"}}, "missing-key", (*ACTION, "id")),
    ("Automation", ("spec", "actions", 1), {"id": "page", "stop": {}}, "duplicate", ("spec", "actions", 1, "id")),
    ("Automation", ("spec", "runAs"), None, "missing-run-as", (*ACTION, "action")),
]


@pytest.mark.parametrize(
    ("kind", "path", "value", "code", "at"),
    CASES,
    ids=[f"{code}-{'.'.join(map(str, at or path))}" for _, path, _, code, at in CASES],
)
def test_one_mistake_gives_one_fault(edit: Edit, kind: str, path: Path, value: Any, code: str, at: Path | None) -> None:
    result = validate(kind, edit(kind, *path, to=value))
    assert [(fault.code, fault.path) for fault in result.faults] == [(code, at or path)]
    assert result.body == b""
    assert result.faults[0].message[0] != " "
