"""Secret values: none survives, in whole or in a piece."""

from __future__ import annotations

import html
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.secrets.masking import Masker


@pytest.mark.parametrize(
    ("values", "text", "expected"),
    [
        ((), "abcd", "abcd"),
        (("abc",), "abc", "abc"),
        (("abcd",), "xabcdx abcd", "x****x ****"),
        (("abcd",), "abcdabcd", "********"),
        (("abcd", "abcdef"), "abcdefg abcd", "****g ****"),
        (("abcd", "cdef"), "abcdef", "****"),
        (("aaaa",), "aaaaaa", "****"),
        (("a.c*",), "abcc a.c*", "abcc ****"),
        (("line\n",), "line", "****"),
        (("abcd", ""), "", ""),
        (("пароль",), "is пароль", "is ****"),
    ],
)
def test_text(values: tuple[str, ...], text: str, expected: str) -> None:
    assert Masker(values).text(text) == expected


@pytest.mark.parametrize(
    "written",
    [
        lambda value: json.dumps({"a": value}),
        lambda value: json.dumps({"a": value}, ensure_ascii=False),
        lambda value: f"/search?q={quote(value)}",
        lambda value: urlencode({"q": value}),
        lambda value: f"<p>{html.escape(value)}</p>",
    ],
)
def test_other_spellings(written: Callable[[str], str]) -> None:
    value = 'p@s "w\\ö\n<&rd'
    assert Masker([value]).text(written(value)) == written("MASK").replace("MASK", "****")


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
def test_base64_but_for_bytes_that_share_a_piece_with_others(before: str) -> None:
    value = "correct-horse-battery"
    found = Masker([value]).text(b64encode(f"{before}{value}\n".encode()).decode())
    told = b"".join(b64decode(piece + "=" * (-len(piece) % 4)) for piece in found.split("****"))
    assert len(told) <= len(before) + 1 + 4
    assert b"horse" not in told


def test_deep_with_keys() -> None:
    found = Masker(["hunter22"]).deep({"hunter22": [{"a": "x hunter22"}, 1, None, ("hunter22",)], "b": True})
    assert found == {"****": [{"a": "x ****"}, 1, None, ["****"]], "b": True}


def test_what_was_cut_short() -> None:
    masker = Masker(["hunter22"])
    assert masker.text("is hunter2", cut_short=True) == "is ****"
    assert masker.text("is hun", cut_short=True) == "is hun", "three characters give nothing away"
    assert masker.text("is hunter2") == "is hunter2"


@given(st.lists(st.text("ab", min_size=4, max_size=6), max_size=4), st.text("ab", max_size=30))
def test_no_value_and_no_piece_of_one_is_left(values: list[str], text: str) -> None:
    covered = {i for v in values for at in range(len(text)) if text.startswith(v, at) for i in range(at, at + len(v))}
    assert Masker(values).text(text).replace("****", "") == "".join(c for i, c in enumerate(text) if i not in covered)
