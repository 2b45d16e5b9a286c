"""A sandbox that contains nothing: the same interface over a plain process, runners judged alone."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from reconciler.sandbox.command import Command, RunResult
from reconciler.sandbox.report import SandboxReport, nothing_enforced

REPORT = SandboxReport({}, nothing_enforced())


class PlainSandbox:
    """Runs the command in a folder of its own; paths inside are turned into paths of the host."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def run(self, command: Command) -> RunResult:
        """See ``Sandbox.run``."""
        self.commands.append(command)
        argv = list(command.argv)
        for host, inside in command.read_only:
            argv = [a.replace(inside, host, 1) if a == inside or a.startswith(f"{inside}/") else a for a in argv]
        with tempfile.TemporaryDirectory() as folder:
            for name, content in command.files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            began = time.perf_counter()
            environment = {"PATH": "/usr/bin:/bin", **command.environment}
            try:
                done = subprocess.run(
                    argv,
                    cwd=folder,
                    env=environment,
                    input=command.stdin or b"",
                    capture_output=True,
                    timeout=command.timeout_ms / 1000,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return RunResult(-1, b"", b"", True, False, command.timeout_ms, REPORT)
        took = (time.perf_counter() - began) * 1000
        return RunResult(done.returncode, done.stdout, done.stderr, False, False, took, REPORT)


@pytest.fixture
def sandbox() -> PlainSandbox:
    """A fresh stand-in."""
    return PlainSandbox()
