"""The table of return values, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.sandbox.runners.values import Meaning, Unusable, meaning


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (None, Meaning(True)),
        (True, Meaning(True)),
        (False, Meaning(False)),
        (0, Meaning(True, value=0)),
        (-2.5, Meaning(True, value=-2.5)),
        (2**63, Meaning(True, value=float(2**63))),
        ({}, Meaning(True)),
        ({"success": None, "message": None, "value": None}, Meaning(True)),
        ({"success": False, "message": "m", "value": 3}, Meaning(False, "m", 3)),
        ({"message": ""}, Meaning(True, "")),
        ({"message": 5}, Meaning(True, "5")),
        ({"message": {"a": "é"}}, Meaning(True, '{"a": "é"}')),
        ({"value": 1, "other": [1]}, Meaning(True, value=1)),
        ("text", Meaning(True, "text")),
        ("", Meaning(True, "")),
        ([1, "é"], Meaning(True, '[1, "é"]')),
    ],
)
def test_rows(returned: Any, expected: Meaning) -> None:
    assert meaning(returned) == expected


@pytest.mark.parametrize("value", ["7", True, [1], float("nan"), float("inf"), 10**400])
def test_a_value_that_is_no_number_is_left_out_and_said(value: Any) -> None:
    found = meaning({"value": value})
    assert (found.success, found.value, len(found.notes)) == (True, None, 1)


@pytest.mark.parametrize("returned", [float("nan"), float("-inf"), {"success": "false"}, {"success": 0}, 10**400])
def test_what_is_no_result_raises(returned: Any) -> None:
    with pytest.raises(Unusable):
        meaning(returned)


def test_too_deep_to_write_down() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Unusable):
        meaning(deep)
    while deep:  # taken apart by hand: the interpreter would recurse
        deep = deep.pop()
