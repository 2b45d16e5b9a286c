"""Find out what can be enforced here, by doing it: one run of the production command line that reports from inside.

A wrapper on the PATH proves nothing, nor does a sysctl: hosts let a namespace be made and strip what it is good for. So
the answer of :func:`capabilities` comes from a run, is kept for the process, and is dropped when a set-up fails.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import sysconfig
import threading
import time
from dataclasses import replace
from pathlib import Path
from platform import machine
from typing import Any

from reconciler.sandbox import boxed, cgroups
from reconciler.sandbox.boxed import Box
from reconciler.sandbox.capabilities import Capabilities, CgroupPlace
from reconciler.sandbox.command import Command, Inside
from reconciler.sandbox.confine_main import landlock_version
from reconciler.sandbox.decide import Decision, dropped
from reconciler.sandbox.environment import construct
from reconciler.sandbox.findings import Findings, missing_rows, more_rows, read_findings
from reconciler.sandbox.host import platform, tools
from reconciler.sandbox.policy import Resources, SandboxPolicy, merge
from reconciler.sandbox.running import SpawnerLost
from reconciler.sandbox.seccomp import ARCHITECTURES
from reconciler.sandbox.spawner import Lane, Spawner

_PAYLOAD = Path(__file__).with_name("selftest_main.py")
_MEMORY = 256 << 20
_PROCESSES = 24
_FILE_SIZE = 1 << 20
_TIMEOUT = 20.0
_PREFIX = "/interpreter"
_NEEDED = ("bwrap", "prlimit")
_PACKAGES = {"bwrap": "bubblewrap", "prlimit": "util-linux"}
_ELSEWHERE = "run workers on Linux; for trying out, set onUnavailable to degrade: scripts then run without a sandbox"
_cache: dict[tuple[object, ...], Capabilities] = {}
_lock = threading.Lock()


def capabilities(policy: SandboxPolicy, spawner: Spawner) -> Capabilities:
    """What holds for runs under ``policy``; probed once for each identity, command line and binary."""
    key = _key(policy)
    found = _cache.get(key)
    if found is None:
        with _lock:
            found = _cache.get(key)
            if found is None:
                found = _cache[key] = probe(policy, spawner)
    return egress(found, policy, spawner) if _needs_egress(policy) else found


def egress(found: Capabilities, policy: SandboxPolicy, spawner: Spawner) -> Capabilities:
    """The same with the live probe of egress, which costs some runs of its own and is kept for itself."""
    from reconciler.sandbox.network.live import with_egress

    with _lock:
        return with_egress(found, policy, spawner, _interpreter())


def _needs_egress(policy: SandboxPolicy) -> bool:
    network = policy.network
    if not policy.enabled:
        return False
    if network.mode == "allowlist":
        return bool(network.allow)
    return network.mode == "unrestricted" and network.deny_link_local_and_metadata


def forget() -> None:
    """A set-up failed: what was found out may not hold any more."""
    from reconciler.sandbox.network.probe import forget as forget_egress

    _cache.clear()
    forget_egress()


def probe(policy: SandboxPolicy, spawner: Spawner) -> Capabilities:
    """The same, without looking at what is known, and with every row but that of egress."""
    found = _probe(policy, spawner)
    return replace(found, rows=(*found.rows, *more_rows(found)))


def _probe(policy: SandboxPolicy, spawner: Spawner) -> Capabilities:
    where, uid = platform(), os.geteuid()
    if where != "linux":
        why = f"there are no namespaces on {sys.platform}"
        return Capabilities(where, uid, why_not=why, rows=missing_rows(why, _ELSEWHERE))
    found = tools()
    landlock = landlock_version()
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        why = f"{' and '.join(missing)} can't be found"
        filtered = machine() in ARCHITECTURES
        rows = missing_rows(why, f"install {' and '.join(_PACKAGES[name] for name in missing)}")
        return Capabilities("linux", uid, found, why_not=why, seccomp=filtered, landlock=landlock, rows=rows)
    place: CgroupPlace | str = "the spawner process can't be used"
    tun, findings = False, Findings(why_not="the spawner process can't be used")
    try:
        lane = spawner.lane(dropped(policy.privilege, root=uid == 0))
        place = _cgroup(lane)
        tun = _tun(lane)
        findings = _selftest(policy, spawner, found, uid)
    except (SpawnerLost, OSError) as error:
        findings = Findings(why_not=str(error))
    return Capabilities(
        platform="linux",
        uid=uid,
        tools=found,
        sandbox=findings.sandbox,
        why_not=findings.why_not,
        seccomp=findings.seccomp if findings.sandbox else machine() in ARCHITECTURES,
        limits=findings.limits,
        tun=tun,
        nft="nft" in found and "nsenter" in found,
        listener=findings.listener,
        landlock=landlock,
        cgroup=place if isinstance(place, CgroupPlace) else None,
        cgroup_why_not=place if isinstance(place, str) else "",
        rows=findings.rows or missing_rows(findings.why_not),
    )


def _key(policy: SandboxPolicy) -> tuple[object, ...]:
    found = tools()
    stats = tuple(_identity_of(found.get(name)) for name in _NEEDED)
    return os.geteuid(), os.getpid(), policy.privilege, policy.filesystem.mode, stats


def _identity_of(path: str | None) -> tuple[int, int] | None:
    try:
        found = os.stat(path) if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_mtime_ns)


def _selftest(policy: SandboxPolicy, spawner: Spawner, found: dict[str, str], uid: int) -> Findings:
    """One run, and what it says held against what it must say."""
    small = merge(policy, _SMALL)
    assumed = Capabilities(
        "linux", uid, found, sandbox=True, seccomp=machine() in ARCHITECTURES, limits=True, why_not=""
    )
    decision = Decision("sandbox", dropped(policy.privilege, root=uid == 0))
    name = f"gitops-{os.getpid()}-{time.monotonic_ns()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as loopback,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as abstract,
    ):
        abstract.bind("\0" + name)
        abstract.listen(1)
        port = loopback.getsockname()[1]
        inside = _interpreter()
        command = Command(
            argv=(inside.path, "-I", "-S", "/scratch/selftest.py", str(port), name, str(_MEMORY)),
            files={"selftest.py": _PAYLOAD.read_bytes()},
            read_only=inside.read_only,
        )
        box = Box(small, assumed, spawner, {**construct({}).variables, **inside.variables})
        outcome = boxed.run(box, decision, command, time.monotonic() + _TIMEOUT)
    if outcome.failure is not None:
        return Findings(why_not=outcome.failure[1])
    said = _said(outcome.stdout)
    if said is None:
        detail = outcome.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
        return Findings(why_not=f"the self-test ended before its report: {detail[0]}")
    expected_uid = small.privilege.uid or 65534
    return read_findings(said, expected_uid, decision.identity, uid=uid, processes=_PROCESSES, file_size=_FILE_SIZE)


_SMALL: dict[str, Any] = {
    "resources": {
        "cpuSeconds": 20,
        "memoryBytes": _MEMORY,
        "maxProcesses": _PROCESSES,
        "maxFileSizeBytes": _FILE_SIZE,
        "maxOpenFiles": 256,
        "maxOutputBytes": 1 << 20,
    },
    "filesystem": {"mode": "scratch-plus-ro", "scratchBytes": 16 << 20},
    "network": {"mode": "deny", "allow": []},
}


def _said(stdout: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(stdout)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _interpreter() -> Inside:
    """Our own interpreter without its virtual environment, and what has to be bound for it."""
    executable = os.path.realpath(sys.executable)
    prefix = os.path.realpath(sys.base_prefix)
    if prefix == "/usr" or prefix.startswith("/usr/"):
        return Inside(executable)
    # Not at its own place: the folders that lead there would look like folders of the host. A shared build finds its
    # library by that place, so it has to be told of this one.
    library = os.path.realpath(sysconfig.get_config_var("LIBDIR") or prefix)
    variables = {}
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and library.startswith(f"{prefix}/"):
        variables["LD_LIBRARY_PATH"] = f"{_PREFIX}/{os.path.relpath(library, prefix)}"
    return Inside(f"{_PREFIX}/{os.path.relpath(executable, prefix)}", ((prefix, _PREFIX),), variables)


def _tun(lane: Lane) -> bool:
    """Whether those who run helpers may open the device; a mode alone doesn't tell."""
    if not os.path.exists("/dev/net/tun"):
        return False
    return _shell(lane, "exec 3<>/dev/net/tun") == 0


