"""What strangers send: objects and forms, of a bounded size, depth and count."""

from __future__ import annotations

import pytest

from reconciler.automate.received import HEADERS, Unreadable, payload, read
from reconciler.base.canonical import dumps


def test_a_payload_has_all_its_keys() -> None:
    found = payload("deploy", "m1", {"user-agent": "x" * 1000, "authorization": "Bearer key"}, b'{"a": [1, null]}')
    assert found == {
        "hook": "deploy",
        "id": "m1",
        "headers": {**dict.fromkeys(HEADERS), "user-agent": "x" * 256},
        "body": {"a": [1, None]},
    }


@pytest.mark.parametrize("kind", ["", "application/json", "Application/JSON; charset=utf-8", "application/x+json"])
def test_objects(kind: str) -> None:
    assert read(kind, b'{"a": 1}') == {"a": 1}


def test_forms() -> None:
    kind = "application/x-www-form-urlencoded"
    assert read(kind, b"a=1&b=%7B%7D&a=2&c=") == {"a": ["1", "2"], "b": "{}", "c": ""}
    assert read(kind, b"") == {}


@pytest.mark.parametrize(
    ("kind", "body", "status", "words"),
    [
        ("text/plain", b"{}", 415, "object or a form"),
        ("multipart/form-data; boundary=x", b"--x", 415, "object or a form"),
        ("", b"", 400, "no JSON"),
        ("", b"\xff{}", 400, "no JSON"),
        ("", b'{"a": NaN}', 400, "no JSON"),
        ("", b'{"a": "\xed\xa0\x80"}', 400, "no JSON"),
        ("", b"[1]", 400, "no object"),
        ("", b"null", 400, "no object"),
        ("", b"[" * 100_000, 400, "no JSON"),
        ("", b'{"a":' * 40 + b"1" + b"}" * 40, 400, "deeper than 32"),
        ("", b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", 400, "deeper than 32"),
        ("", dumps({"a": [0] * 20_001}), 400, "more than 20000 values"),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 1001), 400, "at most 1000 fields"),
        ("application/x-www-form-urlencoded", b"\xff=1", 400, "UTF-8"),
        ("application/x-www-form-urlencoded", b"nothing", 400, "no form"),
    ],
)
def test_what_is_no_payload(kind: str, body: bytes, status: int, words: str) -> None:
    with pytest.raises(Unreadable, match=words) as raised:
        read(kind, body)
    assert raised.value.status == status


def test_everything_that_is_taken_can_be_kept() -> None:
    for body in (
        b'{"a": 1e400}',
        b'{"a": 123456789012345678901234567890}',
        b'{"\\u0000": "\\u0000"}',
        b'{"a": {"a": 1}}',
    ):
        try:
            found = read("", body)
        except Unreadable:
            continue
        dumps(found)
