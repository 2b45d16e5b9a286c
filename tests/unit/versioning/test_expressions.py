"""Expressions of version 1 in Jinja: what is written, and that it means the same."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.render.template import compile_expression, compile_template
from reconciler.versioning.loading import load_chains

from .v1_semantics import V1, stringify

load_chains()
templates: Any = import_module("reconciler._migrations.shared.v1_templates")
CHANGED = ["healthcheck.system_health_changed"]

EXPRESSIONS = [
    # Paths: what is known to be there, and what isn't.
    ("trigger.payload.newStatus", "trigger.payload.newStatus"),
    ("trigger.payload.environmentId", "trigger.payload.environmentId"),
    ("trigger.payload.other", "trigger.payload.other | default(none)"),
    ("trigger.id", "trigger.id"),
    ("trigger.event", "trigger.event"),
    ("trigger.actor.id", "trigger.actor.id | default(none)"),
    ("health.system.status", "health.system.status | default(none)"),
    ("var.x", "variables.x | default(none)"),
    ("a", "a | default(none)"),
    ('a["my-key"]', 'a["my-key"] | default(none)'),
    ("a['k'].b", "a['k'].b | default(none)"),
    ("a.$b", 'a["$b"] | default(none)'),
    ("a._b", 'a["_b"] | default(none)'),
    ("a[0]", "a[0] | default(none)"),
    ("a[b.c].d", "a[b.c | default(none)].d | default(none)"),
    ("(a || b).c", "(a | default(none) or b | default(none)).c | default(none)"),
    # Literals.
    ("true", "true"),
    ("false", "false"),
    ("null", "none"),
    ("5", "5"),
    ("007", "7"),
    ("1.50", "1.5"),
    ('"a\\"b"', '"a\\"b"'),
    ("'a\\'b\\n\\t\\\\'", "'a\\'b\\n\\t\\\\'"),
    ("'\\d'", "'d'"),
    # Operators, and no bracket too many.
    ("a && b || c", "a | default(none) and b | default(none) or c | default(none)"),
    ("a && (b || c)", "a | default(none) and (b | default(none) or c | default(none))"),
    ("a || b && c", "a | default(none) or b | default(none) and c | default(none)"),
    ("(a || b) || c", "a | default(none) or b | default(none) or c | default(none)"),
    ("a || (b || c)", "a | default(none) or (b | default(none) or c | default(none))"),
    ("!a", "not a | default(none)"),
    ("not a", "not a | default(none)"),
    ("!!a", "not not a | default(none)"),
    ("!(a && b)", "not (a | default(none) and b | default(none))"),
    ("!a == b", "(not a | default(none)) | loose_equal(b | default(none))"),
    ("!(a == 'x')", "not a | default(none) == 'x'"),
    (
        "trigger.payload.newStatus == 'unhealthy' && !trigger.payload.environmentId",
        "trigger.payload.newStatus == 'unhealthy' and not trigger.payload.environmentId",
    ),
    # Equality: plain where types agree or text is text alone, loose elsewhere.
    ("a == 'x'", "a | default(none) == 'x'"),
    ("'x' != a", "'x' != a | default(none)"),
    ("a == ''", "a | default(none) == ''"),
    ("a == '5'", "a | loose_equal('5')"),
    ("a == 'true'", "a | loose_equal('true')"),
    ("a == '[1]'", "a | loose_equal('[1]')"),
    ("a == ' null '", "a | loose_equal(' null ')"),
    ("a != 5", "not a | loose_equal(5)"),
    ("a == true", "a | loose_equal(true)"),
    ("a == b", "a | loose_equal(b | default(none))"),
    ("a == null", "a | default(none) is none"),
    ("null != a", "a | default(none) is not none"),
    ("trigger.payload.newStatus != trigger.payload.previousStatus",) * 2,
    ("trigger.payload.healthyChecks == trigger.payload.totalChecks",) * 2,
    ("a == 'x' == true", "(a | default(none) == 'x') == true"),
    ("(a | length) == 3", "a | v1_length == 3"),
    # Order.
    ("trigger.payload.healthyChecks < trigger.payload.totalChecks",) * 2,
    ("trigger.payload.healthyChecks >= 2",) * 2,
    ("a < 5", "a | loose_less(5)"),
    ("a <= b", "a | loose_less_equal(b | default(none))"),
    ("5 > a", "5 | loose_greater(a | default(none))"),
    ("a >= '5'", "a | loose_greater_equal('5')"),
    ("(a | minutes) > 60000", "a | minutes > 60000"),
    ("a < b == c", "a | loose_less(b | default(none)) | loose_equal(c | default(none))"),
    # Ternaries.
    ("a ? b : c", "b | default(none) if a | default(none) else c | default(none)"),
    ("a ? 1 : b ? 2 : 3", "1 if a | default(none) else 2 if b | default(none) else 3"),
    ("a ? (b ? 1 : 2) : 3", "(1 if b | default(none) else 2) if a | default(none) else 3"),
    ("(a ? b : c) ? 1 : 2", "1 if (b | default(none) if a | default(none) else c | default(none)) else 2"),
    ("a ? b == null : c", "(b | default(none) is none) if a | default(none) else c | default(none)"),
    ("(a ? 1 : 2) | json", "(1 if a | default(none) else 2) | json"),
    # Filters: the pipe is looser than the operators there, and tighter here.
    ("a | default('x')", "a | v1_default('x')"),
    ("a | default(b)", "a | v1_default(b | default(none))"),
    ("a || b | upper", "(a | default(none) or b | default(none)) | v1_upper"),
    ("a | upper | truncate(3)", "a | v1_upper | v1_truncate(3)"),
    ("trigger.payload.newStatus | upper", "trigger.payload.newStatus | upper"),
    ("'A' | lower", "'A' | lower"),
    ("a | trim | capitalize", "a | v1_trim | v1_capitalize"),
    ("a | replace('x', \"y\")", "a | v1_replace('x', \"y\")"),
    ("a | join", "a | v1_join"),
    ("a | join(' ')", "a | v1_join(' ')"),
    ("a | json", "a | default(none) | json"),
    ("a | iso", "a | iso"),
    ("a | date('unix')", "a | date('unix')"),
    ("a | not", "not a | default(none)"),
    ("a | not | json", "(not a | default(none)) | json"),
    ("a | older_than(5 | minutes)", "a | older_than(5 | minutes)"),
    ("(a | duration_since) > (1 | hours)", "a | duration_since > 1 | hours"),
    ("a | upper()", "a | v1_upper"),
    ("a | upper(1, 2)", "a | v1_upper"),
    ("{{ a == 'x' }}", "a | default(none) == 'x'"),
]

TEXTS = [
    ("{{ environment.baseUrl }}/ready", "{{ environment.baseUrl | default('') }}/ready"),
    ("{{environment.a}}{{  system.name\t}}", "{{ environment.a | default('') }}{{ system.name }}"),
    ("{{ system.metadata.shard }}", "{{ system.fields.shard | default('') }}"),
    ("{{ system.metadata['a-b'] }}", "{{ system.fields['a-b'] | default('') }}"),
    ("{{ system.metadata }}", "{{ system.fields }}"),
    ("{{ check.id }} {{ check.intervalSeconds }}", "{{ check.id }} {{ check.intervalSeconds }}"),
    ("{{ environment.id }}", "{{ environment.id | default('') }}"),
    (
        "{{ environment.a ? environment.b : '' }}",
        "{{ environment.b | default('') if environment.a | default(none) else '' }}",
    ),
    ("{{ '}}' }} }} {", "{{ '}}' }} }} {"),
    ('{{ "{{" }}', '{{ "{{" }}'),
    ("{% if x %} {# note #} ", "{% if x %} {# note #} "),
    ("{{ nothing.here }}", "{{ '' }}"),
    ("{{ nothing | default('x') }}", "{{ none | v1_default('x') }}"),
    ("${{ secrets.KEY }}", "${{ secrets.KEY }}"),
    ("${{secrets.KEY}} {{ check.id }}", "${{secrets.KEY}} {{ check.id }}"),
    ("${{ check.id }}", "{{ '$' }}{{ check.id }}"),
    ("$$ {{ check.id }} $", "$$ {{ check.id }} $"),
    ("no template", "no template"),
]

REFUSED = [
    ("{{ }}", "empty", 3),
    ("{{ a", "never closed", 0),
    ("{{ 'a }}", "never closed by a quote", 3),
    ("x {{ a + 1 }}", "`+`", 7),
    ("{{- a }}", "`-`", 2),
    ("{{ a b }}", "`b` isn't expected", 5),
    ("{{ f(x) }}", "`(` isn't expected", 4),
    ("{{ a. }}", "ends too early", 6),
    ("{{ (a }}", "ends too early", 6),
    ("{{ a | nope }}", "no filter nope", 7),
    ("{{ a | uper }}", 'did you mean "upper"?', 7),
    ("{{ a and b }}", "`and` isn't expected", 5),
    ("{{ a = b }}", "`=`", 5),
    ("{{ " + "(" * 100 + "a" + ")" * 100 + " }}", "nested too deeply", 63),
    ("{{ a" + " && a" * 5000 + " }}", "nested too deeply", 3),
    ("{{ a" + " | upper" * 5000 + " }}", "nested too deeply", 3),
]


@pytest.mark.parametrize(("old", "new"), EXPRESSIONS)
def test_expression(old: str, new: str) -> None:
    translator = templates.Translator(CHANGED)
    assert translator.expression(old, ()) == new
    translator.finish()
    compile_expression(new, clock=lambda: 0.0)


@pytest.mark.parametrize(("old", "new"), TEXTS)
def test_text(old: str, new: str) -> None:
    translator = templates.Translator()
    assert translator.text(old, ()) == new
    translator.finish()
    compile_template(new)


@pytest.mark.parametrize(("text", "sentence", "offset"), REFUSED)
def test_what_version_1_refused_is_told_with_its_place(text: str, sentence: str, offset: int) -> None:
    translator = templates.Translator()
    assert translator.text(text, ("spec", "x")) == text
    with pytest.raises(templates.Problems) as caught:
        translator.finish()
    [(place, message, where)] = caught.value.problems
    assert (place, where) == (("spec", "x"), offset)
    assert sentence in message


def test_the_payload_is_known_only_where_every_trigger_has_it() -> None:
    both = templates.Translator(["healthcheck.check_failed", "healthcheck.system_degraded"])
    assert both.expression("trigger.payload.systemId == trigger.payload.status", ()) == (
        "trigger.payload.systemId | loose_equal(trigger.payload.status | default(none))"
    )
    other = templates.Translator(["automation.cron"])
    assert other.expression("trigger.payload.systemId", ()) == "trigger.payload.systemId | default(none)"


CONTEXT: dict[str, Any] = {
    "s": "Ab c",
    "n": 5,
    "f": 2.5,
    "five": "5",
    "zero": 0,
    "empty": "",
    "yes": True,
    "no": False,
    "nothing": None,
    "list": [1, "b", None],
    "map": {"a": 1, "b": {"c": "d"}, "my-key": "v"},
}
ATOMS = st.sampled_from(
    [
        *CONTEXT,
        "missing",
        "missing.deep.er",
        "map.a",
        "map.b.c",
        "map['my-key']",
        "list[0]",
        "map[s]",
        "null",
        "true",
        "false",
        "0",
        "5",
        "2.5",
        "''",
        "'5'",
        "'x'",
        "'Ab c'",
        '"true"',
        "'[1]'",
    ]
)


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["&&", "||", "==", "!=", "<", "<=", ">", ">="])
    filters = st.sampled_from(
        [
            "default('d')",
            "upper",
            "lower",
            "capitalize",
            "trim",
            "truncate(2)",
            "length",
            "json",
            "join",
            "join('-')",
            "replace('b', 'xy')",
            "not",
            "minutes",
            "hours",
            "default(n)",
        ]
    )
    return st.one_of(
        st.tuples(inner, operators, inner).map(" ".join),
        st.tuples(inner, filters).map(lambda p: f"(({p[0]}) | {p[1]})"),
        st.tuples(inner, filters).map(lambda p: f"({p[0]} | {p[1]})"),
        inner.map(lambda text: f"!{text}"),
        inner.map(lambda text: f"({text})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})"),
    )


@settings(max_examples=300, deadline=None)
@given(st.recursive(ATOMS, combined, max_leaves=6))
def test_the_translation_means_the_same(source: str) -> None:
    expected = V1(source, CONTEXT).value
    translator = templates.Translator(CHANGED)
    new = translator.expression(source, ())
    translator.finish()
    found = compile_expression(new).evaluate(CONTEXT)
    assert stringify(found) == stringify(expected), new
    assert bool(found) == bool(expected), new
    text = templates.Translator(CHANGED).text(f"<{{{{ {source} }}}}>", ())
    assert compile_template(text).render(CONTEXT) == f"<{stringify(expected)}>", text