def _cgroup(lane: Lane) -> CgroupPlace | str:
    """Where leaves can be made, proved by one whose limit on processes was met; or why not."""
    place = cgroups.find()
    if isinstance(place, str):
        return place
    cgroups.sweep(place)
    try:
        leaf = cgroups.Leaf(place, Resources(max_processes=1, memory_bytes=64 << 20))
    except OSError as error:
        return f"no group can be made in {place.folders[0]}: {error.strerror}"
    try:
        script = "n=0; while [ $n -lt 12 ]; do sleep 9 & n=$((n+1)); done; exit 77"
        running = lane.run(("/bin/sh", "-c", script), construct({}).variables, fds={}, groups=leaf.groups)
        try:
            code = _code(running, leaf)
        finally:
            running.close()
    finally:
        leaf.finish()
    if code is None:
        return "a process can't be started in a group of its own"
    return "the limit on processes doesn't bind" if code == 77 else place


def _code(running: Any, leaf: cgroups.Leaf) -> int | None:
    """Exit code; the sleepers are killed with the group before the spawner looks for what was left."""
    running.read()
    leaf.kill()
    return None if running.ended is None or running.ended.status is None else int(running.ended.code)


def _shell(lane: Lane, script: str) -> int | None:
    helper = lane.start(("/bin/sh", "-c", script), environment=construct({}).variables, fds={})
    code = helper.wait(5)
    if code is None:
        helper.kill()
    return code
