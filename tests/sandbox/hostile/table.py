"""What a probe is, and what the scripts of all probes begin with."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.sandbox.command import RunResult
from reconciler.sandbox.syscalls import ABSENT, FILTERED, MEMFD, REFUSED

_COLUMN = {"x86_64": 0, "aarch64": 1}.get(platform.machine(), 0)
NUMBERS = {name: n[_COLUMN] for part in (REFUSED, ABSENT, FILTERED, MEMFD) for name, n in part.items()}
PRELUDE = f"""
import ctypes, errno, json, os, resource, signal, socket, struct, sys, time
LIBC = ctypes.CDLL(None, use_errno=True)
NR = {NUMBERS!r}
def name(number): return errno.errorcode.get(number or 0, str(number))
def call(number, *arguments):
    ctypes.set_errno(0)
    number = NR[number] if isinstance(number, str) else number
    if number is None: return "absent"
    return "done" if LIBC.syscall(number, *arguments) >= 0 else name(ctypes.get_errno())
def tried(action):
    try:
        action()
    except OSError as error:
        return name(error.errno) if error.errno and error.errno > 0 else type(error).__name__
    except Exception as error:
        return type(error).__name__
    return "done"
def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as s:
        s.settimeout(2)
        return tried(lambda: s.connect(address))
"""


@dataclass(frozen=True)
class World:
    """What the driver set up around: ports and names on the host that no script may reach."""

    root: bool
    cgroup: bool
    loopback: int
    loopback6: int
    abstract: str
    sentinel: int
    uid: int


Judge = Callable[[RunResult, World], str | None]
"""None when all is well, else what went wrong."""


@dataclass(frozen=True)
class Probe:
    """One attempt. ``wants`` is a pattern for the whole of stdout; ``judge`` looks at everything else."""

    area: str
    name: str
    script: str
    wants: str | None = None
    python: bool = False
    judge: Judge | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    stdin: bytes | None = None
    timeout_ms: int = 20_000
    slow: bool = False
    enforced: bool = True

    @property
    def id(self) -> str:
        """As pytest shows it."""
        return f"{self.area}:{self.name}"


def sh(area: str, name: str, script: str, wants: str | None = None, **more: Any) -> Probe:
    """A shell script."""
    return Probe(area, name, script, wants, **more)


def py(area: str, name: str, script: str, wants: str | None = None, **more: Any) -> Probe:
    """A Python script below the prelude; skipped where there is no python3 in the sandbox."""
    return Probe(area, name, PRELUDE + script, wants, python=True, **more)
