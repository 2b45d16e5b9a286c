"""What an untrusted author may try: every one ends in a fault, soon, and in little memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.render import expression, template
from reconciler.render.cache import CostCache
from reconciler.render.template import TemplateFault, compile_expression, compile_template

ROOT = Path(__file__).resolve().parents[3]
BIG = "😀" * 65_000
CONTEXT: dict[str, Any] = {
    "s": "x" * 65_000,
    "big": BIG,
    "huge": "y" * 3_000_000,
    "l": list(range(10_000)),
    "w": [f"word {n} " * 5 for n in range(10_000)],
    "ll": list(range(1_000_000)),
    "m": {f"k{n}": "v" * 100 for n in range(5_000)},
    "n": 2**63,
    "environment": {"x": "y"},
}

HOSTILE = {
    "class": "{{ ''.__class__.__mro__ }}",
    "class of a mapping": "{{ environment.__class__ }}",
    "attribute in brackets": "{{ ''['__class__']['__mro__'] }}",
    "method of a mapping": "{{ environment.pop }}",
    "method of a list": "{{ l.append }}",
    "attr filter": "{{ environment | attr('__class__') }}",
    "map filter": "{{ [1] | map('attr', '__class__') }}",
    "call": "{{ environment.items() }}",
    "format": "{{ '{0.__class__}'.format(1) }}",
    "format filter": "{{ '%s' | format(1) }}",
    "globals": "{{ self }}",
    "cycler": "{{ cycler.__init__.__globals__ }}",
    "range": "{{ range(10**9) }}",
    "lipsum": "{{ lipsum(n=100000) }}",
    "text times": "{{ 'a' * 10**9 }}",
    "times text": "{{ 10**9 * 'a' }}",
    "text times text": "{{ s * 1000 }}",
    "list times": "{{ [0] * 10**9 }}",
    "list doubled": "{{ l + l }}",
    "percent": "{{ '%1000000000d' % 1 }}",
    "center": "{{ 'a' | center(10**9) }}",
    "replace": "{{ s | replace('x', s) }}",
    "replace nothing": "{{ s | replace('', s) }}",
    "replace for version 1": "{{ s | v1_replace('x', s) }}",
    "indent": "{{ s | replace('x', '\\n') | indent(80) }}",
    "indent far": "{{ 'a\\nb' | indent(10**9) }}",
    "batch": "{{ [1] | batch(10**9) }}",
    "join": "{{ l | join(s) }}",
    "join for version 1": "{{ l | v1_join(s) }}",
    "join of copies": "{{ ([s] * 10000) | join }}",
    "json of copies": "{{ [s] * 10000 }}",
    "power": "{{ 2**10**9 }}",
    "power tower": "{{ 9**9**9**9 }}",
    "negative power": "{{ 2**-(10**9) }}",
    "float power": "{{ 9.9**999 }}",
    "complex": "{{ (-8)**0.5 }}",
    "big numbers": "{{ n * n }}",
    "long number": "{{ " + "9" * 5000 + " }}",
    "long number in text": "{{ ('9' * 50000) | int | abs ** 'x' }}",
    "infinite": "{{ 1e999 }}",
    "nested parentheses": "{{ " + "(" * 100_000 + " }}",
    "closed parentheses": "{{ " + "(" * 1000 + "1" + ")" * 1000 + " }}",
    "nested lists": "{{ " + "[" * 100_000 + "]" * 100_000 + " }}",
    "nested mappings": "{{ " + "{'a':" * 1000 + "1" + "}" * 1000 + " }}",
    "filters in a row": "{{ 1" + "|abs" * 100_000 + " }}",
    "fewer filters in a row": "{{ 1" + "|abs" * 400 + " }}",
    "members in a row": "{{ environment" + ".x" * 400 + "[0] }}",
    "nots": "{{ " + "not " * 100_000 + "1 }}",
    "fewer nots": "{{ " + "not " * 900 + "1 }}",
    "minuses": "{{ " + "- " * 900 + "1 }}",
    "choices": "{{ " + "1 if 0 else " * 200 + "1 }}",
    "sums": "{{ 1" + "+1" * 499 + " }}",
    "powers": "{{ 1" + "**1" * 499 + " }}",
    "long source": "{{ environment.x }}" * 600_000,
    "many expressions": "".join(f"{{{{ a{n} | default('') }}}}" for n in range(3000)),
    "dense expressions": "".join(f"{{{{ {n}{'+1' * 90} }}}}" for n in range(690)),
    "long text": "x" * 10_000_000,
    "long expression": "{{ '" + "x" * 200_000 + "' }}",
    "braces": "{{" * 100_000,
    "quotes": "{{ " + "'" * 99_999 + " }}",
    "blanks": "{{" + " " * 200_000 + "!",
    "dots": "{{ " + "a." * 100_000 + " }}",
    "long output": "{{ s }}{{ s }}",
    "long output of bytes": "{{ big }}",
    "many long outputs": "{{ huge }}" * 20_000,
    "made many times": "{{ 'a' * 60000 }}" * 10_000,
    "work without output": "{{ (w | sort | first)[0:0] }}" * 8_000,
    "comparing lists": "{{ '' if ll == l + [1] else '' }}" * 8_000,
    "comparing texts": "{{ '' if big == big ~ '' else '' }}" * 5_000,
    "titles": "{{ (s | title)[0:0] }}" * 8_000,
    "loosely": "{{ '' if m | loose_less(l) else '' }}" * 6_000,
    "as json": "{{ (l | tojson)[0:0] }}" * 8_000,
    "searching": "{{ '' if [1] in ll else '' }}" * 8_000,
    "quoting": "{{ big | urlencode }}",
    "reverse": "{{ huge | reverse }}",
    "unique characters": "{{ [big|reverse, big|unique|length] }}",
    "surrogate": "{{ '\\ud83d' }}",
}


def attempt(name: str) -> str:
    """Try one, within 300 MiB of address space beyond what the process has; returns the code of the fault."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 2**20, resource.RLIM_INFINITY))
    compile_template("{{ 1 | abs }}")
    begin = time.process_time()
    try:
        compile_template(HOSTILE[name]).render(CONTEXT)
    except TemplateFault as fault:
        spent = time.process_time() - begin
        return fault.code if spent < 1 else f"{fault.code} after {spent:.2f} s"
    return "rendered"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_templates_end_in_a_fault(name: str) -> None:
    begin = time.process_time()
    with pytest.raises(TemplateFault) as caught:
        compile_template(HOSTILE[name]).render(CONTEXT)
    assert time.process_time() - begin < 1
    assert 0 <= caught.value.offset <= len(HOSTILE[name])
    assert len(caught.value.message) < 300
    assert len(caught.value.hint or "") < 2000


