"""How a receiver can tell that a webhook is ours, is whole, and isn't an old one sent again: the headers that Standard
Webhooks describes. ``webhook-id`` is the delivery's key, so that it tells an attempt at the same delivery, too."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error
from hashlib import sha256

from reconciler.flows.acting.port import Undone

_PREFIX = "whsec_"


def headers(key: str, at: float, body: bytes, secret: str | None) -> list[tuple[str, str]]:
    """Id and time, and with a secret the signature over both and the body."""
    stamp = str(int(at))
    found = [("webhook-id", key), ("webhook-timestamp", stamp)]
    if secret is not None:
        signed = hmac.new(_bytes(secret), b".".join((key.encode(), stamp.encode(), body)), sha256).digest()
        found.append(("webhook-signature", f"v1,{b64encode(signed).decode()}"))
    return found


def _bytes(secret: str) -> bytes:
    """``whsec_`` and base64, as such secrets are handed around; any other text is taken as it is."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (Error, ValueError):
        raise Undone("signingSecret begins with whsec_, and what follows isn't base64") from None
