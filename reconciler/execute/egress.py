"""Where runs must not connect to. Names are resolved once, every address is checked, and the caller connects to a
checked address, never to the name again: a name that changes its mind between check and connection gains nothing.

Denied by default: link-local addresses, where clouds serve credentials, and the unique local range of IPv6, where one
of them does too. Private IPv4 networks are allowed: they are what a team monitors.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from reconciler.execute.names import Names
from reconciler.execute.port import Failed

DENIED = (
    *("169.254.0.0/16", "fe80::/10", "fc00::/7"),
    *("100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32"),
)
"""Link-local, unique local, and the metadata addresses of clouds outside of both."""

_EMBEDDING = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")))
"""Networks whose last 32 bits are an IPv4 address: NAT64 (the well-known and the local one), and older notations."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_ISATAP = (0x00005EFE, 0x02005EFE)
_REMEMBERED = 4096

_NETWORKS = tuple(ip_network(text) for text in DENIED)


class Address(NamedTuple):
    """A checked address. ``family`` is ``socket.AF_INET`` or ``AF_INET6``."""

    family: int
    ip: str
    port: int


class Resolved(NamedTuple):
    """``addresses`` are never empty, in the order to try; ``took_ms`` is the dns phase, 0 for a literal address."""

    addresses: tuple[Address, ...]
    took_ms: float


class Unresolved(Failed):
    """The name leads nowhere."""


class Denied(Failed):
    """Nothing here may connect to that address."""


class Guard:
    """Knows the denied networks."""

    def __init__(self, deny: Iterable[str] = (), *, names: Names | None = None) -> None:
        """``deny`` is on top of :data:`DENIED`. Raises ``ValueError`` for what is no network."""
        self._networks = (*_NETWORKS, *(ip_network(text, strict=False) for text in deny))
        self._names = names if names is not None else Names()
        self._passed: dict[str, int] = {}

    @property
    def networks(self) -> tuple[str, ...]:
        """All that are denied, for a process that has to hold them by itself."""
        return tuple(map(str, self._networks))

    def extended(self, deny: Iterable[str]) -> Guard:
        """This guard and further networks."""
        more = tuple(ip_network(text, strict=False) for text in deny)
        if not more:
            return self
        guard = Guard(names=self._names)
        guard._networks = (*self._networks, *more)
        return guard

    def check(self, ip: str) -> None:
        """Raises :class:`Failed` for a denied address, in whatever form it is written, and for what is none."""
        if ip in self._passed:
            return
        address = _literal(ip)
        if address is None:
            raise Failed(f"{ip!r} is no address")
        for form in (address, *_embedded(address)):
            for network in self._networks:
                if form.version == network.version and form in network:
                    raise Denied(f"the address {ip} may not be connected to ({network} is denied)")
        if len(self._passed) >= _REMEMBERED:
            self._passed.clear()
        self._passed[ip] = socket.AF_INET if address.version == 4 else socket.AF_INET6

    def literal(self, host: str, port: int) -> Resolved | None:
        """The address that is written out, None for a name. Raises :class:`Failed` for a denied one."""
        host = _bare(host)
        if host not in self._passed:
            if _literal(host) is None:
                return None
            self.check(host)
        return Resolved((Address(self._passed[host], host, port),), 0.0)

    async def resolve(self, host: str, port: int) -> Resolved:
        """Every address of the host, all of them allowed. Raises :class:`Unresolved` for a name that leads nowhere,
        :class:`Failed` for a denied address. Has no time limit of its own."""
        if (written := self.literal(host, port)) is not None:
            return written
        host = _bare(host)
        if not host or "\0" in host:
            raise Unresolved("there is no host to connect to")
        began = time.perf_counter()
        try:
            found = await self._names.find(host)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise Unresolved(f"the name {host} can't be resolved: {reason}") from error
        addresses = tuple(dict.fromkeys(Address(family, ip, port) for family, ip in found))
        if not addresses:
            raise Unresolved(f"the name {host} has no address")
        for address in addresses:
            self.check(address.ip)
        return Resolved(addresses, (time.perf_counter() - began) * 1000)


def _bare(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.partition("%")[0] if ":" in host else host)
    except ValueError:
        return None


def _embedded(address: IPv4Address | IPv6Address) -> tuple[IPv4Address | IPv6Address, ...]:
    """Further addresses that one leads to: IPv4 ones inside IPv6 ones, and this host for the unspecified one."""
    if isinstance(address, IPv4Address):
        return (IPv4Address("127.0.0.1"),) if int(address) == 0 else ()
    if int(address) == 0:
        return (IPv6Address("::1"), IPv4Address("127.0.0.1"))
    number = int(address)
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _EMBEDDING) or (number >> 32 & 0xFFFFFFFF) in _ISATAP:
        found.append(IPv4Address(number & 0xFFFFFFFF))
    if address in _LOCAL_NAT64:
        # RFC 6052: an operator's prefix of 48 bits has the address around the eight bits that stay zero.
        found.append(IPv4Address((number >> 64 & 0xFFFF) << 16 | (number >> 40 & 0xFFFF)))
    return tuple(a for a in found if a is not None)
