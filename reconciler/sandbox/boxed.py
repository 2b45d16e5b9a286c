"""One run in the full sandbox: what is handed to the spawner, and what is made of the answers."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from platform import machine
from typing import Any

from reconciler.sandbox import bubblewrap, limiter, limits, seccomp
from reconciler.sandbox.capabilities import Capabilities
from reconciler.sandbox.cgroups import Leaf
from reconciler.sandbox.command import Command
from reconciler.sandbox.decide import Decision
from reconciler.sandbox.descriptors import Descriptors
from reconciler.sandbox.held import Gate, hold_open
from reconciler.sandbox.host import this_host
from reconciler.sandbox.network.port import FIRST_PASSED_FD, Held, NetworkFailure
from reconciler.sandbox.network.port import Host as HostNetwork
from reconciler.sandbox.output import Budget
from reconciler.sandbox.policy import NOBODY, SandboxPolicy
from reconciler.sandbox.running import SpawnerLost
from reconciler.sandbox.spawner import Lane, Spawner
from reconciler.sandbox.staging import reachable_binds
from reconciler.sandbox.stop import Stop
from reconciler.sandbox.stream import Follow, Followed

_REMEMBERED = 256
_LINKER_CACHE = "/etc/ld.so.cache"
_NSSWITCH = b"passwd: files\ngroup: files\nhosts: files\nnetworks: files\nprotocols: files\nservices: files\n"
_HOSTS = b"127.0.0.1 localhost\n::1 localhost\n"


@dataclass(slots=True)
class Outcome:
    """What came of a run, before it is put into words. ``failure``: (layer, reason) when the script never started."""

    stdout: bytes = b""
    stderr: bytes = b""
    followed: Followed = field(default_factory=Followed)
    wait_status: int | None = None
    failure: tuple[str, str] | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Box:
    """All that runs under one policy share, and the environment of this one. ``encoded`` remembers command lines;
    ``stop`` ends this run early."""

    policy: SandboxPolicy
    capabilities: Capabilities
    spawner: Spawner
    environment: Mapping[str, str]
    encoded: dict[bubblewrap.Layout, bytes] = field(default_factory=dict)
    stop: Stop | None = None


def run(box: Box, decision: Decision, command: Command, deadline: float) -> Outcome:
    """Run to the end. Never raises for what the command, the host or the network backend does."""
    outcome, lane = Outcome(), None
    try:
        lane = box.spawner.lane(decision.identity)
        leaf = _leaf(box, outcome)
        try:
            with Descriptors() as fds:
                _run(box, decision, command, deadline, outcome, _Started(fds, lane, leaf))
        finally:
            if leaf is not None:
                outcome.evidence["cgroup"] = leaf.finish(empty=outcome.followed.gone)
        if outcome.followed.lost:
            box.spawner.forget(lane)
    except SpawnerLost as lost:
        outcome.failure = ("privilege", str(lost))
        box.spawner.forget(lane)
    except OSError as error:
        outcome.failure = ("filesystem", f"{error.strerror or error} ({error.filename or 'sandbox'})")
    return outcome


@dataclass(slots=True)
class _Started:
    fds: Descriptors
    lane: Lane
    leaf: Leaf | None


def _run(box: Box, decision: Decision, command: Command, deadline: float, outcome: Outcome, at: _Started) -> None:
    fds, network = at.fds, decision.network
    held = network if isinstance(network, Held) else None
    gate = hold_open(held, at.lane, fds) if held is not None else None
    try:
        out, out_end = fds.pipe()
        err, err_end = fds.pipe()
        status, status_end = fds.pipe()
        given = {1: out_end, 2: err_end, bubblewrap.STATUS_FD: status_end}
        if command.stdin is not None:
            given[0] = fds.holding(command.stdin)
        argv = _describe(box, command, held, gate, given, fds, network)
        groups = at.leaf.groups if at.leaf is not None else None
        running = at.lane.run(argv, box.environment, fds=given, groups=groups, boxed=True)
        if box.stop is not None:
            box.stop.attach(running.kill)
        if at.leaf is not None:
            at.leaf.started()
        fds.close(*given.values())
        fds.release(out, err, status)
        fds.keep(running.reply)
        follow = Follow(running, out, err, status, deadline=deadline)
        try:
            if gate is not None:
                _let_go(gate, follow, outcome, deadline)
                if outcome.failure is not None:
                    running.kill()
            budget = Budget(box.policy.resources.max_output_bytes)
            outcome.followed = follow.to_end(budget)
        finally:
            follow.close()
        outcome.stdout, outcome.stderr = budget.take()
        _judge(outcome, running.ended.status if running.ended else None, running.ended.error if running.ended else 0)
        outcome.evidence["uid"] = at.lane.uid
    finally:
        if gate is not None:
            counters = gate.close()
            if counters:
                outcome.evidence.setdefault("network", {})["counters"] = counters


def _describe(
    box: Box,
    command: Command,
    held: Held | None,
    gate: Gate | None,
    given: dict[int, int],
    fds: Descriptors,
    network: object,
) -> tuple[str, ...]:
    """Put everything bubblewrap reads into descriptors; the command line that is left."""
    policy = box.policy
    files = dict(command.files) if held is None else {**held.files, **command.files}
    etc = (
        {}
        if policy.filesystem.mode == "off"
        else _etc(policy, _HOSTS if held is None else held.hosts, resolv=b"" if held is None else held.resolv)
    )
    passed = gate.passed() if gate is not None else ()
    if len(etc) + len(files) > bubblewrap.MAX_FILES:
        raise OSError(errno.E2BIG, f"more than {bubblewrap.MAX_FILES - len(etc)} files")
    for number, content in enumerate((*etc.values(), *files.values()), bubblewrap.FIRST_FILE_FD):
        given[number] = fds.holding(content) if content is not None else fds.opened(_LINKER_CACHE)
    for number, fd in enumerate(passed, FIRST_PASSED_FD):
        given[number] = fd
    filtered = box.capabilities.seccomp
    if filtered:
        given[bubblewrap.SECCOMP_FD] = fds.holding(
            seccomp.program(machine(), memfd=box.capabilities.cgroup is not None)
        )
    if gate is not None:
        given[bubblewrap.BLOCK_FD] = gate.block_end
    inner = (*(held.launcher if held else ()), *command.argv)
    wanted = limits.limits(policy.resources, limits.our_ceilings())
    own = machine() == limiter.MACHINE and policy.filesystem.mode != "off" and inner[0].startswith("/")
    if own:
        given[bubblewrap.LIMITER_FD] = fds.holding(limiter.program(wanted))
    setter = (bubblewrap.LIMITER,) if own else limits.prlimit_arguments(box.capabilities.tools["prlimit"], wanted)
    binds = (*command.read_only, *(held.read_only if held is not None else ()))
    layout = bubblewrap.Layout(
        etc=tuple(etc),
        scratch=tuple(files),
        read_only=reachable_binds(binds, box.spawner, box.policy, root=box.capabilities.root),
        seccomp=filtered,
        block=gate is not None,
        limiter=own,
        host_network=isinstance(network, HostNetwork),
    )
    given[bubblewrap.ARGS_FD] = fds.holding(_encoded(box, layout))
    return bubblewrap.command_line(box.capabilities.tools["bwrap"], (*setter, *inner))


def _encoded(box: Box, layout: bubblewrap.Layout) -> bytes:
    content = box.encoded.get(layout)
    if content is None:
        content = bubblewrap.encode(bubblewrap.arguments(box.policy, this_host(), layout))
        if len(box.encoded) < _REMEMBERED:
            box.encoded[layout] = content
    return content


def _etc(policy: SandboxPolicy, hosts: bytes, *, resolv: bytes) -> dict[str, bytes | None]:
    """Name -> content; None: a copy of the host's, which is cheaper than one more mount."""
    uid, gid = policy.privilege.uid or NOBODY, policy.privilege.gid or policy.privilege.uid or NOBODY
    cache: dict[str, bytes | None] = {"ld.so.cache": None} if os.path.exists(_LINKER_CACHE) else {}
    return {
        **cache,
        "passwd": f"sandbox:x:{uid}:{gid}:sandbox:/scratch:/bin/sh\n".encode(),
        "group": f"sandbox:x:{gid}:\n".encode(),
        "hosts": hosts,
        "nsswitch.conf": _NSSWITCH.replace(b"hosts: files", b"hosts: files dns") if resolv else _NSSWITCH,
        "resolv.conf": resolv,
    }


