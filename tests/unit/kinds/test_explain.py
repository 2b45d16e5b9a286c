"""Explanations of fields, and the way back from a path that is no more than near."""

from __future__ import annotations

import pytest

from reconciler.base.errors import UsageError
from reconciler.kinds.explain import explain, roots


def test_a_field_is_explained_as_people_write_it() -> None:
    found = explain("Check.spec.interval")
    assert (found.type, found.required, found.default, found.examples) == ("duration", True, None, ("45s", "5m"))
    assert found.description.startswith("How often it runs.")


@pytest.mark.parametrize(
    ("path", "type_", "default"),
    [
        ("http@3.timeout", "duration", "30s"),
        ("http@3.authType", "one of none, basic, token", "none"),
        ("tcp@1.port", "whole number or template", None),
        ("http.request@1.headers", "list of map", "[]"),
        ("request@1.headers[].value", "text or null", "null"),
        ("System.spec.checks.environments", "list of text or null", "null"),
        ("metadata", "", ""),
    ],
)
def test_types_and_defaults(path: str, type_: str, default: str | None) -> None:
    if path == "metadata":
        with pytest.raises(UsageError, match="nothing called"):
            explain(path)
        return
    found = explain(path)
    assert (found.type, found.default) == (type_, default)


def test_a_list_shows_the_fields_of_its_items() -> None:
    assert [child.name for child in explain("Check.spec.collectors").children] == ["id", "type", "config", "assertions"]


def test_a_config_lists_what_can_be_pinned() -> None:
    assert "http@3" in explain("Check.spec.strategy.config").pins
    assert "webhook@1" in explain("Automation.spec.actions.config").pins
    assert "incident.created" in explain("Automation.spec.triggers.event").pins


@pytest.mark.parametrize("path", ["strategies/http", "http@3", "HTTP@3"])
def test_a_config_has_several_names(path: str) -> None:
    assert explain(path).children[0].name == "timeout"


def test_a_collector_tells_what_can_be_asserted() -> None:
    results = {field.name: operators for field, operators in explain("collectors/http.request").results}
    assert results["responseTimeMs"] == ("lessThan", "lessThanOrEqual")


def test_marks_are_told() -> None:
    assert any("{{ environment.field }}" in note for note in explain("request@1.url").notes)
    assert any("secrets.NAME" in note for note in explain("http@3.authToken").notes)
    assert "the name of a Check" in explain("System.spec.checks.check").notes


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("Chek", "did you mean Check?"),
        ("Check.spec.intervall", "did you mean interval?"),
        ("http@2", "did you mean http@3?"),
        ("query@1", "postgres.query@1"),
        ("Check.spec.strategy.config.timeout", "explain http@3.timeout"),
    ],
)
def test_a_path_that_is_near_gets_a_hint(path: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        explain(path)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("path", ["", "Check.spec.interval.below", "incident.created", "Check..spec"])
def test_what_leads_nowhere_is_a_usage_error(path: str) -> None:
    with pytest.raises(UsageError):
        explain(path)


def test_everything_can_be_explained() -> None:
    for root in roots():
        explained = explain(root)
        assert explained.description
        for child in explained.children:
            assert child.description
            assert explain(f"{root}.{child.name}").type


@pytest.mark.parametrize("path", ["healthcheck.system_degraded", "triggers/healthcheck.system_degraded"])
def test_of_an_event_without_settings_it_is_said_what_it_tells(path: str) -> None:
    with pytest.raises(UsageError, match=r"healthcheck\.system_degraded has no settings: it tells that"):
        explain(path)
