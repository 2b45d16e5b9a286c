"""A held network behind a user-mode stack: fence first, then the tap, then the script may start.

What slirp4netns and pasta have in common. They run beside the sandbox with its own identity, as children of the
spawner, so they end with the worker however it ends; here they are killed as soon as the run is over. Nobody waits for
their death: the kernel takes some twenty milliseconds to take a tap away, and there is nothing left to lose by then.
"""

from __future__ import annotations

import hashlib
import os
import select
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from reconciler.sandbox.network.fence import Inside, Namespaces, load, read_counters
from reconciler.sandbox.network.port import Evidence, Helper, Helpers, NetworkFailure

_PATIENCE: Final = 5.0


class Tap(Protocol):
    """One user-mode stack, started once. ``start`` returns when the namespace is plumbed or raises
    :class:`NetworkFailure`; it leaves the helper and descriptors of ours that must stay open to :class:`Tapped`."""

    name: str

    def start(self, started: Started, namespaces: Namespaces, inside: Inside, child_pid: int) -> dict[str, Any]:
        """Facts for the report."""


class Started:
    """What a tap started and keeps open; ended in one place."""

    def __init__(self, helpers: Helpers) -> None:
        self.helpers = helpers
        self.helper: Helper | None = None
        self.open: list[int] = []
        self.said = os.memfd_create("said")
        self.open.append(self.said)

    def end(self) -> None:
        """Never raises."""
        if self.helper is not None:
            with suppress(Exception):
                self.helper.kill()
        for fd in self.open:
            with suppress(OSError):
                os.close(fd)
        self.open = []

    def failure(self, name: str) -> NetworkFailure:
        """With the last line the helper said."""
        text = os.pread(self.said, 65536, 0).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return NetworkFailure(f"{name} didn't open the network: {lines[-1][:200] if lines else 'it gave no reason'}")


@dataclass(frozen=True, slots=True)
class Plan:
    """One run's part: ``rules`` for the filter, ``facts`` for the report, and the ``tap``."""

    rules: str
    tap: Tap
    tools: Mapping[str, str]
    facts: Mapping[str, Any]


class Tapped:
    """A :class:`reconciler.sandbox.network.port.HeldNetwork`."""

    def __init__(self, helpers: Helpers, plan: Plan) -> None:
        self._helpers, self._plan = helpers, plan
        self._fence: Inside | None = None
        self._started: Started | None = None

    def passed(self) -> tuple[int, ...]:
        """Nothing of this is inside."""
        return ()

    def open(self, child_pid: int, user_ns_fd: int, net_ns_fd: int) -> Evidence:
        """The filter is loaded before there is any way out for it to guard."""
        namespaces = Namespaces(user_ns_fd, net_ns_fd)
        inside = Inside(self._helpers, self._plan.tools, namespaces)
        load(inside, self._plan.rules)
        self._fence = inside
        self._started = Started(self._helpers)
        try:
            facts = self._plan.tap.start(self._started, namespaces, inside, child_pid)
        except OSError as error:
            raise NetworkFailure(f"{self._plan.tap.name} can't be started: {error}") from error
        return Evidence(self._plan.tap.name, {"rules": _digest(self._plan.rules), **self._plan.facts, **facts})

    def close(self) -> dict[str, int]:
        """An empty result says that the counters couldn't be read."""
        found: dict[str, int] = {}
        try:
            if self._fence is not None:
                with suppress(NetworkFailure):
                    found = read_counters(self._fence)
        finally:
            if self._started is not None:
                self._started.end()
            self._fence = self._started = None
        return found


def _digest(rules: str) -> str:
    """What was loaded, in few enough letters to be kept with every run; the pins beside it say the rest."""
    return f"sha256:{hashlib.sha256(rules.encode()).hexdigest()}"


def wait_for(ready: int, helper: Helper) -> bool:
    """Whether a byte comes from ``ready`` before its other end is closed, in reasonable time."""
    poll = select.poll()
    poll.register(ready, select.POLLIN)
    if not poll.poll(_PATIENCE * 1000):
        helper.kill()
        return False
    return os.read(ready, 1) == b"1"


def until(seen: Callable[[], bool], helper: Helper) -> bool:
    """For helpers that don't say when they are ready: ask the kernel every millisecond."""
    end = time.monotonic() + _PATIENCE
    while not seen():
        if helper.wait(0.001) is not None or time.monotonic() > end:
            return False
    return True
