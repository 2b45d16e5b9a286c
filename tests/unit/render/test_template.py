"""Text around expressions, places of faults, roots, the clock, and what is cached."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from reconciler.render.cache import CostCache
from reconciler.render.template import Expression, TemplateFault, compile_expression, compile_template

CONTEXT: dict[str, Any] = {
    "environment": {
        "baseUrl": "https://orders.example.net",
        "region": "eu-1",
        "tier": 1,
        "items": "a key",
        "none": None,
        "base-url": "hyphen",
        "hosts": ["b", "a"],
        "nested": {"z": 1, "a": {"deep": True}},
        "template": "{{ system.name }}",
    },
    "system": {"id": "orders", "name": "Orders"},
}
ROOTS = frozenset({"environment", "system", "check"})


def fault_of(source: str, **options: Any) -> TemplateFault:
    with pytest.raises(TemplateFault) as caught:
        compile_template(source, **options).render(CONTEXT)
    return caught.value


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        (" \t\r\n{{ system.name }}\r\n ", " \t\r\nOrders\r\n "),
        ("{{system.name}}{{ system.id }}", "Ordersorders"),
        ("{% if x %} {# note #} }} {", "{% if x %} {# note #} }} {"),
        ("{{ environment.template }}", "{{ system.name }}"),
        ("${{ secrets.KEY }}", "${{ secrets.KEY }}"),
        ("${{ secrets.KEY }}-{{ system.id }}", "${{ secrets.KEY }}-orders"),
        ("{{ '$' }}{{ system.id }}", "$orders"),
        ('{{ "}}" }}', "}}"),
        ("{{ '{{' }}", "{{"),
        ("{{ 'it\\'s }}' }}", "it's }}"),
        ("{{ {'a': {'b': 1}} }}", '{"a":{"b":1}}'),
        ("{{ {'a': {'b': 1}}.a.b }}", "1"),
        ('{"k":{{ environment.tier }}}', '{"k":1}'),
        ("{{ environment.items }}", "a key"),
        ("{{ environment['base-url'] }}", "hyphen"),
        ("{{ environment.hosts.0 }}{{ environment.hosts[-1] }}", "ba"),
        ("{{ system.name[1:3] }}{{ environment.hosts[::-1] }}", 'rd["a","b"]'),
        ("{{ -1 }}", "-1"),
        ("{{ '\\d+\\n\\u00e9' }}", "\\d+\né"),
        ("{{ 'a' 'b' }}", "ab"),
    ],
)
def test_renders(source: str, expected: str) -> None:
    assert compile_template(source).render(CONTEXT) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ none }}", ""),
        ("{{ environment.none }}", ""),
        ("{{ true }} {{ False }}", "true false"),
        ("{{ 12 }} {{ 1.5 }} {{ 1.0 }} {{ 4 / 2 }}", "12 1.5 1.0 2.0"),
        ("{{ 1e20 }} {{ 0.00001 }} {{ 1e300 }}", "100000000000000000000 0.00001 1e+300"),
        ("{{ environment.nested }}", '{"a":{"deep":true},"z":1}'),
        ("{{ [1, none, 'é'] }}", '[1,null,"é"]'),
    ],
)
def test_writes_values(source: str, expected: str) -> None:
    assert compile_template(source).render(CONTEXT) == expected


def test_the_order_of_keys_never_shows() -> None:
    """A resource is rendered again from the store, where keys are sorted; the slice must not change by that."""
    for source in ("{{ m }}", "{{ m | join(',') }}", "{{ m | first }}", "{{ m | items }}", "{{ m | urlencode }}"):
        template = compile_template(source)
        assert template.render({"m": {"b": 1, "a": 2}}) == template.render({"m": {"a": 2, "b": 1}})


@pytest.mark.parametrize(
    ("source", "code", "at", "says"),
    [
        ("a{{", "template-syntax", "{{", "never closed"),
        ("a {{ x", "template-syntax", "{{ x", "never closed"),
        ("a {{ 'x }}", "template-syntax", "'x }}", "never closed by a quote"),
        ("a {{}}", "template-syntax", "{{}}", "empty"),
        ("a {{ \n }}", "template-syntax", "{{", "empty"),
        ("a {{- x }}", "template-syntax", "{{-", "trimmed"),
        ("a {{ x -}}", "template-syntax", "{{ x", "trimmed"),
        ("a {{ system.name && 1 }}", "template-syntax", "&&", "no operator"),
        ("a {{ system.name ? 1 : 2 }}", "template-syntax", "? 1", "no operator"),
        ("a {{ (1 + 2 }}", "template-syntax", "(1", "never closed"),
        ("a {{ 1 + 2) }}", "template-syntax", ") }}", "closes nothing"),
        ("a {{ 1 + }}", "template-syntax", "+ }}", "too early"),
        ("a {{ 1 2 }}", "template-syntax", "2 }}", "isn't expected"),
        ("a {{ x = 2 }}", "template-syntax", "= 2", "isn't expected"),
        ("a {{ 1 if system.name }}", "template-syntax", "1 if", "no `else`"),
        ("a {{ 1 | shout }}", "template-syntax", "shout", "no filter"),
        ("a {{ 1 is odder }}", "template-syntax", "is odder", "no test"),
        ("a {{ 'x' | replace('x') }}", "template-syntax", "replace", "needs its argument `new`"),
        ("a {{ 'x' | upper(1) }}", "template-syntax", "upper", "takes no arguments"),
        ("a {{ 'x' | truncate(lenght=1) }}", "template-syntax", "truncate", "no free argument `lenght`"),
        ("a {{ 'x' | join(*[1]) }}", "template-syntax", "join", "no `*` arguments"),
        ("a {{ {1: 2} }}", "template-syntax", "1: 2", "keys of a mapping"),
        ("a {{ '\\ud800' }}", "template-syntax", "\\ud800", "no character"),
        ("a {{ environment.baseurl }}", "template-undefined", "baseurl", "`environment.baseurl`"),
        ("a {{ environment . baseurl . x }}", "template-undefined", " baseurl", "`environment.baseurl`"),
        ("a {{ environment['no.pe'].b }}", "template-undefined", "['no.pe']", "`environment['no.pe']`"),
        ("a {{ environment.hosts[9] | upper }}", "template-undefined", "[9]", "`environment.hosts[9]`"),
        ("a {{ check.name }}", "template-undefined", "check", "`check`"),
        ("a {{ system.name.x }}", "template-undefined", "x }}", "`system.name.x`"),
        ("a {{ environment.none.x }}", "template-undefined", "x }}", "`environment.none.x`"),
        ("a {{ [] | first }}", "template-undefined", "first", "`value | first`"),
        ("a {{ system.name.upper() }}", "template-unsafe", "() }}", "call functions"),
        ("a {{ system._name }}", "template-unsafe", "_name", "underscore"),
        ("a {{ 1 + 'a' }}", "template-value", "1 +", "between a number and text"),
        ("a {{ 1 < 'a' }}", "template-value", "1 <", "between a number and text"),
        ("a {{ 1 / 0 }}", "template-value", "1 /", "zero"),
        ("a {{ environment.hosts | upper }}", "template-value", "upper", "works on text"),
        ("a {{ true + 1 }}", "template-value", "true", "between true or false and a number"),
        ("a {{ 99999999999999999999 }}", "template-limit", "999", "64 bits"),
    ],
)
def test_faults_name_their_place(source: str, code: str, at: str, says: str) -> None:
    fault = fault_of(source)
    assert fault.code == code
    assert says in fault.message
    assert source[fault.offset :].startswith(at)


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("{{ environment.baseurl }}", "did you mean baseUrl? the environment has: base-url, baseUrl,"),
        ("{{ enviroment.x }}", "did you mean environment? templates see: check, environment, system"),
        ("{{ secrets.X }}", "${{ secrets.NAME }}"),
        ("{{ null }}", "write `none`"),
        ("{{ environment.base-url }}", 'environment["base-url"]'),
        ("{{ system.name.upper() }}", "write `| upper`"),
        ("{{ 'a' | uper }}", "did you mean upper?"),
        ("{{ environment.nested.a.x }}", "environment.nested.a has: deep"),
        ("{{ environment.hosts[5] }}", "the list has 2 items"),
        ("{{ system.name.x }}", "system.name is text and has no member x"),
    ],
)
def test_hints(source: str, hint: str) -> None:
    assert hint in (fault_of(source, roots=ROOTS).hint or "")


def test_an_environment_without_fields_is_said_so() -> None:
    with pytest.raises(TemplateFault) as caught:
        compile_template("{{ environment.x }}").render({"environment": {}})
    assert "has no fields here" in str(caught.value.hint)


def test_roots_are_known_before_rendering() -> None:
    template = compile_template("{{ environment.a }} {{ system.b | default(check.c) }} {{ true }}")
    assert template.roots == {"environment", "system", "check"}
    assert compile_template("text").roots == frozenset()
    with pytest.raises(TemplateFault) as caught:
        compile_template("x {{ environment.a }} {{ 1 ~ trigger.id }}", roots=ROOTS)
    assert (caught.value.code, caught.value.offset) == ("template-undefined", 29)
    assert compile_template("x {{ environment.a }} {{ 1 ~ trigger.id }}").roots == {"environment", "trigger"}


def test_a_missing_value_waits_until_it_is_used() -> None:
    for source in (
        "{{ environment.a.b.c | default('x') }}",
        "{{ environment.a['b'][0] | d('x') }}",
        "{{ environment.a | default(environment.b) | default('x') }}",
        "{{ (environment.a if true else 1) | default('x') }}",
        "{{ 'x' if environment.a.b is not defined else environment.a.b }}",
        "{{ [] | first | default('x') }}",
        "{{ environment.none | default('x', true) }}",
        "{{ environment.region and 'x' }}",
        "{{ environment.a | v1_default('x') }}",
    ):
        assert compile_template(source).render(CONTEXT) == "x", source


@pytest.mark.parametrize(
    "source",
    [
        "environment.a",
        "environment.a.b",
        "environment.a == 1",
        "1 == environment.a",
        "environment.a < 1",
        "1 in environment.a",
        "environment.a in [1]",
        "not environment.a",
        "environment.a and 1",
        "environment.a or 1",
        "1 if environment.a else 2",
        "environment.a ~ ''",
        "environment.a + 1",
        "-environment.a",
        "[environment.a]",
        "{'k': environment.a}",
        "environment.a is none",
        "environment.a is string",
        "1 is eq(environment.a)",
        "environment.a | upper",
        "environment.a | upper | default('x')",
        "'x' | replace(environment.a, 'y')",
        "environment.none | default(environment.a, true)",
        "environment.hosts[environment.a]",
        "environment.a[0:1]",
    ],
)
def test_a_missing_value_is_a_fault_wherever_it_is_used(source: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        compile_expression(source).evaluate(CONTEXT)
    assert caught.value.code == "template-undefined"
    assert caught.value.message == "`environment.a` is undefined"
    assert source[caught.value.offset :].startswith("a")


def test_the_clock_is_only_there_when_it_is_given() -> None:
    source = "x {{ environment.since | older_than(1000) }}"
    fault = fault_of(source)
    assert fault.code == "template-unsafe"
    assert source[fault.offset :].startswith("older_than")
    context = {"environment": {"since": "1970-01-01T00:00:10Z"}}
    assert compile_template(source, clock=lambda: 11_001.0).render(context) == "x true"
    assert compile_template(source, clock=lambda: 11_000.0).render(context) == "x false"
    age = compile_expression("environment.since | duration_since", clock=lambda: 11_500.0)
    assert age.evaluate(context) == 1500


def test_equal_sources_compile_once() -> None:
    first = compile_template("{{ system.name | upper }} once")
    assert compile_template("{{ system.name | upper }} once") is first
    other = compile_template("{{system.name | upper}} twice")
    assert [part for part in other.parts if isinstance(part, Expression)] == [first.parts[0]]
    assert [part if isinstance(part, str) else part.source for part in other.parts] == ["system.name | upper", " twice"]


def test_the_cache_drops_the_oldest_by_cost() -> None:
    cache: CostCache[int] = CostCache(100)
    for number in range(10):
        cache.put(str(number), number, 30)
    assert len(cache) == 3
    assert [cache.get(str(number)) for number in (6, 7, 9)] == [None, 7, 9]
    cache.put("big", 1, 1000)
    assert len(cache) == 0


def test_expression_text_and_offset() -> None:
    expression = compile_expression("  environment.tier + 1 ")
    assert (expression.source, expression.evaluate(CONTEXT), expression.text(CONTEXT)) == (
        "environment.tier + 1",
        2,
        "2",
    )
    with pytest.raises(TemplateFault) as caught:
        compile_expression("  1 +")
    assert caught.value.offset == 4


def test_paths_never_load_jinja2() -> None:
    program = (
        "import sys; from reconciler.render.template import compile_template as c;"
        "c('{{ environment.a }}/{{ system.b.c }}').render({'environment': {'a': 1}, 'system': {'b': {'c': 2}}});"
        "assert 'jinja2' not in sys.modules; c('{{ 1 | abs }}'); assert 'jinja2' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(TemplateFault, match="no character"):
        compile_template("{{ a }}").render({"a": "\ud83d"})
