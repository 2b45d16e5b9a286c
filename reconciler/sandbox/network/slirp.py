"""slirp4netns as the way out.

``--enable-sandbox`` is never used: as root it takes away mounts of the host. The exit descriptor is a second string:
the helper ends when the last copy of our end is closed, which is when we are gone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from reconciler.sandbox.network.fence import ENVIRONMENT, NET_FD, USER_FD, Inside, Namespaces
from reconciler.sandbox.network.ranges import Network
from reconciler.sandbox.network.tapped import Started, wait_for

_READY_FD, _EXIT_FD = 5, 6
DEFAULT_SUBNET: Final = IPv4Network("10.0.2.0/24")
_SUBNETS: Final = (
    DEFAULT_SUBNET,
    *(IPv4Network(n) for n in ("10.213.77.0/24", "172.30.213.0/24", "192.168.213.0/24", "198.19.213.0/24")),
)
DEVICE: Final = "tap0"
_IPV6: Final = f"addr add fd00::100/64 dev {DEVICE} nodad\nroute replace default via fd00::2 dev {DEVICE}\n"
"""What the router would announce in a second or two. The filter closes fd00::/8 as a destination all the same."""


def subnet_beside(networks: Sequence[Network]) -> IPv4Network | None:
    """A small network for the inside that hides none of the destinations; None when they cover all candidates.

    A range counts only when it is the smaller one: somebody who opens 10.0.0.0/8 loses 256 addresses of it, and
    knows from the report which.
    """
    listed = [n for n in networks if isinstance(n, IPv4Network)]
    for candidate in _SUBNETS:
        if not any(candidate.overlaps(n) for n in listed):
            return candidate
    for candidate in _SUBNETS:
        if not any(n.subnet_of(candidate) for n in listed):
            return candidate
    return None


def gateway(subnet: IPv4Network) -> IPv4Address:
    """Leads to the host's loopback where that is open, and nowhere else."""
    return subnet.network_address + 2


def resolver(subnet: IPv4Network) -> IPv4Address:
    """Leads to the host's resolver where that is open."""
    return subnet.network_address + 3


class Slirp:
    """``loopback``: the host's loopback answers at the gateway. ``dns``: the host's resolver answers, too."""

    name = "slirp4netns"

    def __init__(
        self, path: str, *, subnet: IPv4Network, loopback: bool = False, ipv6: bool = False, dns: bool = False
    ) -> None:
        self._path, self._subnet = path, subnet
        self._loopback, self._ipv6, self._dns = loopback, ipv6, dns

    def arguments(self) -> tuple[str, ...]:
        """The whole command line; descriptors have fixed numbers."""
        out = [self._path, "--configure", "--mtu=65520", "--enable-seccomp"]
        if not self._loopback:
            out.append("--disable-host-loopback")
        if not self._dns:
            out.append("--disable-dns")
        if self._ipv6:
            out.append("--enable-ipv6")
        if self._subnet != DEFAULT_SUBNET:
            out.append(f"--cidr={self._subnet}")
        out += [f"--ready-fd={_READY_FD}", f"--exit-fd={_EXIT_FD}", f"--userns-path=/proc/self/fd/{USER_FD}"]
        return (*out, "--netns-type=path", f"/proc/self/fd/{NET_FD}", DEVICE)

    def start(self, started: Started, namespaces: Namespaces, inside: Inside, child_pid: int) -> dict[str, Any]:
        """See :class:`reconciler.sandbox.network.tapped.Tap`."""
        ready, told = os.pipe2(os.O_CLOEXEC)
        ends, held = os.pipe2(os.O_CLOEXEC)
        started.open += [ready, held]
        try:
            fds = {1: started.said, 2: started.said, **namespaces.fds(), _READY_FD: told, _EXIT_FD: ends}
            started.helper = started.helpers.start(self.arguments(), environment=ENVIRONMENT, fds=fds)
        finally:
            os.close(told)
            os.close(ends)
        if not wait_for(ready, started.helper):
            raise started.failure(self.name)
        if self._ipv6:
            inside.run("ip", ("-6", "-batch", "-"), _IPV6)
        return {"helper": started.helper.pid, "subnet": str(self._subnet), "hostLoopback": self._loopback}
