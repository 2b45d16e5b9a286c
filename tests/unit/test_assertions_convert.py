"""Conversions as JavaScript makes them, and properties that hold for whatever a target answers."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.execute.assertions import compiled, heavy, judge
from reconciler.execute.convert import MISSING, number, text
from reconciler.execute.patterns import compiled as pattern
from reconciler.kinds.results import OPERATORS, RESULTS

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", 0),
        (" \t\n\u00a0\ufeff", 0),
        ("12", 12),
        ("+12.", 12),
        (".5e1", 5),
        ("0x1F", 31),
        ("0b101", 5),
        ("0o17", 15),
        ("017", 17),
        ("-Infinity", -math.inf),
        (True, 1),
        (False, 0),
        ([], 0),
        ([["7"]], 7),
        ("9" * 400, int("9" * 400)),
    ],
)
def test_number(value: Any, expected: float) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    "value",
    ["1_000", "1,5", "0x", "-0x1", "1e", "infinity", "nan", "١٢", "--1", None, MISSING, {}, [1, 2], b"1", "1" * 401],
)
def test_not_a_number(value: Any) -> None:
    assert math.isnan(number(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (200, "200"),
        (1.0, "1"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e16, "10000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (1e-6, "0.000001"),
        (1.25e-6, "0.00000125"),
        (-1.25e-6, "-0.00000125"),
        (1e-7, "1e-7"),
        (1.25e-10, "1.25e-10"),
        (0.00001, "0.00001"),
        (123456.789, "123456.789"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (True, "true"),
        (None, "null"),
        (MISSING, "undefined"),
        ([1, None, [2, "x"]], "1,,2,x"),
        ({"a": 1}, '{"a":1}'),
        (10**400, "Infinity"),
    ],
)
def test_text(value: Any, expected: str) -> None:
    assert text(value) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_text_of_a_number_is_that_number(value: float) -> None:
    assert number(text(value)) == value


@given(_json, st.sampled_from(sorted({o for all_ in OPERATORS.values() for o in all_})), _json)
def test_never_raises_and_always_tells(found: Any, operator: str, expected: Any) -> None:
    assertions = [
        {"field": "body", "operator": operator, "value": expected},
        {"field": "body", "jsonPath": "$..a[?@.x]", "operator": operator},
        {"field": "body", "jsonPath": "$.a", "operator": operator, "value": expected},
        {"field": "body.$", "jsonPath": "$..*", "operator": operator, "value": expected},
    ]
    for fields in (RESULTS["http.request"], None):
        verdicts = judge(compiled(assertions, fields), {"body": found})
        assert len(verdicts) == 4
        assert all(isinstance(v.passed, bool) for v in verdicts)
        assert all(v.reason is None for v in verdicts if v.passed)
        assert all(v.actual is None or len(v.actual) <= 1024 for v in verdicts)


@given(_json.filter(lambda v: v is not None))
def test_a_value_equals_itself_through_json(found: Any) -> None:
    body = json.dumps({"v": found}).replace("NaN", "1").replace("-Infinity", "2").replace("Infinity", "3")
    try:
        value = json.loads(body)["v"]
        body.encode()
    except (ValueError, UnicodeError):
        return
    if isinstance(value, dict | list) or (isinstance(value, int) and not -(2**63) <= value < 2**64):
        return
    assertion = {"field": "body", "jsonPath": "$.v", "operator": "equals", "value": value}
    try:
        body = json.dumps({"v": value})
        body.encode("utf-8")
        text(value).encode("utf-8")
    except UnicodeError:
        return
    assert judge(compiled([assertion], RESULTS["http.request"]), {"body": body})[0].passed


@pytest.mark.parametrize(
    "evil", [r"(a+)+$", r"(?=x)?^(?:(a|aa)+)+\1$", r"(?:a?){40}a{40}(?!x)", r"^(([a-z])+.)+[A-Z]([a-z])+$"]
)
def test_catastrophic_regexes_end_soon(evil: str) -> None:
    assertion = {"field": "body", "operator": "matches", "value": evil}
    prepared = compiled([assertion], RESULTS["http.request"])
    began = time.perf_counter()
    verdict = judge(prepared, {"body": "a" * 200_000 + "!"})[0]
    assert time.perf_counter() - began < 2
    assert not verdict.passed or verdict.reason is None


@pytest.mark.parametrize(
    "evil",
    ["(?:a?){500}a{500}c", "(a|b)*a(a|b){200}c", "(?:.{0,40}a){20}c", "([ab]*a[ab]{300}){3}c", "(?:[ab]{1,100}){9}c"],
)
def test_large_patterns_over_large_texts_end_soon(evil: str) -> None:
    prepared = compiled([{"field": "body", "operator": "matches", "value": evil}], RESULTS["http.request"])
    for body in ("a" * (1 << 20), "ab" * (1 << 19)):
        began = time.perf_counter()
        assert heavy(prepared, {"body": body})
        assert not judge(prepared, {"body": body})[0].passed
        assert time.perf_counter() - began < 1


def test_ordinary_searches_stay_in_the_loop() -> None:
    assertions = [
        {"field": "body", "operator": "matches", "value": '"status": *"(ready|ok)"'},
        {"field": "body", "operator": "contains", "value": "ready"},
        {"field": "body", "jsonPath": "$.ready", "operator": "matches", "value": "^t"},
    ]
    prepared = compiled(assertions, RESULTS["http.request"])
    assert not heavy(prepared, {"body": "x" * 10_000})
    assert heavy(prepared, {"body": "x" * 100_000})
    assert not heavy(prepared, {})
    assert heavy(compiled([{"field": "body", "operator": "matches", "value": "(?!x)y"}], None), {"body": "x" * 200})


def test_judging_ends() -> None:
    evil = {"field": "body", "operator": "matches", "value": r"(?=a)(?:(a|aa)+)+\1$"}
    good = {"field": "bodyLength", "operator": "equals", "value": 5}
    prepared = compiled([good, *[evil] * 200, good], RESULTS["http.request"])
    began = time.perf_counter()
    verdicts = judge(prepared, {"body": "a" * 5000 + "b", "bodyLength": 5})
    assert time.perf_counter() - began < 3
    assert (len(verdicts), verdicts[0].passed, verdicts[-1].passed) == (202, True, False)
    assert verdicts[-1].reason == "judging the assertions before it took longer than 1 s"


def test_a_search_that_takes_too_long_says_so() -> None:
    assertion = {"field": "body", "operator": "matches", "value": r"(?=a)(?:(a|aa)+)+\1$"}
    verdict = judge(compiled([assertion], RESULTS["http.request"]), {"body": "a" * 5000 + "b"})[0]
    assert (verdict.passed, verdict.reason) == (False, "it took longer than 50 ms to search")


def test_most_patterns_take_linear_time() -> None:
    assert pattern(r"(a+)+$").linear is not None
    assert pattern(r"(?<=a)b").linear is None
