"""What is run, and what came of it: the two ends of a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from reconciler.sandbox.report import SandboxReport


@dataclass(frozen=True)
class Command:
    """One process to run. Paths in ``argv`` and the second of each ``read_only`` pair are as seen inside.

    ``files`` (name below /scratch -> content) are there before the start, readable and writable by the script.
    ``read_only`` are (host path, absolute path inside). ``timeout_ms`` is wall clock, start of the sandbox included.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    timeout_ms: int = 30_000
    read_only: tuple[tuple[str, str], ...] = ()
    stdin: bytes | None = None


@dataclass(frozen=True)
class RunResult:
    """``exit_code`` is -1 when the run was refused or killed by the supervisor; then ``refused``, ``timed_out`` or
    ``output_truncated`` says why. ``duration_ms`` is what the caller waited."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool
    output_truncated: bool
    duration_ms: float
    report: SandboxReport
    refused: str | None = None


class Inside(NamedTuple):
    """A program that can be run inside: its path there, what has to be bound for it, and the variables it needs."""

    path: str
    read_only: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, str] = MappingProxyType({})
