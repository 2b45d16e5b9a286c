"""Runs without namespaces: switched off, or degraded to what still holds."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from platform import machine
from tempfile import mkdtemp
from typing import Any

from reconciler.sandbox import limits, seccomp
from reconciler.sandbox.boxed import Box, Outcome
from reconciler.sandbox.bubblewrap import SCRATCH
from reconciler.sandbox.command import Command
from reconciler.sandbox.decide import Decision
from reconciler.sandbox.descriptors import Descriptors
from reconciler.sandbox.direct import DirectRun
from reconciler.sandbox.output import Budget
from reconciler.sandbox.running import SpawnerLost
from reconciler.sandbox.stream import Follow

_READABLE = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/etc/ssl",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/passwd",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def run(box: Box, decision: Decision, command: Command, deadline: float) -> Outcome:
    """Run to the end in a folder of its own, which stands in for /scratch in the command and its environment."""
    outcome = Outcome()
    scratch = mkdtemp(prefix="gitops-run-")
    try:
        _fill(scratch, command, decision)
        argv = [_placed(a, scratch) for a in command.argv]
        environment = {k: _placed(v, scratch) for k, v in box.environment.items()}
        if decision.mode == "plain" or box.capabilities.platform != "linux":
            budget = Budget(box.policy.resources.max_output_bytes if box.policy.enabled else None)
            direct = DirectRun(budget, stop=box.stop)
            outcome.wait_status = direct.run(argv, environment, cwd=scratch, stdin=command.stdin, deadline=deadline)
            outcome.followed, (outcome.stdout, outcome.stderr) = direct.followed, budget.take()
        else:
            _spawned(box, decision, command, outcome, deadline=deadline, started=(argv, environment, scratch))
    except SpawnerLost as lost:
        outcome.failure = ("privilege", str(lost))
    except OSError as error:
        outcome.failure = ("filesystem", f"{error.strerror or error} ({error.filename or 'start'})")
    finally:
        _remove(scratch, deadline=time.monotonic() + 10)
    return outcome


def _spawned(
    box: Box,
    decision: Decision,
    command: Command,
    outcome: Outcome,
    *,
    deadline: float,
    started: tuple[list[str], dict[str, str], str],
) -> None:
    argv, environment, scratch = started
    lane = box.spawner.lane(decision.identity, plain=decision.mode == "off")
    with Descriptors() as fds:
        out, out_end = fds.pipe()
        err, err_end = fds.pipe()
        given = {1: out_end, 2: err_end}
        if command.stdin is not None:
            given[0] = fds.holding(command.stdin)
        confine = _confine(box, decision, command, scratch)
        argv = [_found(argv[0], environment), *argv[1:]]
        running = lane.run(argv, environment, fds=given, confine=confine)
        if box.stop is not None:
            box.stop.attach(running.kill)
        fds.close(*given.values())
        fds.release(out, err)
        fds.keep(running.reply)
        follow = Follow(running, out, err, None, deadline=deadline)
        limit = box.policy.resources.max_output_bytes if box.policy.enabled else None
        budget = Budget(limit)
        try:
            outcome.followed = follow.to_end(budget)
        finally:
            follow.close()
        outcome.stdout, outcome.stderr = budget.take()
        ended = running.ended
        if ended is not None and ended.error:
            raise OSError(ended.error, os.strerror(ended.error), argv[0])
        outcome.wait_status = ended.status if ended is not None else None
        if decision.mode == "confined":
            _judge(outcome)
            outcome.evidence["uid"] = lane.uid


def _confine(box: Box, decision: Decision, command: Command, scratch: str) -> dict[str, Any]:
    confine: dict[str, Any] = {
        "cwd": scratch,
        "limits": {},
        "filter": "",
        "readable": [],
        "writable": None,
        "network": True,
        "privileges": decision.mode == "off",
    }
    if decision.mode == "off":
        return confine
    confine["limits"] = limits.rlimits(box.policy.resources)
    if box.capabilities.seccomp:
        confine["filter"] = seccomp.program(machine()).hex()
    if box.capabilities.landlock and box.policy.filesystem.mode != "off":
        confine["readable"] = [*_READABLE, *(source for source, _ in command.read_only), "/proc/self"]
        confine["writable"] = [scratch, *_DEVICES]
    confine["network"] = box.policy.network.mode == "unrestricted"
    return confine


def _judge(outcome: Outcome) -> None:
    """The child says on stderr what it couldn't confine, and then it never became the command."""
    if outcome.wait_status is not None and os.WIFEXITED(outcome.wait_status):
        line = outcome.stderr.partition(b"\n")[0]
        if os.WEXITSTATUS(outcome.wait_status) == 126 and line.startswith(b"sandbox: "):
            outcome.failure = ("privilege", line.removeprefix(b"sandbox: ").decode("utf-8", "replace"))


def _fill(scratch: str, command: Command, decision: Decision) -> None:
    for name, content in command.files.items():
        path = Path(scratch, name)
        if not path.resolve().is_relative_to(Path(scratch).resolve()):
            raise OSError(errno.EINVAL, f"{name} leads out of the scratch folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o700)
    if decision.identity is not None:
        for path in (Path(scratch), *Path(scratch).rglob("*")):
            os.chown(path, *decision.identity)


def _placed(text: str, scratch: str) -> str:
    return scratch + text.removeprefix(SCRATCH) if text == SCRATCH or text.startswith(f"{SCRATCH}/") else text


def _found(program: str, environment: dict[str, str]) -> str:
    if "/" in program:
        return program
    for folder in environment["PATH"].split(":"):
        if os.access(f"{folder}/{program}", os.X_OK):
            return f"{folder}/{program}"
    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), program)


def _remove(folder: str, *, deadline: float) -> None:
    """Whatever the script left: folders without permissions, deep trees; never through a link."""
    import shutil

    def again(function: Any, path: str, _: object) -> None:
        if time.monotonic() < deadline:
            try:
                os.chmod(os.path.dirname(path), 0o700)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
                function(path)
            except OSError:
                return

    shutil.rmtree(folder, onerror=again)
