"""Whether what came in was sent by whoever has the key, whole, and not too long ago.

Two manners: that of Standard Webhooks, which signs an id and the time together with the body, and that of GitHub, which
signs the body alone. A trigger says which one it takes: whoever could choose would take the weaker.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

TOLERANCE = 300.0
"""Seconds by which the sender's clock may differ from ours, and in which a copy has to be known."""
REMEMBERED = 86_400.0
"""Seconds for which what came in has to be known, where the sender signs no time."""
_PREFIX = "whsec_"
_MOST = 8
"""Signatures in one header: while a key is changed there are two."""
_LONGEST_ID = 256


class Sent(NamedTuple):
    """What was sent, by whoever has the key. Of all that has one of these ``marks`` only the first counts."""

    id: str | None
    marks: tuple[str, ...]


def key_of(token: str) -> bytes | None:
    """The key in a token: base64 behind ``whsec_``, or the text itself. None where that is no base64, or nothing."""
    if not token.startswith(_PREFIX):
        return token.encode() or None
    try:
        return b64decode(token.removeprefix(_PREFIX), validate=True) or None
    except (Error, ValueError):
        return None


def standard(key: bytes, headers: Mapping[str, str], body: bytes, now: float) -> Sent | None:
    """By the headers of Standard Webhooks; None where anything is missing, wrong or too old. Names are lower case."""
    id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signed = b".".join((id.encode("utf-8", "replace"), stamp.encode("utf-8", "replace"), body))
    expected = b64encode(hmac.new(key, signed, sha256).digest())
    given = headers.get("webhook-signature", "").split(" ")[:_MOST]
    # Each is compared, and none before the signature was made, so that no time tells what was wrong.
    good = [hmac.compare_digest(expected, g.removeprefix("v1,").encode()) for g in given if g.startswith("v1,")]
    timely = stamp.isascii() and stamp.isdigit() and len(stamp) < 13 and abs(now - int(stamp)) <= TOLERANCE
    if not (any(good) and timely and 0 < len(id) <= _LONGEST_ID):
        return None
    return Sent(id, (f"id:{id}",))


def github(key: bytes, headers: Mapping[str, str], body: bytes, now: float) -> Sent | None:
    """By GitHub's headers. Its id isn't signed, so that the signature itself has to be a new one too."""
    expected = "sha256=" + hmac.new(key, body, sha256).hexdigest()
    given = headers.get("x-hub-signature-256", "")
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        return None
    id = headers.get("x-github-delivery", "")[:_LONGEST_ID] or None
    return Sent(id, (f"signature:{expected}", *((f"id:{id}",) if id else ())))


MANNERS = {"standard": standard, "github": github}
"""By what a trigger calls them."""
