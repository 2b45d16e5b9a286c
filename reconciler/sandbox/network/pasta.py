"""pasta as the way out, where nothing better is there.

It gives the namespace the host's own addresses, so nothing listed may be one of them: inside, that address is the
sandbox itself. Without ``--no-map-gw`` the gateway's address would lead to the host's loopback. It says nowhere that it
is ready, and in the foreground it lives until it is killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reconciler.sandbox.network.fence import ENVIRONMENT, NET_FD, USER_FD, Inside, Namespaces
from reconciler.sandbox.network.tapped import Started, until


class Pasta:
    """``loopback``: ports of the host's loopback that answer on the loopback inside. ``ipv6``: neighbours are answered
    for; without that, IPv6 goes nowhere."""

    name = "pasta"

    def __init__(self, path: str, *, loopback: Sequence[int] = (), ipv6: bool = False) -> None:
        self._path, self._loopback, self._ipv6 = path, sorted(set(loopback)), ipv6

    def arguments(self) -> tuple[str, ...]:
        """The whole command line; descriptors have fixed numbers."""
        ports = ",".join(str(port) for port in self._loopback) or "none"
        out = [self._path, "--config-net", "-f", "-q", "-t", "none", "-u", "none", "-T", ports, "-U", ports]
        out += ["--no-map-gw", "--no-dhcp", "--no-dhcpv6", "--no-ra"]
        if not self._ipv6:
            out.append("--no-ndp")
        return (*out, "--userns", f"/proc/self/fd/{USER_FD}", "--netns", f"/proc/self/fd/{NET_FD}")

    def start(self, started: Started, namespaces: Namespaces, inside: Inside, child_pid: int) -> dict[str, Any]:
        """See :class:`reconciler.sandbox.network.tapped.Tap`."""
        fds = {1: started.said, 2: started.said, **namespaces.fds()}
        started.helper = started.helpers.start(self.arguments(), environment=ENVIRONMENT, fds=fds)
        if not until(lambda: _routed(child_pid) and _listening(child_pid, self._loopback), started.helper):
            raise started.failure(self.name)
        return {"helper": started.helper.pid, "hostLoopback": bool(self._loopback)}


def _routed(child_pid: int) -> bool:
    """Whether the sandbox has a route that leaves it, of either family."""
    try:
        v4 = Path(f"/proc/{child_pid}/net/route").read_text(encoding="ascii").splitlines()[1:]
        v6 = Path(f"/proc/{child_pid}/net/ipv6_route").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    if any(line.split()[1] == "00000000" for line in v4):
        return True
    return not v4 and any(line.startswith("0" * 32 + " 00 ") and not line.endswith(" lo") for line in v6)


def _listening(child_pid: int, ports: Sequence[int]) -> bool:
    """Whether the listeners that lead to the host's loopback are there; they come after the routes."""
    if not ports:
        return True
    found: set[int] = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{child_pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        found |= {int(f[1].rpartition(":")[2], 16) for f in map(str.split, lines) if f[3] == "0A"}
    return found.issuperset(ports)
