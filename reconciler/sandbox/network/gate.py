"""A way out without any tun device: TCP only, connection by connection, each of them asked for.

The namespace stays routeless. The listed addresses are put on its loopback, where listeners wait whose other end is the
supervisor; a system call filter asks the supervisor about every connect(), which connects to the real destination
first and lets the call go on to the listener after. A script that cheats on the address meets a listener with nobody
behind it.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.network.fence import Inside, Namespaces
from reconciler.sandbox.network.gatekeeper import Gatekeeper
from reconciler.sandbox.network.port import FIRST_PASSED_FD, Evidence, Helpers
from reconciler.sandbox.network.ranges import Standing
from reconciler.sandbox.network.resolve import Pin, Resolution

MOST_LISTENERS: Final = 200
_LOW_PORTS: Final = "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start || exit 1; "
"""The launcher has no right to ports below 1024, and this namespace has nobody to protect them from."""
_MAIN: Final = Path(__file__).with_name("gate_main.py")


class Gate:
    """A :class:`reconciler.sandbox.network.port.HeldNetwork`."""

    def __init__(
        self, helpers: Helpers, tools: Mapping[str, str], resolution: Resolution, facts: Mapping[str, Any]
    ) -> None:
        self._helpers, self._tools, self._resolution, self._facts = helpers, tools, resolution, facts
        ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours: socket.socket | None = ours
        self._keeper: Gatekeeper | None = None

    def passed(self) -> tuple[int, ...]:
        """The launcher's end of the channel."""
        return (self._theirs.fileno(),)

    def open(self, child_pid: int, user_ns_fd: int, net_ns_fd: int) -> Evidence:
        """The namespace keeps no route; only destinations of the list become local to it."""
        inside = Inside(self._helpers, self._tools, Namespaces(user_ns_fd, net_ns_fd))
        low = any(p.port < 1024 for p in self._resolution.pins)
        for version in (4, 6):
            lines = local_addresses(self._resolution.pins, version)
            if lines or (low and version == 4):
                script = f'{_LOW_PORTS if low and version == 4 else ""}exec "$0" -{version} -batch -'
                inside.run("sh", ("-c", script, self._tools["ip"]), lines)
        self._theirs.close()
        if self._ours is None:
            raise OSError("the gate was closed")
        self._keeper, self._ours = Gatekeeper(self._ours, self._resolution), None
        self._keeper.start()
        return Evidence("gate", dict(self._facts))

    def close(self) -> dict[str, int]:
        """Connection attempts by what they were for."""
        with suppress(OSError):
            self._theirs.close()
            if self._ours is not None:
                self._ours.close()
        return self._keeper.end() if self._keeper is not None else {}


def launcher(python: str, pins: Sequence[Pin]) -> tuple[str, ...]:
    """What runs inside before the command."""
    text = _MAIN.read_text(encoding="utf-8")
    return (python, "-I", "-S", "-c", text, str(FIRST_PASSED_FD), ",".join(listeners(pins)))


def listeners(pins: Sequence[Pin]) -> tuple[str, ...]:
    """``[address]:port`` for each that is needed. A port of a range is listened to on every address of its family."""
    every = {(p.network.version, p.port) for p in pins if p.network.prefixlen != p.network.max_prefixlen}
    found = [f"[{'0.0.0.0' if version == 4 else '::'}]:{port}" for version, port in sorted(every)]
    found += [f"[{p.network.network_address}]:{p.port}" for p in pins if (p.network.version, p.port) not in every]
    return tuple(dict.fromkeys(found))


def local_addresses(pins: Sequence[Pin], version: int) -> str:
    """Batch lines for ``ip`` of one family; empty when there is nothing to do in it.

    Single addresses become such (IPv6 binds to nothing else), ranges local routes. Datagrams to them are refused, or
    else they would be lost without a word; for that the rule for local addresses has to give up its first place.
    """
    networks = dict.fromkeys(
        p.network for p in pins if p.standing is not Standing.LOOPBACK and p.network.version == version
    )
    if not networks:
        return ""
    nodad = "" if version == 4 else " nodad"
    lines = [
        f"addr add {n} dev lo{nodad}" if n.prefixlen == n.max_prefixlen else f"route add local {n} dev lo"
        for n in networks
    ]
    lines += ["rule add pref 1 lookup local", "rule del pref 0"]
    lines += [f"rule add pref 0 ipproto udp to {n} prohibit" for n in networks]
    return "".join(f"{line}\n" for line in lines)
