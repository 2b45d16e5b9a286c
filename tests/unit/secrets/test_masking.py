"""Secret values: none survives, in whole or in a piece."""

from __future__ import annotations

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
