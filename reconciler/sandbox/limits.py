"""Limits of each process, set inside the sandbox.

Inside, because outside the limit on processes would count everything the host's user runs, and would become the ceiling
of the user namespace itself. None of them bounds a run as a whole; only a cgroup does, see
:mod:`reconciler.sandbox.cgroups`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from reconciler.sandbox.policy import Resources

_GIB = 1024**3
_NUMBERS = {
    "cpu": 0,
    "fsize": 1,
    "data": 2,
    "core": 4,
    "nproc": 6,
    "nofile": 7,
    "memlock": 8,
    "as": 9,
    "sigpending": 11,
    "msgqueue": 12,
    "nice": 13,
    "rtprio": 14,
}
"""Of ``RLIMIT_*`` on x86_64 and aarch64."""


class Limit(NamedTuple):
    """``number`` is the kernel's, ``name`` is prlimit's option."""

    name: str
    number: int
    soft: int
    hard: int


def address_space(memory_bytes: int) -> int:
    """Address space for a process of that much memory: runtimes reserve far more (node dies at 512 MiB)."""
    return max(4 * memory_bytes, 2 * _GIB)


def limits(resources: Resources, ceilings: Mapping[int, int] | None = None) -> tuple[Limit, ...]:
    """``ceilings``: our own hard limits by number, where there are any; nobody may go above them."""
    wanted = {"core": 0, "memlock": 0, "msgqueue": 0, "rtprio": 0, "nice": 0, "sigpending": 256}
    memory = resources.memory_bytes
    for name, value in (
        ("cpu", resources.cpu_seconds),
        ("data", memory),
        ("as", None if memory is None else address_space(memory)),
        ("nproc", resources.max_processes),
        ("nofile", resources.max_open_files),
        ("fsize", resources.max_file_size_bytes),
    ):
        if value is not None:
            wanted[name] = value
    known = ceilings or {}
    out = []
    for name, value in wanted.items():
        # The soft limit on time ends a process by a signal that it may catch, the hard one a second later for good.
        top = known.get(_NUMBERS[name], 2**63)
        out.append(Limit(name, _NUMBERS[name], min(value, top), min(value + (name == "cpu"), top)))
    return tuple(out)


def prlimit_arguments(prlimit: str, wanted: tuple[Limit, ...]) -> tuple[str, ...]:
    """The command that sets the limits and then becomes what follows."""
    return (
        prlimit,
        *(f"--{w.name}={w.soft}" if w.soft == w.hard else f"--{w.name}={w.soft}:{w.hard}" for w in wanted),
        "--",
    )


def rlimits(resources: Resources) -> dict[int, tuple[int, int]]:
    """(soft, hard) by number, for where there is no sandbox around.

    Without the limit on processes: outside a user namespace it would count the whole host user.
    """
    return {w.number: (w.soft, w.hard) for w in limits(resources) if w.name not in ("nproc", "sigpending", "nice")}


@cache
def our_ceilings() -> dict[int, int]:
    """The hard limits this process has, by number."""
    import resource

    pairs = {number: resource.getrlimit(number)[1] for number in _NUMBERS.values()}
    return {number: hard for number, hard in pairs.items() if hard != resource.RLIM_INFINITY}
