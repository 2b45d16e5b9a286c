"""Whatever bytes a repository holds, reading them gives documents and faults, never an exception."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.source.positions import positions
from reconciler.source.recover import recover
from reconciler.source.yaml import load

SEEDS = (
    b"kind: Check\nmetadata: {name: x, tags: [a, 'b', \"c\"]}\nspec:\n  s: |\n    a\n    b\n  t: >-\n    c\n",
    b"%YAML 1.2\n---\na: &a {x: 1}\nb: {<<: *a}\n...\n---\n- !!str 1\n- ? x\n  : y\n",
    'é: "\\u00e9\\ud83d\\ude00"\n--- # c\nf: [http://x, {u: http://a:80/b}]\n'.encode(),
)
ALPHABET = [
    *(character.encode() for character in "\n\r\t'\"|>#%\\[]},1a\u2028\ufeff"),
    *(b"---", b"...", b"  ", b": ", b"- ", b"? ", b"*a", b"&a ", b"!!int ", b"<<", b"{{", b".inf"),
    *(b"\xff", b"\x00", b"%TAG ! x\n", b"\\U99999999", b"--- |\n", b"\\ud83d"),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 5))
        data[at : at + length] = draw(st.sampled_from(ALPHABET))
    return bytes(data)


def holds(data: bytes) -> None:
    parsed, faults = load(data)
    if not faults:
        assert recover(data) == (parsed, [])
    lines = max(1, len(data.splitlines())) + 1
    previous = -1
    for document in parsed:
        assert document.index > previous
        previous = document.index
        assert 1 <= document.line <= lines
        json.dumps(document.value, allow_nan=False).encode()
        json.dumps(document.value, ensure_ascii=False).encode()
        places = positions(data, document.index)
        assert places.value(())[0] == document.line
        walk(document.value, (), places)
    for fault in faults:
        assert 1 <= fault.line <= lines
        assert fault.column >= 1
        assert fault.message


def walk(value: Any, path: tuple[Any, ...], places: Any) -> None:
    places.key(path)
    places.value(path)
    if isinstance(value, dict):
        for key, inner in value.items():
            assert type(key) is str
            walk(inner, (*path, key), places)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            walk(inner, (*path, index), places)
    elif isinstance(value, str):
        for offset in range(len(value) + 2):
            places.inside(path, offset)


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_mutated_yaml(data: bytes) -> None:
    holds(data)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(ALPHABET), max_size=30).map(b"".join))
def test_fragments(data: bytes) -> None:
    holds(data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    holds(data)
