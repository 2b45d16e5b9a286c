"""A key that no event of the triggers has is told where it is read, before the night it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from reconciler.automate.context import ROOTS
from reconciler.automate.payloads import OPEN, PAYLOADS, complete
from reconciler.flows.runtime_names import unknown_names
from reconciler.kinds.blocks import KEYS
from reconciler.kinds.conditions import KEYS as CONDITIONS
from reconciler.kinds.table import EVENTS, TRIGGERS
from reconciler.kinds.validate import validate

HEALTH = "healthcheck.system_health_changed"


def told(spec: dict[str, Any]) -> list[tuple[Iterable[Any], str, str | None]]:
    whole = {"runAs": "oncall", "actions": [], **spec}
    document = {"apiVersion": "gitops/v2", "kind": "Automation", "metadata": {"name": "it"}, "spec": whole}
    validated = validate("Automation", document)
    assert validated.body, validated.faults
    found = unknown_names(document, validated.runtime_templates)
    return [(fault.path, fault.message, fault.hint) for fault in found]


def test_every_event_has_its_payload() -> None:
    assert set(PAYLOADS) | OPEN == {*EVENTS, *TRIGGERS, "manual"}
    for event, keys in PAYLOADS.items():
        assert dict.fromkeys(keys) == complete(event, {})
        assert all(text and not text.endswith(".") for text in keys.values())
    assert complete("automation.cron@1", {"timestamp": 1})["cronPattern"] is None
    assert complete("manual", {"any": 1}) == {"any": 1}
    assert complete(HEALTH, {"own": 1, "newStatus": "x"})["newStatus"] == "x"


def test_a_misspelt_key_of_a_filter_is_told() -> None:
    ((path, message, hint),) = told({"triggers": [{"event": HEALTH, "filter": "trigger.payload.newState == 'x'"}]})
    assert path == ("spec", "triggers", 0, "filter")
    assert message == f"`trigger.payload.newState` is undefined: the event {HEALTH} has no such key"
    assert hint is not None
    assert "newStatus" in hint


@pytest.mark.parametrize(
    "filter",
    [
        "trigger.payload.newStatus == 'unhealthy' and not trigger.payload.environmentId",
        "trigger.payload.nothing | default(none)",
        "trigger.payload.nothing.more | d('x') == 'x'",
        "trigger.payload.nothing is defined and trigger.payload.nothing == 1",
        "trigger.id == 'trigger.payload.nothing'",
    ],
)
def test_what_is_fine(filter: str) -> None:
    assert told({"triggers": [{"event": HEALTH, "filter": filter}]}) == []


def test_whose_event_it_is_depends_on_the_place() -> None:
    log: Callable[[str], dict[str, Any]] = lambda text: {"action": "log@1", "config": {"message": text}}  # noqa: E731
    wait = {"waitForTrigger": {"event": "incident.resolved", "filter": "trigger.payload.newStatus == 'x'"}}
    spec = {"triggers": [{"event": HEALTH}, {"event": "incident.created"}]}
    found = told({**spec, "actions": [wait, log("{{ trigger.payload.severity }} {{ trigger.payload.kind }}")]})
    assert [(path, message) for path, message, _ in found] == [
        (
            ("spec", "actions", 0, "waitForTrigger", "filter"),
            "`trigger.payload.newStatus` is undefined: the event incident.resolved has no such key",
        ),
        (
            ("spec", "actions", 1, "config", "message"),
            "`trigger.payload.kind` is undefined: the events of the triggers have no such key",
        ),
    ]
    hook = {"event": "webhook@1", "config": {"hook": "a", "token": "${{ secrets.T }}"}}
    body = log("{{ trigger.payload.body.kind }} {{ trigger.payload.hook }}")
    assert told({"triggers": [*spec["triggers"], hook], "actions": [body]}) == []
    ((_, _, hint),) = told({"triggers": [hook], "actions": [log("{{ trigger.payload.kind }}")]})
    assert hint is not None
    assert "there are hook, id, headers, body" in hint


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("triger.id == 'down'", ["triger"]),
        ("var.x == 1 or vars.y", ["var", "vars"]),
        ("var.x | default(none)", []),
        ("var is defined and var.x", []),
        ("trigger.id and variables and artifacts and repeat and now and health and state and resume", []),
    ],
)
def test_a_name_that_nothing_stands_behind_is_told(source: str, names: list[str]) -> None:
    found = told({"triggers": [{"event": HEALTH, "filter": source}]})
    assert [message for _, message, _ in found] == [f"`{name}` is undefined" for name in names]
    actions = [{"action": "log@1", "config": {"message": f"a {{{{ {source} }}}}"}}]
    assert len(told({"triggers": [{"event": HEALTH}], "actions": actions})) == len(names)


def test_the_page_tells_all_there_is() -> None:
    page = (Path(__file__).parents[3] / "examples" / "reference" / "automations.md").read_text()
    events = page.partition("## Events")[2].partition("\n## ")[0]
    for event, keys in PAYLOADS.items():
        (row,) = [line for line in events.splitlines() if line.startswith("| `") and f"`{event}`" in line]
        assert [key for key in keys if f"`{key}`" not in row] == []
    blocks = page.partition("## Blocks")[2].partition("\n## ")[0]
    assert [kind for kind in KEYS if f"| `{kind}` |" not in blocks] == []
    seen = page.partition("## What expressions see")[2].partition("\n## ")[0]
    assert [name for name in ROOTS if f"| `{name}` |" not in seen] == []
    told = page.partition("## Conditions")[2].partition("\n## ")[0]
    assert [each for each in CONDITIONS if f"`{each}`" not in told] == []
