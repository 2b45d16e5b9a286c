"""The frame: the last one counts, of this run only, and whatever is in it can do no harm."""

from __future__ import annotations

import json

import pytest

from reconciler.sandbox.runners.frame import Frame, extract, markers, new_token, whole

TOKEN = "7d9f6a1e-0000-4000-8000-000000000000"
START, END = markers(TOKEN)


def framed(value: object) -> bytes:
    return START + json.dumps(value).encode() + END


def test_markers_are_the_published_ones() -> None:
    assert START == b"##__CS_SCRIPT_RESULT_7d9f6a1e-0000-4000-8000-000000000000_START__##"
    assert END == b"##__CS_SCRIPT_RESULT_7d9f6a1e-0000-4000-8000-000000000000_END__##"


def test_tokens_are_fresh() -> None:
    assert len({new_token() for _ in range(1000)}) == 1000


def test_the_last_frame_counts_and_goes() -> None:
    first, last = framed({"ok": True, "result": 1}), framed({"ok": True, "result": 2})
    assert extract(b"a" + first + b"b" + last + b"c", TOKEN) == (Frame(True, 2), b"a" + first + b"bc")


def test_a_frame_of_another_run_is_output() -> None:
    foreign = framed({"ok": True, "result": 1})
    assert extract(foreign, new_token()) == (None, foreign)


@pytest.mark.parametrize(
    "stderr",
    [b"", START, END, END + START, START + b'{"ok":true', b'{"ok":true}' + END, START[:-1] + b'{"ok":true}' + END],
)
def test_no_whole_frame(stderr: bytes) -> None:
    assert extract(stderr, TOKEN) == (None, stderr)


def test_a_frame_begun_before_the_real_one() -> None:
    assert extract(START + b"{" + framed({"ok": True, "result": 5}), TOKEN) == (Frame(True, 5), START + b"{")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b"{}",
        b'{"ok":1}',
        b'{"ok":"true"}',
        b"[" * 200_000,
        b'{"ok":true,"result":' + b"9" * 5000 + b"}",
        b'{"ok":true,"result":"\xff"}',
    ],
)
def test_a_frame_that_cannot_be_read_is_none(content: bytes) -> None:
    assert extract(START + content + END, TOKEN)[0] is None


def test_errors() -> None:
    assert extract(framed({"ok": False, "error": "e", "stack": "s"}), TOKEN)[0] == Frame(False, None, "e", "s")
    assert extract(framed({"ok": False, "error": ["e"], "stack": None}), TOKEN)[0] == Frame(False)


def test_half_pairs_are_replaced_and_whole_ones_kept() -> None:
    assert whole("a\ud800b") == "a\ufffdb"
    assert whole("\ud83d\ude00") == "😀"
    assert whole("é😀") == "é😀"
