"""Run the battery as one identity and say what came of each probe, as JSON.

``python -m tests.sandbox.hostile.driver [--uid N] [--only TEXT]``; without ``--uid`` as whoever we are.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from reconciler.sandbox.command import Command, RunResult
from reconciler.sandbox.policy import merge, shipped_default
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.spawner import Spawner
from tests.sandbox.hostile import files, kernel, running
from tests.sandbox.hostile.identity import become
from tests.sandbox.hostile.table import Probe, World

PROBES: list[Probe] = [*files.PROBES, *running.PROBES, *kernel.PROBES]
PYTHON = "/usr/bin/python3"
_MARK = b"7777"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--uid", type=int)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if options.uid is not None:
        become(options.uid)
    os.environ["SECRET_OF_THE_SUPERVISOR"] = "hunter2"
    verdicts: dict[str, str | None] = {}
    with ExitStack() as stack:
        spawner = Spawner()
        stack.callback(spawner.close)
        world = _world(stack, spawner)
        boxes: dict[str, Sandbox] = {}
        for probe in PROBES:
            if options.only in probe.id:
                verdicts[probe.id] = _verdict(probe, world, spawner, boxes)
    json.dump({"root": world.root, "cgroup": world.cgroup, "verdicts": verdicts}, sys.stdout)


def _world(stack: ExitStack, spawner: Spawner) -> World:
    loopback = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    loopback6 = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
    abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
    name = f"battery-{os.getpid()}"
    abstract.bind("\0" + name)
    abstract.listen()
    sentinel = subprocess.Popen(["/bin/sleep", "1000"])
    stack.callback(sentinel.wait)
    stack.callback(sentinel.kill)
    found = Sandbox(shipped_default({}), spawner).capabilities
    ports = loopback.getsockname()[1], loopback6.getsockname()[1]
    return World(os.geteuid() == 0, found.cgroup is not None, *ports, name, sentinel.pid, os.geteuid())


def _verdict(probe: Probe, world: World, spawner: Spawner, boxes: dict[str, Sandbox]) -> str | None:
    """None when it held; a text that begins with ``skip:`` where it can't be tried."""
    if probe.python and not os.path.exists(PYTHON):
        return f"skip: there is no {PYTHON} in the sandbox"
    key = json.dumps(probe.policy, sort_keys=True)
    box = boxes.get(key)
    if box is None:
        box = boxes[key] = Sandbox(merge(shipped_default({}), probe.policy), spawner)
    result = box.run(_command(probe, world))
    wrong = _wrong(probe, result, world)
    if wrong is None and (left := _left(world)):
        wrong = f"left behind: {left}"
    return wrong


def _command(probe: Probe, world: World) -> Command:
    given = {
        "PORT4": str(world.loopback),
        "PORT6": str(world.loopback6),
        "ABSTRACT": world.abstract,
        "SENTINEL": str(world.sentinel),
    }
    if not probe.python:
        argv: tuple[str, ...] = ("/bin/sh", "-c", probe.script)
        return Command(argv, probe.environment, probe.files, probe.timeout_ms, stdin=probe.stdin)
    content = {**probe.files, ".probe.py": probe.script.encode()}
    argv = (PYTHON, "-I", "-S", "/scratch/.probe.py")
    return Command(argv, {**given, **probe.environment}, content, probe.timeout_ms, stdin=probe.stdin)


def _wrong(probe: Probe, result: RunResult, world: World) -> str | None:
    if result.refused is not None:
        return f"refused: {result.refused}"
    if probe.enforced and not result.timed_out and not all(result.report.enforced.values()):
        return f"not enforced: {result.report.enforced}"
    said = result.stdout.decode("utf-8", "backslashreplace").strip()
    if probe.wants is not None and not re.fullmatch(probe.wants, said):
        return f"said {said[:300]!r} (wanted {probe.wants!r}), exit {result.exit_code}, {result.stderr[-300:]!r}"
    return probe.judge(result, world) if probe.judge is not None else None


def _left(world: World) -> list[str]:
    """Processes that a probe meant to leave, by what they sleep; and anything that still is a bubblewrap of ours."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if line.startswith(b"sleep\0" + _MARK):
                found.append(f"{entry.name} {line!r}")
    return found


if __name__ == "__main__":
    main()
