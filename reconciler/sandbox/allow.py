"""Entries of an allow list: ``address:port``, ``cidr:port`` or ``host:port``, judged when a policy is saved."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from reconciler.sandbox.network.ranges import Standing, judge_network, other_spelling

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")


class AllowEntry(NamedTuple):
    """One destination. Exactly one of ``host`` (lower case, IDNA) and ``network`` is set; TCP and UDP alike."""

    text: str
    host: str | None
    network: IPv4Network | IPv6Network | None
    port: int


def parse_entry(text: str) -> AllowEntry:
    """Read one entry; raises ``ValueError`` with a sentence for users."""
    if not text or not text.isprintable() or any(c.isspace() for c in text):
        raise ValueError(f"{text!r} is no destination: blanks and control characters don't belong into one")
    where, port = _split(text)
    where = where.removeprefix("[").removesuffix("]") if where.startswith("[") else where
    plain = other_spelling(where)
    if plain is not None and plain != where:
        raise ValueError(f"{text!r} is {plain} in another spelling; write it plainly")
    network = _network(where, text)
    if network is None:
        return AllowEntry(text, _host(where, text), None, port)
    verdict = judge_network(network)
    if verdict.standing is Standing.DENIED:
        raise ValueError(f"{text!r} can't be allowed: it {verdict.reason}")
    return AllowEntry(text, None, network, port)


def _split(text: str) -> tuple[str, int]:
    where, colon, digits = text.rpartition(":")
    bare_v6 = where.count(":") > 0 and not where.startswith("[")
    if not colon or not where or bare_v6 or where.endswith(":"):
        way = f"[{text}]:443" if text.count(":") > 1 else f"{text.rstrip(':')}:443"
        raise ValueError(f"{text!r} names no port; write it as {way}")
    if not (digits.isascii() and digits.isdigit() and 1 <= int(digits[:6]) <= 65535):
        raise ValueError(f"{text!r} needs a port between 1 and 65535")
    return where, int(digits)


def _network(where: str, text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(where)
    except ValueError as error:
        if "host bits" in str(error):
            right = ip_network(where, strict=False)
            raise ValueError(f"{text!r} is no network: did you mean {right}?") from None
        if "/" in where or ":" in where or "%" in where:
            raise ValueError(f"{text!r} holds neither an address nor a network: {where}") from None
        return None


def _host(where: str, text: str) -> str:
    if "*" in where:
        raise ValueError(f"{text!r} is a pattern; list the host names one by one")
    try:
        name = where.encode("idna").decode() if not where.isascii() else where
    except UnicodeError:
        raise ValueError(f"{text!r} is no host name") from None
    name = name.lower().removesuffix(".")
    if len(name) > 253 or not all(_LABEL.match(label) for label in name.split(".")):
        raise ValueError(f"{text!r} is no host name")
    if name.rpartition(".")[2].isdigit():
        raise ValueError(f"{text!r} is no host name and no address")
    return name
