"""Where runs must not connect to. Names are resolved once, every address is checked, and the caller connects to a
checked address, never to the name again: a name that changes its mind between check and connection gains nothing.

Denied by default: link-local addresses, where clouds serve credentials, and the unique local range of IPv6, where one
of them does too. Private IPv4 networks are allowed: they are what a team monitors.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from reconciler.execute.port import Failed

DENIED = ("169.254.0.0/16", "fe80::/10", "fc00::/7", "100.100.100.200/32", "192.0.0.192/32")
"""Link-local, unique local, and the metadata addresses of clouds outside of both."""

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


class Address(NamedTuple):
    """A checked address. ``family`` is ``socket.AF_INET`` or ``AF_INET6``."""

    family: int
    ip: str
    port: int


class Resolved(NamedTuple):
    """``addresses`` are never empty, in the order to try; ``took_ms`` is the dns phase, 0 for a literal address."""

    addresses: tuple[Address, ...]
    took_ms: float


class Guard:
    """Knows the denied networks."""

    def __init__(self, deny: Iterable[str] = ()) -> None:
        """``deny`` is on top of :data:`DENIED`. Raises ``ValueError`` for what is no network."""
        self._networks = tuple(ip_network(text, strict=False) for text in (*DENIED, *deny))

    def extended(self, deny: Iterable[str]) -> Guard:
        """This guard and further networks."""
        more = tuple(ip_network(text, strict=False) for text in deny)
        if not more:
            return self
        guard = Guard()
        guard._networks = (*self._networks, *more)
        return guard

    def check(self, ip: str) -> None:
        """Raises :class:`Failed` for a denied address, in whatever form it is written."""
        address = ip_address(ip.partition("%")[0])
        for form in (address, *_embedded(address)):
            for network in self._networks:
                if form.version == network.version and form in network:
                    raise Failed(f"the address {ip} may not be connected to ({network} is denied)")

    async def resolve(self, host: str, port: int) -> Resolved:
        """Every address of the host, all of them allowed, or :class:`Failed`."""
        host = host.removeprefix("[").removesuffix("]")
        if (literal := _literal(host)) is not None:
            self.check(host)
            family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
            return Resolved((Address(family, host, port),), 0.0)
        began = time.perf_counter()
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Failed(f"the name {host} can't be resolved: {getattr(error, 'strerror', None) or error}") from error
        addresses = tuple(dict.fromkeys(Address(int(family), str(at[0]), port) for family, _, _, _, at in found))
        for address in addresses:
            self.check(address.ip)
        return Resolved(addresses, (time.perf_counter() - began) * 1000)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _embedded(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """IPv4 addresses that an IPv6 one leads to."""
    if isinstance(address, IPv4Address):
        return ()
    found = [address.ipv4_mapped, address.sixtofour]
    if address in _NAT64 or address in _COMPATIBLE:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    if address.teredo is not None:
        found += address.teredo
    return tuple(a for a in found if a is not None)
