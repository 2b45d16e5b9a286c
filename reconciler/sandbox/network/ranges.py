"""Addresses that no allow-list can open, and the one judgement over an address that everything else asks.

The list is closed on purpose: an entry of a policy can't lift it, a DNS answer can't slip below it, and the packet
filter holds it once more before the first accept. Forms of IPv6 that carry an IPv4 address inside are denied as a
whole, because each of them is a second spelling of something that was already judged under its plain name.
"""

from __future__ import annotations

import re
import socket
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class DeniedRange(NamedTuple):
    """A range with what it is; ``way_out`` tells an author what to write instead, where there is something."""

    network: Network
    what: str
    way_out: str = ""


class Standing(StrEnum):
    """How an address may be used. ``LOOPBACK`` and ``OWN`` only as a literal that somebody wrote down."""

    OPEN = "open"
    LOOPBACK = "loopback"
    OWN = "own"
    DENIED = "denied"


class Verdict(NamedTuple):
    """``reason`` is a clause without the address ("is link-local ..."); empty when open."""

    standing: Standing
    reason: str = ""

    @property
    def open(self) -> bool:
        """True when a name may resolve to it, too."""
        return self.standing is Standing.OPEN


def _v4(text: str, what: str, way_out: str = "") -> DeniedRange:
    return DeniedRange(IPv4Network(text), what, way_out)


def _v6(text: str, what: str, way_out: str = "") -> DeniedRange:
    return DeniedRange(IPv6Network(text), what, way_out)


_PLAIN: Final = "write the IPv4 address itself"

ALWAYS_DENIED: Final[tuple[DeniedRange, ...]] = (
    _v4("0.0.0.0/8", "an address of this host by another name"),
    _v4("169.254.0.0/16", "link-local, where cloud metadata services live"),
    _v4("224.0.0.0/4", "multicast"),
    _v4("240.0.0.0/4", "reserved, or broadcast"),
    _v4("100.100.100.200/32", "the metadata service of Alibaba Cloud"),
    _v4("168.63.129.16/32", "the platform service of Azure"),
    _v4("192.0.0.192/32", "the metadata service of Oracle Cloud"),
    _v6("fe80::/10", "link-local"),
    _v6("fec0::/10", "site-local, withdrawn long ago"),
    _v6(
        "fc00::/7",
        "unique-local, where metadata services of AWS, Google Cloud and Scaleway live",
        "use the IPv4 or the global IPv6 address of the target; unique-local targets can't be opened",
    ),
    _v6("ff00::/8", "multicast"),
    _v6("::ffff:0:0/96", "an IPv4 address mapped into IPv6", _PLAIN),
    _v6("::ffff:0:0:0/96", "an IPv4 address translated into IPv6", _PLAIN),
    _v6("64:ff9b::/96", "an IPv4 address behind NAT64", _PLAIN),
    _v6("64:ff9b:1::/48", "an IPv4 address behind a local NAT64", _PLAIN),
    _v6("2002::/16", "an IPv4 address inside 6to4", _PLAIN),
    _v6("2001::/32", "an IPv4 address inside Teredo", _PLAIN),
    _v6("::/128", "an address of this host by another name"),
)
"""In the order of the packet filter's own list: what is met most often first."""

_COMPATIBLE: Final = _v6("::/96", "an IPv4 address inside IPv6", _PLAIN)
"""IPv4-compatible addresses. Not in the list above: ``::1`` is among them, and rules must not cover it."""

LOOPBACK_V4: Final = IPv4Network("127.0.0.0/8")
LOOPBACK_V6: Final = IPv6Network("::1/128")


def judge(address: Address | str) -> Verdict:
    """What one address may be used for, and why not more. Raises ``ValueError`` for a text that isn't an address.

    Addresses of the host itself aren't known here; see ``reconciler.sandbox.network.resolve``.
    """
    parsed = ip_address(address) if isinstance(address, str) else address
    if isinstance(parsed, IPv6Address) and parsed.scope_id is not None:
        return Verdict(Standing.DENIED, "names an interface, which only link-local addresses need")
    if parsed in LOOPBACK_V4 or parsed in LOOPBACK_V6:
        return Verdict(Standing.LOOPBACK, "is the loopback of the host")
    for denied in (*ALWAYS_DENIED, _COMPATIBLE):
        if parsed in denied.network:
            return Verdict(Standing.DENIED, _clause(denied))
    return Verdict(Standing.OPEN)


def judge_network(network: Network | str) -> Verdict:
    """The same for a range. A range that merely overlaps a denied one is open: the filter denies that part first.

    Loopback is opened address by address only, so a range inside it is denied.
    """
    parsed = ip_network(network) if isinstance(network, str) else network
    if parsed.prefixlen == parsed.max_prefixlen:
        return judge(parsed.network_address)
    if _inside(parsed, LOOPBACK_V4):
        return Verdict(Standing.DENIED, "is a range of loopback: list the one address and port that is meant")
    for denied in (*ALWAYS_DENIED, _COMPATIBLE):
        if _inside(parsed, denied.network):
            return Verdict(Standing.DENIED, _clause(denied))
    return Verdict(Standing.OPEN)


def other_spelling(text: str) -> str | None:
    """The plain form of an IPv4 address in a spelling that only C libraries read (``0x7f.1``, ``2130706433``).

    None for everything else. A resolver would take such a text for an address, so it must never pass for a name.
    """
    if not re.fullmatch(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?", text):
        return None
    try:
        return str(IPv4Address(socket.inet_aton(text.rstrip("."))))
    except OSError:
        return None


def _clause(denied: DeniedRange) -> str:
    return f"is {denied.what}" + (f": {denied.way_out}" if denied.way_out else "")


def _inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)