def _leaf(box: Box, outcome: Outcome) -> Leaf | None:
    """A group that can't be made right now is told in the report; the limits of each process hold without it."""
    place = box.capabilities.cgroup
    if place is None:
        return None
    try:
        return Leaf(place, box.policy.resources)
    except OSError as error:
        outcome.evidence["cgroupFailure"] = error.strerror or str(error)
        return None


def _let_go(gate: Gate, follow: Follow, outcome: Outcome, deadline: float) -> None:
    """The network first, the script after it. A failure leaves it held, to be killed."""
    child = follow.until_child()
    if child is None:
        if time.monotonic() >= deadline:
            follow.result.timed_out = True
        return
    try:
        evidence = gate.open(child, deadline)
        outcome.evidence["network"] = {"backend": evidence.backend, **evidence.facts}
    except (NetworkFailure, OSError) as failure:
        outcome.failure = ("network", str(failure))


def _judge(outcome: Outcome, wait_status: int | None, error: int) -> None:
    """Did the script run? Only bubblewrap's own status says so, never its exit code and never a text."""
    status, followed = outcome.followed.status, outcome.followed
    outcome.wait_status = wait_status
    if status.exit_code is not None:
        outcome.evidence["status"] = {"childPid": status.child_pid, "exitCode": status.exit_code}
        refused = status.exit_code == limiter.FAILED and outcome.stderr == limiter.COMPLAINT
        if refused or (status.exit_code == 1 and outcome.stderr.startswith(b"prlimit: ")):
            outcome.failure = ("resources", _first_line(outcome.stderr))
        return
    if outcome.failure is not None or followed.timed_out or followed.truncated:
        return
    if followed.lost:
        outcome.failure = ("privilege", "the spawner process ended during the run")
    elif error:
        outcome.failure = ("filesystem", f"the sandbox can't be started: {os.strerror(error)}")
    elif wait_status is None or os.WIFEXITED(wait_status):
        outcome.failure = _told(outcome.stderr)


def _told(stderr: bytes) -> tuple[str, str]:
    """The layer that bubblewrap's complaint is about."""
    line = _first_line(stderr) or "the sandbox ended before the script, and said nothing"
    for layer, words in (
        ("network", ("loopback", "NETLINK", "RTM_")),
        ("privilege", ("amespace", "uid map", "gid map", "seccomp", "capab", "unshare", "clone")),
    ):
        if any(word in line for word in words):
            return layer, line
    return "filesystem", line


def _first_line(text: bytes) -> str:
    with suppress(IndexError):
        return text.decode("utf-8", "replace").strip().splitlines()[0][:300]
    return ""
