"""What a good document becomes: its body, holes, references, secrets."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.base.canonical import loads
from reconciler.kinds.validate import validate
from reconciler.model.resource import Hole, Reference

Edit = Callable[..., dict[str, Any]]


def test_a_check_is_normalised_with_defaults_and_milliseconds(documents: dict[str, Any]) -> None:
    result = validate("Check", documents["Check"])
    spec = loads(result.body)["spec"]
    assert result.faults == []
    assert spec["interval"] == 45_000
    assert spec["strategy"]["type"] == "http@3"
    assert spec["strategy"]["config"]["timeout"] == 8_000
    assert spec["collectors"][0]["config"]["timeout"] == 30_000
    assert spec["collectors"][0]["config"]["method"] == "GET"


def test_equal_meaning_gives_equal_bytes(edit: Edit) -> None:
    bodies = {
        validate("Check", edit("Check", "spec", "interval", to=each)).body for each in ("45s", 45, "45000ms", 45.0)
    }
    assert len(bodies) == 1


def test_holes_name_their_place_and_their_check(documents: dict[str, Any]) -> None:
    at = ("spec", "collectors", 0, "config")
    assert validate("Check", documents["Check"]).holes == (
        Hole((*at, "url"), "{{ environment.baseUrl }}/ready", "url"),
        Hole((*at, "headers", 0, "value"), "{{ system.name }}", "header-value"),
    )


def test_text_that_is_not_templatable_keeps_its_braces(edit: Edit) -> None:
    result = validate("Check", edit("Check", "metadata", "description", to="{{ literally }}"))
    assert loads(result.body)["metadata"]["description"] == "{{ literally }}"
    assert len(result.holes) == 2


def test_secrets_come_from_bare_names_and_from_marked_texts(edit: Edit) -> None:
    config = {"authType": "token", "authToken": "Bearer-${{ secrets.A }}-${{secrets.B-2}}"}
    result = validate("Check", edit("Check", "spec", "strategy", "config", to=config))
    assert result.faults == []
    assert result.secrets == ("A", "B-2", "PROBE_KEY")


def test_script_variables_may_be_secret_and_may_be_public() -> None:
    document = {
        "apiVersion": "gitops/v2",
        "kind": "Check",
        "metadata": {"name": "disk"},
        "spec": {
            "interval": "1m",
            "strategy": {"type": "script@1"},
            "collectors": [
                {
                    "type": "execute@2",
                    "config": {"script": "echo {{ hi }}", "secretEnv": {"A": "${{ secrets.TOKEN }}", "B": "plain"}},
                }
            ],
        },
    }
    result = validate("Check", document)
    assert (result.faults, result.secrets, result.holes) == ([], ("TOKEN",), ())


def test_references_carry_their_paths(documents: dict[str, Any]) -> None:
    found = {(each.kind, each.name): each.path for each in validate("System", documents["System"]).references}
    assert found == {
        ("Group", "commerce"): ("spec", "groups", 0),
        ("Environment", "staging"): ("spec", "environments", 0),
        ("Environment", "production"): ("spec", "checks", 2, "environments", 0),
        ("System", "orders-db"): ("spec", "dependencies", 0, "system"),
        ("Check", "orders-http"): ("spec", "checks", 0, "check"),
        ("Check", "orders-cron"): ("spec", "checks", 1, "check"),
        ("Check", "orders-tls"): ("spec", "checks", 2, "check"),
    }


def test_no_environments_and_an_empty_list_stay_different(documents: dict[str, Any]) -> None:
    checks = loads(validate("System", documents["System"]).body)["spec"]["checks"]
    assert [each.get("environments") for each in checks] == [None, [], ["production"]]


def test_a_parent_environment_is_a_reference(documents: dict[str, Any]) -> None:
    result = validate("Environment", documents["Environment"])
    assert result.references == (Reference("Environment", "base", ("spec", "extends")),)


@pytest.mark.parametrize(("declared", "lenient"), [(1, True), (2, False)])
def test_a_service_account_may_be_missing_in_version_1(documents: dict[str, Any], declared: int, lenient: bool) -> None:
    result = validate("Automation", documents["Automation"], declared=declared)
    assert result.references == (Reference("ServiceAccount", "oncall", ("spec", "runAs"), lenient),)


def test_an_automation_tells_what_is_evaluated_at_run_time(documents: dict[str, Any]) -> None:
    result = validate("Automation", documents["Automation"])
    assert result.holes == ()
    assert result.runtime_templates == (
        (("spec", "triggers", 0, "filter"), "trigger.payload.newStatus == 'unhealthy'", "expression"),
        (("spec", "actions", 0, "config", "body"), "{{ trigger.payload.systemId }} is down", "template"),
    )


def test_nested_blocks_are_walked(edit: Edit) -> None:
    log = {"action": "log@1", "config": {"message": "{{ a }}"}}
    blocks = [
        {"choose": [{"when": {"and": ["x", {"not": "y"}]}, "sequence": [log]}], "else": [log]},
        {"parallel": [log, [log, {"delay": "{{ d }}"}]]},
        {"repeat": {"forEach": "items", "sequence": [{"sequence": [log]}]}},
        {"variables": {"v": {"deep": ["{{ b }}", "plain"]}}},
        {"waitUntil": {"condition": {"numericState": {"value": "n", "above": 1}}}},
        {"waitForTrigger": {"event": "incident.resolved", "filter": "f"}},
    ]
    result = validate("Automation", edit("Automation", "spec", "actions", to=blocks))
    assert result.faults == []
    paths = {path[2:]: (source, form) for path, source, form in result.runtime_templates if path[1] == "actions"}
    message = ("{{ a }}", "template")
    assert paths == {
        (0, "choose", 0, "when", "and", 0): ("x", "expression"),
        (0, "choose", 0, "when", "and", 1, "not"): ("y", "expression"),
        (0, "choose", 0, "sequence", 0, "config", "message"): message,
        (0, "else", 0, "config", "message"): message,
        (1, "parallel", 0, "config", "message"): message,
        (1, "parallel", 1, 0, "config", "message"): message,
        (1, "parallel", 1, 1, "delay"): ("{{ d }}", "template"),
        (2, "repeat", "forEach"): ("items", "expression"),
        (2, "repeat", "sequence", 0, "sequence", 0, "config", "message"): message,
        (3, "variables", "v", "deep", 0): ("{{ b }}", "template"),
        (4, "waitUntil", "condition", "numericState", "value"): ("n", "expression"),
        (5, "waitForTrigger", "filter"): ("f", "expression"),
    }
    assert loads(result.body)["spec"]["actions"][1]["parallel"][1][0]["config"] == {
        "level": "info",
        "message": "{{ a }}",
    }


def test_names_in_actions_are_references_unless_rendered(edit: Edit) -> None:
    config = {"system": "{{ trigger.payload.systemId }}", "check": "orders-http"}
    block = {"action": "check.run_now@1", "config": config}
    result = validate("Automation", edit("Automation", "spec", "actions", 0, to=block))
    assert [(each.kind, each.name) for each in result.references] == [
        ("ServiceAccount", "oncall"),
        ("Check", "orders-http"),
    ]


@pytest.mark.parametrize(("value", "protected"), [("true", True), ("false", False)])
def test_protection_is_an_annotation(edit: Edit, value: str, protected: bool) -> None:
    document = edit("System", "metadata", "annotations", to={"gitops/protect": value})
    assert validate("System", document).protected is protected


def test_a_former_name_is_told(edit: Edit) -> None:
    assert validate("System", edit("System", "metadata", "renamedFrom", to="orders")).renamed_from == "orders"


@pytest.mark.parametrize("kind", ["Group", "ServiceAccount", "System", "Environment"])
def test_a_spec_may_be_left_out_where_nothing_is_required(kind: str) -> None:
    document = {"apiVersion": "gitops/v2", "kind": kind, "metadata": {"name": "a"}}
    assert validate(kind, document).faults == []


@pytest.mark.parametrize("value", [True, None, 1.5, 2**63, {"a": [1, {"b": "{{ x }}"}]}])
def test_fields_of_an_environment_are_any_json(edit: Edit, value: Any) -> None:
    result = validate("Environment", edit("Environment", "spec", "fields", to={"f": value}))
    assert result.faults == []
    assert loads(result.body)["spec"]["fields"] == {"f": value}


def test_ten_thousand_checks_take_less_than_a_breath(edit: Edit) -> None:
    documents = [edit("Check", "metadata", "name", to=f"check-{index}") for index in range(1000)]
    validate("Check", documents[0])
    gc.disable()
    try:
        begin = time.process_time()
        for document in documents:
            validate("Check", document)
        spent = time.process_time() - begin
    finally:
        gc.enable()
    # 0.04 s on the machine it was measured on; the bound only has to catch an order of magnitude.
    assert spent < 0.4
