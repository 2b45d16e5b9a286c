"""A value is spelled so that it reads back as it is, in the style that stood there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.rewrite.scalars import emitted, quoted, restyled
from reconciler.rewrite.text import Edits, shifted
from reconciler.source.layout import layouts
from reconciler.source.yaml import load


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.booleans(), st.sampled_from("'\""))
def test_text_reads_back(text: str, flow: bool, quote: str) -> None:
    spelled = emitted(text, flow=flow, quote=quote)
    whole = f"[{spelled}, {spelled}]" if flow else f"- {spelled}\n- {spelled}\n"
    documents, faults = load(whole.encode())
    assert faults == []
    assert documents[0].value == [text, text]


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (1, "1"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        ("45s", "45s"),
        ("no", '"no"'),
        ("012", '"012"'),
        ("", '""'),
    ],
)
def test_values(value: Any, spelled: str) -> None:
    assert emitted(value, flow=False) == spelled


def test_single_quotes_only_where_they_hold() -> None:
    assert quoted("it's", "'") == "'it''s'"
    assert quoted("a\nb", "'") == '"a\\nb"'


def restyle(source: str, value: Any, *, careful: bool = True) -> str:
    text = f"key: {source}"
    layout = layouts(text.encode())[0]
    node = layout.at(("key",))
    assert node is not None
    new = restyled(text, node, value, flow=False, quote='"', careful=careful, ending="\n")
    whole = text[: node.body] + new + text[node.end :]
    assert load(whole.encode())[0][0].value == {"key": value}
    return whole.removeprefix("key: ")


def test_styles_stay() -> None:
    assert restyle("a\n", "b") == "b\n"
    assert restyle("'a'\n", "b") == "'b'\n"
    assert restyle('"a"\n', "b") == '"b"\n'
    assert restyle("a\n", "b: c") == '"b: c"\n'
    assert restyle("|\n  one\n  two\n", "one\nthree\n") == "|\n  one\n  three\n"
    assert restyle("|-  # why\n  one\n", "one\nthree") == "|-  # why\n  one\n  three\n"
    assert restyle("|\n  one\n", "one", careful=False) == "|-\n  one\n"
    assert restyle("|\n  one\n", " one") == '" one"\n'


def test_only_the_words_that_differ_are_replaced() -> None:
    assert restyle('"\\u00e9 a \\x41"\n', "é b A") == '"\\u00e9 b \\x41"\n'
    assert restyle(">-\n  one two\n  three\n\n  four\n", "one 2 three\nfour") == ">-\n  one 2\n  three\n\n  four\n"
    assert restyle("'one\n  it''s\n  three'\n", "one it's 3") == "'one\n  it''s\n  3'\n"
    assert restyle("one\n  two\n  three\n", "one two 3") == "one\n  two\n  3\n"


def test_a_long_text_is_compared_where_it_differs() -> None:
    many = "one two " * 2000
    assert restyle(f'"{many}{{a}} \\u00e9 {many}"\n', f"{many}{{b}} é {many}") == f'"{many}{{b}} \\u00e9 {many}"\n'


def test_edits_that_overlap_are_refused() -> None:
    edits = Edits()
    edits.replace(0, 3, "x")
    edits.insert(3, "y")
    assert edits.apply("abcdef", 0, 6) == "xydef"
    edits.replace(2, 4, "z")
    with pytest.raises(ValueError, match="overlap"):
        edits.check()


def test_shifting_lines() -> None:
    assert shifted("a:\n  b\n\n  c", 2) == "a:\n    b\n\n    c"
    assert shifted("a:\r\n    b\r\n c", -2) == "a:\r\n  b\r\nc"
