"""JSONPath inside a field: where it leads, and why it fails where it can't be judged."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from reconciler.execute import jsonpath
from reconciler.execute.assertions import compiled, judge
from reconciler.execute.convert import MISSING
from reconciler.kinds.results import RESULTS
from reconciler.model.run import Verdict

DOCUMENT = {
    "ready": True,
    "items": [{"id": 1, "tags": ["a", "b"]}, {"id": 2, "tags": []}],
    "length": 7,
    "deep": {"items": {"length": "own"}, "name": "née", "odd key": 1, "0": "zero"},
    "none": None,
}


def judged(path: str | None, operator: str, value: Any = None, body: Any = None, field: str = "body") -> Verdict:
    """One JSONPath assertion over an HTTP body, by default :data:`DOCUMENT` as text."""
    assertion = {"field": field, "operator": operator, "value": value}
    if path is not None:
        assertion["jsonPath"] = path
    body = json.dumps(DOCUMENT) if body is None else body
    return judge(compiled([assertion], RESULTS["http.request"]), {"body": body})[0]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", DOCUMENT),
        ("$.ready", True),
        ("$['deep']['odd key']", 1),
        ("$.items[0].id", 1),
        ("$.items[-1].id", 2),
        ("$.items[5].id", MISSING),
        ("$.items[0:1]", [DOCUMENT["items"][0]]),  # type: ignore[index]
        ("$.items[::-1].id", [2, 1]),
        ("$.items[*].id", [1, 2]),
        ("$.items[0, 1].id", [1, 2]),
        ("$..id", [1, 2]),
        ("$.items..tags[*]", ["a", "b"]),
        ("$.items.length", 2),
        ("$.items[0].tags.length", 2),
        ("$.deep.name.length", 3),
        ("$.length", 7),
        ("$.deep.items.length", "own"),
        ("$.ready.length", MISSING),
        ("$.items[*].length", MISSING),
        ("$.deep['0']", "zero"),
        ("$.none", None),
        ("$.none.x", MISSING),
        ("$.absent", MISSING),
        ("$..absent", MISSING),
    ],
)
def test_where_paths_lead(path: str, found: Any) -> None:
    assert jsonpath.compiled(path).find(DOCUMENT) == found


@pytest.mark.parametrize(
    ("path", "operator", "value"),
    [
        ("$.items.length", "equals", 2),
        ("$.items.length", "greaterThan", 1),
        ("$.ready", "equals", True),
        ("$.ready", "equals", "true"),
        ("$.none", "notExists", None),
        ("$.absent", "notExists", None),
        ("$.items[1].tags", "isEmpty", None),
        ("$.deep", "isNotEmpty", None),
        ("$.none", "equals", None),
        ("$.items[*].id", "equals", "1,2"),
    ],
)
def test_what_holds(path: str, operator: str, value: Any) -> None:
    assert judged(path, operator, value).passed
    assert judged(path, operator, value, field="body.$").passed
    assert judged(path, operator, value, DOCUMENT).passed, "a field that is an object already"


@pytest.mark.parametrize("operator", ["exists", "notExists", "equals", "notEquals", "isEmpty", "lessThan"])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<html>", "the field is not valid JSON"),
        ("", "the field is not valid JSON"),
        ('{"a": NaN}', "the field is not valid JSON"),
        ('{"a": 1', "the field is not valid JSON"),
        ("[" * 200_000, "the field is not valid JSON"),
        ('"\\ud800"', "the field is not valid JSON"),
        ('"\ud800"', "the field is not valid JSON"),
    ],
)
def test_what_is_no_json_fails_closed(operator: str, body: str, reason: str) -> None:
    found = judged("$.error", operator, "x", body)
    assert (found.passed, found.reason) == (False, reason)


def test_field_without_a_value_fails_closed() -> None:
    prepared = compiled([{"field": "body", "jsonPath": "$.error", "operator": "notExists"}], RESULTS["http.request"])
    for result in ({}, {"body": None}):
        verdict = judge(prepared, result)[0]
        assert (verdict.passed, verdict.reason, verdict.actual) == (False, "the field has no value", None)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (None, "the JSONPath expression is missing"),
        ("", "the JSONPath expression is missing"),
        ("  ", "the JSONPath expression is missing"),
        ("$.[", "is no JSONPath"),
        ("ready", "is no JSONPath"),
        ("$.deep.0", "is no JSONPath"),
        ("$.items[?@.id == 1]", "holds a filter"),
        ("$.items[?(@.id)]", "holds a filter"),
        ("$[(1+1)]", "is no JSONPath"),
    ],
)
def test_bad_paths_fail_with_their_reason(path: str | None, reason: str) -> None:
    found = judged(path, "notExists", field="body.$")
    assert not found.passed
    assert found.reason is not None
    assert reason in found.reason


@pytest.mark.parametrize("path", ["$..*..*..*", "$..[*]..[*]..x", "$..*", "$..x..y..z..a"])
def test_work_is_bounded(path: str) -> None:
    wide = json.dumps([[[[1] * 20] * 20] * 20] * 20)
    began = time.perf_counter()
    found = judged(path, "exists", body=wide)
    assert time.perf_counter() - began < 2
    assert (found.passed, found.reason) == (False, "the JSONPath looks at more than 100000 values")


def test_deep_documents_are_walked() -> None:
    found = judged("$..x", "equals", 1, body="[" * 900 + '{"x": 1}' + "]" * 900)
    assert found.passed
