"""Hold a sandbox before its script until its network is fenced."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from reconciler.sandbox.descriptors import Descriptors
from reconciler.sandbox.network.port import Evidence, Held, HeldNetwork, NetworkFailure
from reconciler.sandbox.spawner import Lane
from reconciler.sandbox.stream import wait_for

_NS_GET_USERNS = 0xB701


class Gate:
    """``block_end`` goes into the sandbox; a byte at our end lets the script go."""

    def __init__(self, network: HeldNetwork, fds: Descriptors) -> None:
        self._network, self._fds = network, fds
        self.block_end, self._release = fds.pipe()
        self._namespaces: list[int] = []

    def passed(self) -> tuple[int, ...]:
        """Descriptors of the backend's that go inside, as copies the run may close."""
        return tuple(self._fds.keep(os.dup(fd)) for fd in self._network.passed())

    def open(self, child: int, deadline: float) -> Evidence:
        """Fence, open, let go. Raises ``NetworkFailure`` or ``OSError``, and then nothing was let go."""
        # An exec inside before the map is there would lose every capability, now and then.
        if not wait_for(lambda: _mapped(child), deadline):
            raise NetworkFailure("the sandbox didn't come up in time")
        net = self._fds.opened(f"/proc/{child}/ns/net")
        # The owner of the network namespace: the process itself moves on into a namespace below.
        user = self._fds.keep(fcntl.ioctl(net, _NS_GET_USERNS))
        evidence = self._network.open(child, user, net)
        if time.monotonic() >= deadline:
            raise NetworkFailure("the network wasn't ready in time")
        os.write(self._release, b"1")
        return evidence

    def close(self) -> dict[str, int]:
        """End the helpers; what their counters said."""
        return self._network.close()


def hold_open(held: Held, lane: Lane, fds: Descriptors) -> Gate:
    """A gate with a fresh backend of this run."""
    return Gate(held.backend(lane), fds)


def _mapped(child: int) -> bool:
    with suppress(OSError):
        return bool(Path(f"/proc/{child}/uid_map").read_bytes())
    return False
