"""Host names of an allow-list in one form: what a person writes, what is resolved, and what ``/etc/hosts`` holds."""

from __future__ import annotations

import re
from typing import Final

from reconciler.sandbox.network.ranges import other_spelling

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+", re.ASCII)
_LOCAL: Final = ("localhost", "localdomain")


def normalise_host(text: str) -> str:
    """Lower case, no final dot, letters outside ASCII as ``xn--``. ``ValueError`` with a clause says what is wrong.

    A name whose last label is a number is refused: C libraries read ``2130706433`` or ``0x7f.1`` as an address.
    """
    if not text:
        raise ValueError("is empty")
    if not text.isprintable() or any(c.isspace() for c in text):
        raise ValueError("holds a blank or a control character")
    if "*" in text:
        raise ValueError("holds a wildcard: list every host by its full name")
    plain = other_spelling(text)
    if plain is not None:
        raise ValueError(f"is another spelling of {plain}: write that")
    try:
        name = text.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise ValueError("isn't a host name") from None
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("isn't a host name")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError("ends in a number, so it is neither a host name nor an IPv4 address")
    if labels[-1] in _LOCAL:
        raise ValueError("is the loopback of the host: list 127.0.0.1 with its port if that is meant")
    return name
