"""The variables of a check's script."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.sandbox.runners.variables import Subject, as_text, upper_snake, variables

SUBJECT = Subject("ready", "Ready", 30.0, "shop", "The shop", "prod", "Production")


def test_all_of_them() -> None:
    assert variables(SUBJECT, {"baseUrl": "https://x", "tier": 1}).values == {
        "CHECKSTACK_CHECK_ID": "ready",
        "CHECKSTACK_CHECK_NAME": "Ready",
        "CHECKSTACK_CHECK_INTERVAL_SECONDS": "30",
        "CHECKSTACK_SYSTEM_ID": "shop",
        "CHECKSTACK_SYSTEM_NAME": "The shop",
        "CHECKSTACK_ENV_ID": "prod",
        "CHECKSTACK_ENV_NAME": "Production",
        "CHECKSTACK_ENV_BASE_URL": "https://x",
        "CHECKSTACK_ENV_TIER": "1",
    }


def test_without_an_environment() -> None:
    found = variables(Subject("c", "C", 60, "s", "S"), {"a": 1})
    assert not any(name.startswith("CHECKSTACK_ENV_") for name in found.values)


def test_later_groups_win() -> None:
    env = {"CHECKSTACK_SYSTEM_ID": "mine", "A": "1", "B": "1"}
    found = variables(SUBJECT, env=env, secret_env={"B": "2", "CHECKSTACK_CHECK_ID": "secret"}).values
    assert (found["CHECKSTACK_SYSTEM_ID"], found["CHECKSTACK_CHECK_ID"], found["A"], found["B"]) == (
        *("mine", "secret"),
        *("1", "2"),
    )


def test_the_first_of_equal_names_wins_with_a_warning() -> None:
    found = variables(SUBJECT, {"baseUrl": "1", "base_url": "2", "base-url": "3", "Name": "x", "id": "y", "--": "z"})
    assert found.values["CHECKSTACK_ENV_BASE_URL"] == "1"
    assert (found.values["CHECKSTACK_ENV_NAME"], found.values["CHECKSTACK_ENV_ID"]) == ("Production", "prod")
    assert found.warnings == (
        "the field 'base_url' has no variable: CHECKSTACK_ENV_BASE_URL is that of 'baseUrl'",
        "the field 'base-url' has no variable: CHECKSTACK_ENV_BASE_URL is that of 'baseUrl'",
        "the field 'Name' has no variable: CHECKSTACK_ENV_NAME is that of 'name'",
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("region", "REGION"),
        ("baseUrl", "BASE_URL"),
        ("base--url", "BASE_URL"),
        ("_base.url_", "BASE_URL"),
        ("HTTPServer", "HTTP_SERVER"),
        ("v2Url", "V2_URL"),
        ("größe", "GR_E"),
        ("…", ""),
        ("", ""),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert upper_snake(name) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (2, "2"),
        (2.0, "2"),
        (2.5, "2.5"),
        ("a b", "a b"),
        ("a\0b", "ab"),
        ([1, "x"], '[1,"x"]'),
        ({"b": 1, "a": None}, '{"a":null,"b":1}'),
    ],
)
def test_values(value: Any, expected: str) -> None:
    assert as_text(value) == expected
