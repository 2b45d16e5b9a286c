"""What a network backend is to the rest of the sandbox.

The sandbox is started with its own network namespace and held before the script; the backend fences that namespace,
opens it, and only then is the script let go. So nothing ever runs in a namespace whose filter isn't loaded yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

FIRST_PASSED_FD = 20
"""Inside, the descriptors of :meth:`HeldNetwork.passed` have this number and those after it."""


class NetworkFailure(Exception):
    """The backend couldn't fence or open the namespace: the run is refused with this reason, nothing has started."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the backend saw of this run's namespace (backend name, rules loaded, addresses pinned): JSON values only."""

    backend: str
    facts: dict[str, Any] = field(default_factory=dict)


class Helper(Protocol):
    """A process beside the sandbox (nft, slirp4netns, pasta): child of the spawner, dead when the worker is."""

    @property
    def pid(self) -> int:
        """On the host."""

    def wait(self, timeout: float) -> int | None:
        """Exit code (negative: signal), or None when it still runs after ``timeout`` seconds."""

    def kill(self) -> None:
        """End it and what it left; returns without waiting."""


class Helpers(Protocol):
    """Starts helpers with the identity of the sandbox (the dropped uid where the supervisor is root)."""

    def start(self, argv: Sequence[str], *, environment: Mapping[str, str], fds: Mapping[int, int]) -> Helper:
        """``argv[0]`` is absolute; ``fds``: number in the helper -> our descriptor (0 to 2 default to /dev/null).

        Our descriptors stay ours to close. Raises ``OSError`` when it can't be started.
        """


class HeldNetwork(Protocol):
    """One run's network. Its methods are called by the thread that runs the command, in the order of their listing."""

    def passed(self) -> tuple[int, ...]:
        """Our descriptors to be handed into the sandbox from :data:`FIRST_PASSED_FD` on; usually none."""

    def open(self, child_pid: int, user_ns_fd: int, net_ns_fd: int) -> Evidence:
        """Fence and open the namespace of the held sandbox; raises :class:`NetworkFailure`.

        ``user_ns_fd`` is the user namespace that owns the network namespace. Both descriptors are closed by the caller
        after :meth:`close`.
        """

    def close(self) -> dict[str, int]:
        """Read the counters, end the helpers; called exactly once, also after a failed :meth:`open`. Never raises."""


@dataclass(frozen=True, slots=True)
class Routeless:
    """A namespace without any route: deny, or an empty allow list."""


@dataclass(frozen=True, slots=True)
class Held:
    """A namespace that is held, fenced and opened by ``backend``.

    ``hosts`` is the content of /etc/hosts inside (the pinned names), ``rules`` what will be loaded, for the report.
    ``resolv`` is that of /etc/resolv.conf; empty means that names are looked up in ``hosts`` only.
    ``launcher`` is put before the command inside (after the resource limits), ``read_only`` are its binds as in
    :class:`reconciler.sandbox.command.Command`, ``files`` go into /scratch.
    """

    backend: Callable[[Helpers], HeldNetwork]
    hosts: bytes
    rules: str = ""
    launcher: tuple[str, ...] = ()
    read_only: tuple[tuple[str, str], ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    resolv: bytes = b""


@dataclass(frozen=True, slots=True)
class Host:
    """The host's own network. ``downgrade`` says what was asked for on top and can't be had, if anything."""

    downgrade: str | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """What was asked for can't be had: ``fail`` refuses; ``degrade`` runs without any egress, never with more."""

    reason: str


Choice = Routeless | Held | Host | Unavailable
