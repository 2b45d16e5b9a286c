"""What faults say beyond their code: hints, neighbours, and what is only a warning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.base.diagnostics import Fault, Path
from reconciler.kinds.validate import validate

Edit = Callable[..., dict[str, Any]]

REQUEST: Path = ("spec", "collectors", 0, "config")
ASSERTION: Path = ("spec", "collectors", 0, "assertions", 0)
STRATEGY: Path = ("spec", "strategy", "config")
ACTION: Path = ("spec", "actions", 0)

HINTS = [
    ("Check", ("spec", "strategy", "type"), "http", "write type: http@3"),
    ("Check", ("spec", "strategy", "type"), "htpp@3", "did you mean http@3?"),
    ("Check", ("spec", "collectors", 0, "type"), "requests@1", "did you mean request@1?"),
    ("Check", ("spec", "intervall"), "1m", "did you mean interval?"),
    ("Check", (*REQUEST, "metod"), "GET", "did you mean method?"),
    ("Check", (*ASSERTION, "field"), "statuscode", "did you mean statusCode?"),
    ("Check", ("metadata", "labels"), {"tier": 1}, 'put it in quotes: "1"'),
    ("Check", (*REQUEST, "headers", 0, "value"), "${{ secrets.A }}", "write valueFrom: {secret: NAME}"),
    ("Automation", (*ACTION, "action"), "webhok@1", "did you mean webhook@1?"),
    ("Automation", ("spec", "triggers", 0, "event"), "incident.create", "did you mean incident.created?"),
]


@pytest.mark.parametrize(("kind", "path", "value", "hint"), HINTS)
def test_a_hint_shows_the_way_out(edit: Edit, kind: str, path: Path, value: Any, hint: str) -> None:
    (fault,) = validate(kind, edit(kind, *path, to=value)).faults
    assert fault.hint is not None
    assert fault.hint.startswith(hint)


def test_an_unknown_key_points_at_the_key(edit: Edit) -> None:
    (fault,) = validate("Check", edit("Check", *REQUEST, "metod", to="GET")).faults
    assert fault.at == "key"


def test_an_unknown_kind_lists_what_there_is() -> None:
    (fault,) = validate("Chek", {}).faults
    assert (fault.code, fault.path) == ("unknown-kind", ("kind",))
    assert "did you mean Check?" in (fault.hint or "")


def test_no_fault_hides_its_neighbours(edit: Edit) -> None:
    document = edit("Check", "spec", "intervall", to="1m")
    document["metadata"]["title"] = "${{ secrets.A }}"
    document["spec"]["strategy"] = {"type": "http", "config": {"timeout": True}}
    document["spec"]["collectors"][0]["config"]["url"] = "nowhere"
    document["spec"]["collectors"][0]["assertions"].append({"field": "body", "operator": "isTrue"})
    codes = {(fault.code, fault.path[-1]) for fault in validate("Check", document).faults}
    assert codes == {
        ("unknown-key", "intervall"),
        ("secret-in-plain-field", "title"),
        ("missing-pin", "type"),
        ("wrong-type", "timeout"),
        ("bad-value", "url"),
        ("bad-operator", "operator"),
    }


def test_what_has_no_model_is_not_judged_further(edit: Edit) -> None:
    document = edit("Check", "spec", "strategy", "type", to="htpp@3")
    document["spec"]["strategy"]["config"] = {"token": "${{ secrets.A }}"}
    assert [fault.code for fault in validate("Check", document).faults] == ["unknown-strategy"]


@pytest.mark.parametrize(
    ("kind", "path", "value", "code"),
    [
        ("Check", ("metadata", "name"), "orders-", "bad-name"),
        ("Automation", ("spec", "runAs"), None, "missing-run-as"),
    ],
)
def test_what_version_1_tolerated_is_a_warning_there(edit: Edit, kind: str, path: Path, value: Any, code: str) -> None:
    result = validate(kind, edit(kind, *path, to=value), declared=1)
    assert [(fault.code, fault.severity) for fault in result.faults] == [(code, "warning")]
    assert result.body


def test_a_password_in_plain_sight_is_a_warning(edit: Edit) -> None:
    config = {"authType": "token", "authToken": "hunter2"}
    result = validate("Check", edit("Check", *STRATEGY, to=config))
    assert result.body
    assert [(each.code, each.severity, each.path) for each in result.faults] == [
        ("literal-secret", "warning", (*STRATEGY, "authToken"))
    ]
    assert all("hunter2" not in str(fault) for fault in result.faults)


def test_a_value_that_nothing_compares_with_is_a_warning(edit: Edit) -> None:
    assertion = {"field": "success", "operator": "isTrue", "value": True}
    result = validate("Check", edit("Check", *ASSERTION, to=assertion))
    assert [(fault.code, fault.severity) for fault in result.faults] == [("unused-value", "warning")]


def test_an_event_that_is_no_text_is_a_fault(edit: Edit) -> None:
    faults = validate("Automation", edit("Automation", "spec", "triggers", 0, "event", to=[])).faults
    assert [(fault.code, fault.path[-1]) for fault in faults] == [("wrong-type", "event")]


def nested(levels: int) -> Any:
    """A list in a list in a list ..."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [300, 5000])
