"""Signatures of webhooks: right ones are known, in both manners; anything else isn't."""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha256

import pytest

from reconciler.automate.signatures import TOLERANCE, github, key_of, standard

KEY, NOW, BODY = b"open-sesame", 1_800_000_000.0, b'{"version": "1.2"}'


def signed(id: str = "msg_1", at: float = NOW, body: bytes = BODY, key: bytes = KEY) -> dict[str, str]:
    text = b".".join((id.encode(), str(int(at)).encode(), body))
    signature = b64encode(hmac.new(key, text, sha256).digest()).decode()
    return {"webhook-id": id, "webhook-timestamp": str(int(at)), "webhook-signature": f"v1,{signature}"}


def hub(body: bytes = BODY, key: bytes = KEY) -> dict[str, str]:
    return {"x-hub-signature-256": f"sha256={hmac.new(key, body, sha256).hexdigest()}"}


def test_the_example_of_the_specification() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert key is not None
    found = standard(key, headers, b'{"test": 2432232314}', 1614265330)
    assert found == ("msg_p5jXN8AQM9LWM0D4loKWxJek", ("id:msg_p5jXN8AQM9LWM0D4loKWxJek",))


def test_while_a_key_is_changed_there_are_two_signatures() -> None:
    headers = signed()
    other = signed(key=b"other")["webhook-signature"]
    for both in (f"{other} {headers['webhook-signature']}", f"v1a,x {headers['webhook-signature']} {other}"):
        assert standard(KEY, {**headers, "webhook-signature": both}, BODY, NOW) is not None
    many = " ".join([other] * 8 + [headers["webhook-signature"]])
    assert standard(KEY, {**headers, "webhook-signature": many}, BODY, NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2," + signed()["webhook-signature"][3:]},
        {"webhook-signature": signed()["webhook-signature"][3:]},
        {"webhook-signature": signed(key=b"other")["webhook-signature"]},
        {"webhook-signature": "v1,é"},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(NOW) + 1)},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "１８０"},
        hub(),
    ],
)
def test_what_isnt_signed_so(change: dict[str, str]) -> None:
    headers = {**signed(), **change}
    if "x-hub-signature-256" in change:
        headers = change
    assert standard(KEY, headers, BODY, NOW) is None


def test_a_body_that_was_changed() -> None:
    assert standard(KEY, signed(), BODY + b" ", NOW) is None
    assert github(KEY, hub(), BODY + b" ", NOW) is None


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (TOLERANCE, True), (TOLERANCE + 1, False)])
@pytest.mark.parametrize("way", [1, -1])
def test_old_ones_and_those_of_the_future(seconds: float, good: bool, way: int) -> None:
    assert (standard(KEY, signed(at=NOW + way * seconds), BODY, NOW) is not None) is good


@pytest.mark.parametrize("id", ["", "x" * 257])
def test_ids_have_a_length(id: str) -> None:
    assert standard(KEY, signed(id), BODY, NOW) is None


def test_github_has_an_id_that_isnt_signed() -> None:
    """Whoever copies a request can give it another id, so the signature has to be a new one as well."""
    first = github(KEY, {**hub(), "x-github-delivery": "one"}, BODY, NOW)
    copied = github(KEY, {**hub(), "x-github-delivery": "two"}, BODY, NOW)
    assert first is not None
    assert copied is not None
    assert (first.id, copied.id) == ("one", "two")
    assert set(first.marks) & set(copied.marks) == {f"signature:{hub()['x-hub-signature-256']}"}
    bare = github(KEY, hub(), BODY, NOW)
    assert bare is not None
    assert bare.id is None


def test_what_one_manner_signs_is_nothing_to_the_other() -> None:
    assert github(KEY, signed(), BODY, NOW) is None
    whole = b".".join((b"msg_1", str(int(NOW)).encode(), BODY))
    assert standard(KEY, {**hub(whole), "webhook-id": "msg_1", "webhook-timestamp": str(int(NOW))}, BODY, NOW) is None


@pytest.mark.parametrize(
    ("token", "key"),
    [
        ("plain", b"plain"),
        ("whsec_b3Blbg==", b"open"),
        ("whsec_", None),
        ("whsec_***", None),
        ("whsec_é", None),
        ("", None),
    ],
)
def test_keys(token: str, key: bytes | None) -> None:
    assert key_of(token) == key
