"""Every row of the reference's table of operators, and what each makes of values of other types."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.execute.assertions import compiled, judge
from reconciler.kinds.results import OPERATORS, ResultField, ResultType
from reconciler.model.run import Verdict

_FIELDS = (
    ResultField("number", "number", ""),
    ResultField("time", "time", ""),
    ResultField("string", "string", ""),
    ResultField("boolean", "boolean", ""),
    ResultField("array", "array", ""),
    ResultField("enum", "enum", "", values=("A", "B")),
)
NOTHING = object()


def verdict(kind: ResultType, operator: str, value: Any, found: Any, path: str | None = "$.v") -> Verdict:
    """The judgement of one assertion over a result with one field."""
    assertion: dict[str, Any] = {"field": kind, "operator": operator}
    if value is not None:
        assertion["value"] = value
    result: dict[str, Any] = {} if found is NOTHING else {str(kind): found}
    if kind == "dynamic":
        assertion |= {"field": "string", "jsonPath": path}
        result = {"string": {} if found is NOTHING else {"v": found}}
    return judge(compiled([assertion], _FIELDS), result)[0]


# type, operator, value, what passes, what fails
_TABLE: list[tuple[ResultType, str, Any, list[Any], list[Any]]] = [
    ("number", "equals", 200, [200, 200.0, "200", " 200 ", "2e2", "0xc8"], [201, None, NOTHING, "x", "200x", [], {}]),
    ("number", "equals", "200", [200, "200.0"], [404]),
    ("number", "equals", 0, [0, "", " ", -0.0, False], [None, 1, "-"]),
    ("number", "equals", 1, [1, 1.0, "1", True, [1]], [[1, 1], {"a": 1}, "one", float("nan")]),
    ("number", "notEquals", 200, [404, "404", 200.5], [200, "200", None, NOTHING, "x", float("nan")]),
    ("number", "lessThan", 5, [4, 4.9, "4", "", -1e9], [5, 6, None, NOTHING, "x", float("inf")]),
    ("number", "lessThanOrEqual", 5, [5, "5.0", 4], [5.1, None]),
    ("number", "greaterThan", 5, [6, "6", 5.01, float("inf"), "Infinity"], [5, 4, None, "x", {}]),
    ("number", "greaterThanOrEqual", 5, [5, 6], [4.9, None, NOTHING]),
    ("number", "lessThan", "abc", [], [1, 0]),
    ("time", "lessThan", 100, [99.9, 0], [100, 101, None, NOTHING]),
    ("time", "lessThanOrEqual", 100, [100, 0], [100.01, None]),
    ("string", "equals", "ok", ["ok"], ["OK", "ok ", "", None, NOTHING]),
    ("string", "equals", 200, ["200", 200, 200.0], ["200.0", True]),
    ("string", "equals", True, ["true", True], ["True", 1]),
    ("string", "equals", "1", [1, 1.0], [True, 1.5]),
    ("string", "notEquals", "ok", ["no", "", None, NOTHING], ["ok"]),
    ("string", "contains", "rea", ["ready", "area"], ["READY", "", None, NOTHING]),
    ("string", "contains", 20, ["200", 1200], ["2 0"]),
    ("string", "startsWith", "re", ["ready"], ["already", None, ""]),
    ("string", "endsWith", "dy", ["ready"], ["ready ", None]),
    ("string", "matches", "^rea.*y$", ["ready", "reality"], ["READY", "", None, NOTHING]),
    ("string", "matches", r"\d{3}", ["abc123"], ["abc12", "١٢٣"]),
    ("string", "matches", "(?!x)ready(?<=dy)", ["is ready"], ["is not"]),
    ("string", "matches", r"(a)(b)\1", ["aba"], ["abb"]),
    ("string", "isEmpty", None, ["", " \n\t", None, NOTHING, 0, False], ["x", " x ", 1, True]),
    ("boolean", "isTrue", None, [True], [False, 1, "true", None, NOTHING, "1"]),
    ("boolean", "isFalse", None, [False], [True, 0, "", "false", None, NOTHING]),
    ("array", "includes", "b", [["a", "b"]], [["a"], [], ["bb"], None, NOTHING, "b", {"b": 1}]),
    ("array", "includes", 1, [["1"], [1], [1.0]], [[True], [[2]], ["1.0"]]),
    ("array", "notIncludes", "b", [["a"], []], [["b"], None, NOTHING, "a"]),
    ("array", "lengthEquals", 2, [["a", "b"]], [["a"], [], None, NOTHING, "ab", 2]),
    ("array", "lengthGreaterThan", 1, [["a", "b"]], [["a"], None, "ab"]),
    ("array", "lengthLessThan", 1, [[]], [["a"], None, NOTHING, ""]),
    ("array", "isEmpty", None, [[]], [["a"], None, NOTHING, "", {}]),
    ("array", "isNotEmpty", None, [["a"], [None]], [[], None, NOTHING, "a"]),
    ("array", "exists", None, [[], ["a"]], [None, NOTHING]),
    ("array", "notExists", None, [None, NOTHING], [[], ["a"]]),
    ("enum", "equals", "A", ["A"], ["B", "a", None, NOTHING]),
    ("dynamic", "equals", "200", ["200", 200, 200.0], [201, None, NOTHING, [200, 1]]),
    ("dynamic", "equals", True, [True, "true"], [1, "True", False, NOTHING]),
    ("dynamic", "equals", "a,b", [["a", "b"]], [["a"]]),
    ("dynamic", "notEquals", "x", ["y", None, NOTHING, 1], ["x"]),
    ("dynamic", "contains", "x", ["axb", ["x"]], ["ab", None, NOTHING]),
    ("dynamic", "startsWith", "a", ["ab"], ["ba", None, NOTHING]),
    ("dynamic", "endsWith", "b", ["ab"], ["ba", NOTHING]),
    ("dynamic", "matches", "a.b", ["xaxb"], ["ab", NOTHING, None]),
    ("dynamic", "exists", None, [0, False, "", [], {}], [None, NOTHING]),
    ("dynamic", "notExists", None, [None, NOTHING], [0, False, "", [], {}]),
    ("dynamic", "lessThan", 5, [4, "4", ""], [5, None, NOTHING, "x", {}]),
    ("dynamic", "lessThanOrEqual", 5, [5], [6, None, NOTHING]),
    ("dynamic", "greaterThan", 5, [6], [5, None, NOTHING]),
    ("dynamic", "greaterThanOrEqual", 5, [5], [4, None, NOTHING]),
    ("dynamic", "isEmpty", None, [[], {}, "", " "], [[1], {"a": 1}, "a", None, NOTHING, 0]),
    ("dynamic", "isNotEmpty", None, [[1], {"a": 1}, "a"], [[], {}, "", None, NOTHING, 1]),
]


@pytest.mark.parametrize(("kind", "operator", "value", "passes", "fails"), _TABLE)
def test_row(kind: ResultType, operator: str, value: Any, passes: list[Any], fails: list[Any]) -> None:
    for found in passes:
        assert verdict(kind, operator, value, found).passed, found
    for found in fails:
        assert not verdict(kind, operator, value, found).passed, found


def test_table_is_whole() -> None:
    assert {(kind, operator) for kind, operator, *_ in _TABLE} == {
        (kind, operator) for kind, operators in OPERATORS.items() for operator in operators
    }


def test_operators_fit_their_type_only() -> None:
    for kind, operators in OPERATORS.items():
        for operator in {each for all_ in OPERATORS.values() for each in all_} - set(operators):
            found = verdict(kind, operator, 1, 1)
            assert not found.passed
            assert found.reason == f"{operator} doesn't fit a field of the type {kind}"


def test_what_is_unknown_fails() -> None:
    assert verdict("number", "resembles", 1, 1).reason == "there is no operator resembles"
    unknown = judge(compiled([{"field": "other", "operator": "exists"}], _FIELDS), {"other": 1})[0]
    assert (unknown.passed, unknown.reason) == (False, "the result has no field other")


def test_result_nobody_describes_is_judged_by_its_values() -> None:
    assertions: list[dict[str, Any]] = [
        {"field": "n", "operator": "lessThan", "value": 5},
        {"field": "list", "operator": "includes", "value": "a"},
        {"field": "n", "operator": "equals", "value": "3"},
        {"field": "absent", "operator": "notExists"},
        {"field": "absent", "operator": "isEmpty"},
    ]
    found = judge(compiled(assertions, None), {"n": 3, "list": ["a"]})
    assert [v.passed for v in found] == [True, True, True, True, False]


def test_all_are_judged_and_tell_what_they_found() -> None:
    assertions: list[dict[str, Any]] = [
        {"field": "number", "operator": "equals", "value": 404},
        {"field": "string.$", "jsonPath": "$.error", "operator": "exists"},
        {"field": "array", "operator": "includes", "value": "c"},
        {"field": "number", "operator": "equals", "value": 200},
    ]
    found = judge(compiled(assertions, _FIELDS), {"number": 200, "string": '{"error": null}', "array": ["a", 1]})
    assert [v.passed for v in found] == [False, False, False, True]
    assert [v.actual for v in found] == ["200", "null", '["a",1]', "200"]
    assert [v.sentence() for v in found[:2]] == ["number equals 404", "string.$ $.error exists"]


def test_long_found_value_is_cut_at_once() -> None:
    assert verdict("string", "equals", "x", "y" * 1_000_000).actual == "y" * 1024


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("(", "is no regular expression"), ("a{2,1}", "is no regular expression"), ("(?<n>a", "is no regular expression")],
)
def test_bad_regex_fails_with_its_reason(pattern: str, reason: str) -> None:
    found = verdict("string", "matches", pattern, "(")
    assert not found.passed
    assert found.reason is not None
    assert reason in found.reason


def test_halves_of_surrogate_pairs_are_searched() -> None:
    assert verdict("string", "matches", "ready", "\ud800 ready").passed
    assert verdict("string", "matches", "(?=r)ready", "\ud800 ready").passed
