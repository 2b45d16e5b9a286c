"""Every node with the span of its text, by both parsers."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.source.layout import Layout, layouts, merges
from reconciler.source.yaml import load

TEXT = """\
# c
a: &x  foo   # t
b: |  # hc
  lit
  lit2

c: {x: 1, y: "é ", }  # z
? d
: e
f: [a: b, {c}, *x]
g:
- x
- !!str y
-
h: &m
  k: v
  # inner

i:
j: >+
  keep

k: 'a
  b'
"""
SPANS = {
    ("a",): "&x  foo",
    ("b",): "|  # hc\n  lit\n  lit2",
    ("c",): '{x: 1, y: "é ", }',
    ("c", "y"): '"é "',
    ("d",): "e",
    ("f",): "[a: b, {c}, *x]",
    ("f", 0): "a: b",
    ("f", 1, "c"): "",
    ("f", 2): "*x",
    ("g", 1): "!!str y",
    ("g", 2): "",
    ("h",): "&m\n  k: v",
    ("i",): "",
    ("j",): ">+\n  keep\n",
    ("k",): "'a\n  b'",
}


def spans(found: Layout) -> dict[tuple[str | int, ...], str]:
    nodes = {path: found.at(path) for path in SPANS}
    return {path: found.text[node.start : node.end] for path, node in nodes.items() if node is not None}


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("before", ["", "\ufeff", "---\n", "x: 1\n...\n---\n", "\ufeffo: [http://x]\n---\n"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_spans(before: str, ending: str, *, quick: bool) -> None:
    text = (before + TEXT).replace("\n", ending)
    tape: list[Any] = []
    load(text.encode(), tape=tape)
    found = layouts(text.encode(), tape if quick else ())
    assert spans(found[max(found)]) == {path: span.replace("\n", ending) for path, span in SPANS.items()}


def test_what_stands_behind_an_anchor_or_tag() -> None:
    found = layouts(b"a: &x foo\nb: !!map {k: v}\nc: &l\n  - 1\n")[0]
    node, tagged, listed = (found.at((key,)) for key in "abc")
    assert node is not None
    assert tagged is not None
    assert listed is not None
    assert found.text[node.body : node.end] == "foo"
    assert found.text[tagged.body : tagged.end] == "{k: v}"
    assert [each.anchor for each in found.anchors] == ["x", "l"]


def test_aliases_know_their_anchor() -> None:
    found = layouts(b"a: &x {k: v}\nb: *x\nc: {<<: *x}\n")[0]
    assert [alias.target is found.at(("a",)) for alias in found.aliases] == [True, True]
    assert found.at(("b", "k")) is None
    assert found.at(("c", "k")) is None
    merged = found.at(("c",))
    assert merged is not None
    assert merged.pairs is not None
    assert merges(merged.pairs[0][0])


def test_documents_that_cant_be_read_are_left_out() -> None:
    assert sorted(layouts(b"a: 1\n---\nb: [\n---\nc: 3\n")) == [0, 2]