WORST = [
    "text times",
    "list times",
    "replace",
    "replace nothing",
    "join",
    "join of copies",
    "json of copies",
    "power tower",
    "long source",
    "many long outputs",
    "made many times",
    "quoting",
    "unique characters",
    "filters in a row",
    "indent",
]


def test_the_worst_stay_within_memory() -> None:
    program = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('hostile', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "for name in sys.argv[2:]: print(name + ': ' + module.attempt(name))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, __file__, *WORST], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, done.stderr
    codes = dict(line.split(": ") for line in done.stdout.splitlines())
    assert list(codes) == WORST
    assert set(codes.values()) <= {"template-limit", "template-value"}, codes


def test_a_made_value_is_bounded_for_who_writes_it() -> None:
    with pytest.raises(TemplateFault, match="too big"):
        compile_expression("[s] * 10000").evaluate(CONTEXT)
    assert compile_expression("ll").evaluate(CONTEXT) is CONTEXT["ll"]


def test_the_caches_do_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    small: CostCache[Any] = CostCache(200_000)
    monkeypatch.setattr(expression, "_cache", small)
    monkeypatch.setattr(template, "_cache", CostCache(200_000))
    for number in range(2000):
        compile_template(f"{{{{ environment.x{number} | default('') }}}}")
    assert len(small) < 100


_PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "{",
        "}",
        "$",
        "'",
        '"',
        "\\",
        "(",
        ")",
        "[",
        "]",
        "|",
        ".",
        "environment",
        "x",
        "_a",
        "1",
        "1.5",
        "e9",
        "-",
        "not ",
        " if ",
        " else ",
        " is ",
        " in ",
        "~",
        "*",
        "**",
        "upper",
        "default",
        "('a')",
        ":",
        ",",
        "\n",
        "\x00",
        "é",
        "٣",
        "{%",
        "#",
        "&&",
        "==",
        "=",
        "<",
        " and ",
        "none",
        "true",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=60) | st.lists(_PIECES, max_size=25).map("".join).map(lambda text: "{{ " + text + " }}"))
def test_any_text_compiles_or_faults(source: str) -> None:
    try:
        rendered = compile_template(source).render(CONTEXT)
    except TemplateFault as fault:
        assert 0 <= fault.offset <= len(source)  # noqa: PT017
        assert fault.message  # noqa: PT017
    else:
        assert isinstance(rendered, str)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=25).map("".join))
def test_any_expression_compiles_or_faults(source: str) -> None:
    try:
        compile_expression(source).evaluate(CONTEXT)
    except TemplateFault as fault:
        assert 0 <= fault.offset <= max(len(source), 1)  # noqa: PT017


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="{", exclude_categories=["Cs"])))
def test_text_without_expressions_is_kept(source: str) -> None:
    assert compile_template(source).render({}) == source