def test_what_is_nested_too_deep_is_a_fault(edit: Edit, levels: int) -> None:
    document = edit("Environment", "spec", "fields", to={"f": nested(levels)})
    assert [fault.code for fault in validate("Environment", document).faults] == ["too-deep"]


def test_conditions_nested_too_deep_are_a_fault(edit: Edit) -> None:
    condition: Any = "x"
    for _ in range(400):
        condition = {"not": condition}
    faults = validate("Automation", edit("Automation", "spec", "conditions", to=[condition])).faults
    assert [fault.code for fault in faults] == ["too-deep"]


@pytest.mark.parametrize("path", [(1,), ("spec", True), ("metadata", "labels", 1), (*STRATEGY, 1)])
def test_a_key_that_is_no_text_is_a_fault(edit: Edit, path: tuple[Any, ...]) -> None:
    faults = validate("Check", edit("Check", *path, to="x")).faults
    assert [(fault.code, fault.path, fault.at) for fault in faults] == [("bad-key", path, "key")]


def test_a_message_does_not_flood_the_log(edit: Edit) -> None:
    for value in ("x" * 100_000, "http://" + "a." * 100_000 + "!"):
        (fault,) = validate("Check", edit("Check", *REQUEST, "url", to=value)).faults
        assert len(fault.message) < 200


def test_an_http_check_that_requests_nothing_is_a_warning(edit: Edit) -> None:
    result = validate("Check", edit("Check", "spec", "collectors", to=[]))
    assert result.body
    assert [(each.code, each.severity) for each in result.faults] == [("no-collectors", "warning")]


GOOD_ASSERTIONS = [
    {"field": "statusCode", "operator": "lessThan", "value": "500"},
    {"field": "responseTimeMs", "operator": "lessThanOrEqual", "value": 800.5},
    {"field": "body", "operator": "isEmpty"},
    {"field": "body", "operator": "matches", "value": "^ok$"},
    {"field": "success", "operator": "isTrue"},
    {"field": "body", "jsonPath": "$.items[0].name", "operator": "equals", "value": "a"},
    {"field": "body.$", "jsonPath": "$..id", "operator": "isNotEmpty"},
    {"field": "body", "jsonPath": "$.error", "operator": "equals", "value": None},
]


@pytest.mark.parametrize("assertion", GOOD_ASSERTIONS)
def test_assertions_that_can_hold(edit: Edit, assertion: dict[str, Any]) -> None:
    faults: list[Fault] = validate("Check", edit("Check", *ASSERTION, to=assertion)).faults
    assert faults == []


@pytest.mark.parametrize("value", [{}, {"spec": []}, {"metadata": 1}, {"spec": {"strategy": 5, "collectors": [7]}}])
def test_documents_of_any_shape_are_survived(value: Any) -> None:
    for kind in ("Check", "Automation", "System", "Environment", "Group", "ServiceAccount"):
        assert validate(kind, value).faults
