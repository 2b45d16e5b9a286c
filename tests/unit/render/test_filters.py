"""Filters beyond what Jinja2 has, and those of version 1 against its reference."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.render.template import TemplateFault, compile_expression

CONTEXT: dict[str, Any] = {
    "x": {
        "n": None,
        "s": "héllo wörld",
        "l": [1, None, "a"],
        "m": {"b": 1, "a": [2]},
        "when": "2024-02-29T12:30:45.678+02:00",
    },
    "ms": 1_700_000_000_000,
}


def value(source: str) -> Any:
    return compile_expression(source, clock=lambda: 1_700_000_060_000.0).evaluate(CONTEXT)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x.m | tojson", '{"a":[2],"b":1}'),
        ("x.s | json", '"héllo wörld"'),
        ("'a,b,,c' | split(',')", ["a", "b", "", "c"]),
        ("' a  b ' | split", ["a", "b"]),
        ("'a,b,c' | split(',', 1)", ["a", "b,c"]),
        ("x.s | b64encode | b64decode", "héllo wörld"),
        ("x.m | items", [["a", [2]], ["b", 1]]),
        ("x.m | first", "a"),
        ("[true, 1, 'a', 'A', [1], [1]] | unique", [True, 1, "a", [1]]),
        ("12 | upper", "12"),
        ("none | upper", ""),
        ("['a', 'b'] | reverse", ["b", "a"]),
        ("{'q': 'a b', 'p': 1} | urlencode", "p=1&q=a+b"),
        ("'９' | int", 9),
        ("'inf' | float(1)", 1),
        ("'nan' | int(2)", 2),
    ],
)
def test_filters(source: str, expected: Any) -> None:
    assert value(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x.gone | v1_default('d')", "d"),
        ("'' | v1_default('d')", "d"),
        ("0 | v1_default('d')", 0),
        ("false | v1_default('d')", False),
        ("x.n | v1_default('d')", "d"),
        ("'abcdef' | v1_truncate(3)", "abc…"),
        ("'abc' | v1_truncate(3)", "abc"),
        ("5 | v1_truncate(3)", 5),
        ("x.gone | v1_length", 0),
        ("x.m | v1_length", 2),
        ("5 | v1_length", 0),
        ("'ab' | v1_length", 2),
        ("'hELLO' | v1_capitalize", "HELLO"),
        ("5 | v1_upper", 5),
        ("'a' | v1_upper", "A"),
        ("'A' | v1_lower", "a"),
        ("' \\u00a0x\\ufeff' | v1_trim", "x"),
        ("none | v1_trim", None),
        ("'a.b.c' | v1_replace('.', '-')", "a-b-c"),
        ("5 | v1_replace('5', '6')", 5),
        ("x.l | v1_join", "1, , a"),
        ("x.l | v1_join('')", "1a"),
        ("'ab' | v1_join", "ab"),
        ("x.when | iso", "2024-02-29T10:30:45.678Z"),
        ("ms | iso", "2023-11-14T22:13:20.000Z"),
        ("'no' | iso", ""),
        ("x.gone | iso", ""),
        ("x.when | date('date')", "2024-02-29"),
        ("x.when | date('time')", "10:30:45"),
        ("x.when | date('unix')", 1709202645),
        ("x.when | date('rfc2822')", "Thu, 29 Feb 2024 10:30:45 GMT"),
        ("x.when | date('ISO')", "2024-02-29T10:30:45.678Z"),
        ("x.when | date", "2024-02-29T10:30:45.678Z"),
        ("5 | minutes", 300_000),
        ("1.5 | hours", 5_400_000),
        ("'5' | minutes", 0),
        ("x.gone | hours", 0),
        ("ms | duration_since", 60_000),
        ("'no' | duration_since", 0),
        ("x.gone | duration_since", 0),
        ("ms | older_than(59999)", True),
        ("ms | older_than(60000)", False),
        ("x.gone | older_than(1)", False),
        ("1 | loose_equal('1')", True),
        ("1.0 | loose_equal('1')", True),
        ("true | loose_equal('true')", True),
        ("true | loose_equal(1)", False),
        ("x.gone | loose_equal(none)", True),
        ("none | loose_equal(x.gone)", True),
        ("none | loose_equal('')", False),
        ("none | loose_equal(0)", False),
        ("'a' | loose_equal('a')", True),
        ("[1] | loose_equal([1])", True),
        ("[1] | loose_equal('[1]')", True),
        ("'9' | loose_less(10)", True),
        ("'9' | loose_less('10')", True),
        ("'b' | loose_less('a')", False),
        ("'a' | loose_less(1)", False),
        ("x.gone | loose_less(1)", True),
        ("'0x10' | loose_greater(15)", True),
        ("2 | loose_less_equal('2')", True),
        ("2 | loose_greater_equal('2.0')", True),
        ("' 3 ' | loose_greater(2)", True),
        ("'1_0' | loose_greater(5)", False),
        ("'inf' | loose_greater(5)", True),
    ],
)
def test_filters_of_version_1(source: str, expected: Any) -> None:
    result = value(source)
    assert (result, type(result)) == (expected, type(expected))


@pytest.mark.parametrize(
    "name",
    [
        "v1_default",
        "v1_length",
        "v1_capitalize",
        "v1_upper",
        "v1_lower",
        "v1_trim",
        "v1_replace",
        "v1_truncate",
        "v1_join",
        "iso",
        "date",
        "minutes",
        "hours",
        "duration_since",
        "older_than",
        "loose_equal",
        "loose_less",
        "loose_greater",
    ],
)
@pytest.mark.parametrize("argument", [None, True, 0, -1.5, 10**18, 1e300, "", "x", [], [1], {}, {"a": 1}])
def test_filters_of_version_1_never_fail_on_a_type(name: str, argument: Any) -> None:
    for source in (f"a | {name}", f"b | {name}", f"a | {name}(a)", f"'x' | {name}(a)"):
        try:
            compile_expression(source, clock=lambda: 0.0).evaluate({"a": argument})
        except TemplateFault as fault:
            assert fault.code == "template-limit" or "arguments" in fault.message  # noqa: PT017


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("'é' | b64decode", "base64"),
        ("'x' | split('')", "split at nothing"),
        ("5 | length", "no length"),
        ("[1, 'a'] | sort", "works on numbers"),
        ("['a'] | sum", "works on numbers"),
        ("'x' | round", "works on numbers"),
        ("1 | items", "works on mappings"),
        ("1.5 is odd", "whole numbers"),
        ("1.5 | round(1, 'up')", "one of"),
        ("'x' | indent('a')", "whole number"),
    ],
)
def test_values_that_a_filter_cannot_take(source: str, says: str) -> None:
    with pytest.raises(TemplateFault, match=says) as caught:
        value(source)
    assert caught.value.code == "template-value"
