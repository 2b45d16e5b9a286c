"""The short way for dotted paths against the parsed way, and the parsed way against Jinja2 itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reconciler.render.bounds import Frame
from reconciler.render.expression import Expression, Run, path_run
from reconciler.render.missing import Missing
from reconciler.render.sandbox import compile_tree
from reconciler.render.template import TemplateFault, compile_expression

_NAMES = st.sampled_from(["a", "b", "items", "keys", "x1", "ünï", "if", "not", "true"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=12,
)


def _outcome(run: Run, context: Any) -> Any:
    value = run(Frame(context))
    if isinstance(value, Missing):
        fault = value.fault()
        return fault.code, fault.message, fault.offset, fault.hint
    return value


@settings(max_examples=300, deadline=None)
@given(st.lists(_NAMES, min_size=1, max_size=4), st.dictionaries(_NAMES, _JSON, max_size=4))
def test_a_path_means_the_same_both_ways(keys: list[str], context: dict[str, Any]) -> None:
    if keys[0] in ("if", "not", "true"):
        keys = ["a", *keys]
    source = ".".join(keys)
    assert _outcome(path_run(source), context) == _outcome(compile_tree(source).run, context)
    assert compile_expression(source).roots == Expression(source, compile_tree(source)).roots


_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
_CONTEXT = {
    "n": 7,
    "f": 2.5,
    "t": "The quick-brown fox",
    "e": "",
    "z": None,
    "b": True,
    "l": [3, 1, 2],
    "w": ["b", "A", "a", "B"],
    "m": {"a": 1, "k": {"v": "x"}},
}


@pytest.mark.parametrize(
    "source",
    [
        "n + 1 * 2 - 3",
        "n / 2",
        "n // 2",
        "n % 4",
        "-n",
        "+f",
        "2 ** 5",
        "2 ** 3 ** 2",
        "-2 ** 2",
        "(n + 1) * 2",
        "'a' + 'b'",
        "'ab' * 3",
        "3 * 'ab'",
        "[1] + l",
        "[0] * 3",
        "t ~ n ~ 'x'",
        "1 < 2 < 3",
        "1 < 3 < 2",
        "n == 7.0",
        "n != 7",
        "n >= 7 and f <= 2.5",
        "'quick' in t",
        "3 in l",
        "'a' in m",
        "'q' not in m",
        "not e",
        "e or t",
        "t and n",
        "z or 'd'",
        "1 if b else 2",
        "1 if e else 2 if z else 3",
        "l[0]",
        "l[-1]",
        "l[1:]",
        "t[2:5]",
        "t[::-1]",
        "m.a",
        "m['k'].v",
        "m.k['v']",
        "[n, [f]]",
        "{'a': n}",
        "(1, 2) | length",
        "none",
        "true",
        "'x' 'y'",
        "'\\n\\t\\\\'",
        "b == true",
        "z is none",
        "n is number",
        "t is string",
        "n is odd",
        "n is even",
        "n is divisibleby 7",
        "n is in l",
        "3 is in l",
        "n is defined",
        "q is defined",
        "q is undefined",
        "n is not defined",
        "n is eq 7",
        "n is gt(3)",
        "m is mapping",
        "l is sequence",
        "b is true",
        "b is boolean",
        "n is integer",
        "f is float",
        "l is iterable",
        "q | default('d')",
        "z | default('d')",
        "e | default('d', true)",
        "q | d(n)",
        "t | upper",
        "t | lower",
        "t | capitalize",
        "t | title",
        "'  x ' | trim",
        "'xxaxx' | trim('x')",
        "t | truncate(10, end='~', leeway=0)",
        "t | truncate(10, true, leeway=0)",
        "t | truncate(18)",
        "t | truncate(8)",
        "t | length",
        "l | count",
        "m | length",
        "t | replace('q', 'Q')",
        "t | replace('o', '0', 1)",
        "l | join('-')",
        "l | join",
        "w | sort",
        "w | sort(true)",
        "w | sort(case_sensitive=true)",
        "l | sort(reverse=true)",
        "l | first",
        "l | last",
        "'12' | int",
        "'12.7' | int",
        "'x' | int",
        "'x' | int(5)",
        "'1.5' | float",
        "'x' | float(2.0)",
        "f | string",
        "-n | abs",
        "(-n) | abs",
        "f | round",
        "2.345 | round(2)",
        "2.1 | round(0, 'ceil')",
        "2.9 | round(method='floor')",
        "1234 | round(-2)",
        "l | min",
        "l | max",
        "w | min",
        "w | max",
        "l | sum",
        "t | reverse",
        "'a b&c/d' | urlencode",
        "m.k | urlencode",
        "'a\\nb\\n\\nc' | indent",
        "'a\\nb' | indent(2, true)",
        "'a\\n\\nb' | indent(2, blank=true)",
        "t | upper | lower | length + 1",
        "not n == 7",
        "n is odd and f is float",
        "n if n is defined else 'x'",
        "t | upper == t",
        "w | unique | join",
    ],
)
def test_expressions_mean_what_they_mean_in_jinja2(source: str) -> None:
    theirs: Any = _ENVIRONMENT.compile_expression(source, undefined_to_none=False)(**_CONTEXT)
    if hasattr(theirs, "__next__"):
        theirs = list(theirs)
    ours = compile_expression(source).evaluate(_CONTEXT)
    assert ours == theirs
    assert type(ours) is type(theirs)


_ATOMS = st.sampled_from(["n", "f", "t", "e", "z", "b", "l", "m", "m.a", "l[0]", "1", "2.5", "'x'", "true", "none"])
_BINARY = st.sampled_from(["==", "!=", "and", "or", "~", "<", ">", "<=", ">=", "+", "-", "*", "in", "not in", "//"])


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.tuples(inner, _BINARY, inner).map(" ".join)
        | inner.map("({})".format)
        | inner.map("(not {})".format)
        | st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} if {three[1]} else {three[2]})")
        | inner.map("[{}]".format)
        | inner.map("({}) | default(1)".format)
        | inner.map("(({}) is string)".format)
    )


@settings(max_examples=400, deadline=None)
@given(st.recursive(_ATOMS, _grow, max_leaves=6))
def test_what_we_evaluate_jinja2_evaluates_to_the_same(source: str) -> None:
    """Ours refuses more (booleans in sums, mixed orders), and writes null and booleans its own way after ``~``."""
    try:
        ours = compile_expression(source).evaluate(_CONTEXT)
    except TemplateFault as fault:
        assert fault.code in ("template-value", "template-limit")  # noqa: PT017
        return
    if "~" not in source:
        theirs = _ENVIRONMENT.compile_expression(source, undefined_to_none=False)(**_CONTEXT)
        assert ours == theirs
