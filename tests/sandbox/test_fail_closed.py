"""A layer that can't be had refuses the run, or is reported as missing; never as anything else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.sandbox.capabilities import Capabilities
from reconciler.sandbox.command import Command, RunResult
from reconciler.sandbox.policy import SandboxPolicy, merge, shipped_default
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.spawner import Spawner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux")
STRICT = shipped_default({})
LENIENT = merge(STRICT, {"onUnavailable": "degrade"})


@pytest.fixture(scope="module")
def spawner() -> Iterator[Spawner]:
    made = Spawner()
    yield made
    made.close()


def without_namespaces(spawner: Spawner, policy: SandboxPolicy) -> Sandbox:
    found = Sandbox(STRICT, spawner).capabilities
    return Sandbox(
        policy, spawner, replace(found, sandbox=False, why_not="privilege: no user namespaces", limits=False)
    )


def sh(box: Sandbox, script: str, **more: object) -> RunResult:
    return box.run(Command(("/bin/sh", "-c", script), **more))  # type: ignore[arg-type]


def test_no_namespaces_refuse(spawner: Spawner) -> None:
    ran = sh(without_namespaces(spawner, STRICT), "echo ran")
    assert ran.exit_code == -1
    assert ran.stdout == b""
    assert ran.refused is not None
    assert ran.refused.startswith("sandbox unavailable: resources: ")
    for layer in ("filesystem", "network", "privilege"):
        assert f"; {layer}: " in ran.refused
    assert not any(ran.report.enforced.values())


def test_no_namespaces_degrade_to_what_holds(spawner: Spawner) -> None:
    box = without_namespaces(spawner, LENIENT)
    ran = sh(box, "echo ran; id -u; pwd; cat in; echo x >out; ls", files={"in": b"given\n"})
    assert ran.refused is None
    assert ran.exit_code == 0, ran
    lines = ran.stdout.decode().split("\n")
    assert lines[0] == "ran"
    assert lines[1] != "0"
    assert lines[3] == "given"
    assert not os.path.exists(lines[2])
    assert not any(ran.report.enforced.values())
    assert [d.layer for d in ran.report.downgrades] == ["resources", "filesystem", "network", "privilege"]


def test_degraded_runs_are_still_confined(spawner: Spawner) -> None:
    box = without_namespaces(spawner, LENIENT)
    if not box.capabilities.landlock:
        pytest.skip("the kernel has no Landlock")
    ran = sh(box, "cat /etc/hostname /etc/hosts; ls /; echo x >/tmp/x; (: </proc/$PPID/environ) && echo read")
    assert ran.stdout == b"", ran
    script = "import os; print(os.getuid())\ntry: os.unshare(1)\nexcept Exception as e: print(type(e).__name__)"
    python = box.run(
        Command(("/usr/bin/python3", "-I", "-S", "-c", script.replace("os.unshare(1)", "os.fork() or 1/0")))
    )
    assert python.exit_code == 0
    kept = [n.note for n in ran.report.notes]
    assert any("Landlock" in note for note in kept)
    assert any("system call filter" in note for note in kept)


def test_degraded_runs_end_with_all_they_started(spawner: Spawner) -> None:
    box = without_namespaces(spawner, LENIENT)
    ran = sh(box, "(setsid sleep 84001 &) ; sleep 84001 & sleep 84001", timeout_ms=400)
    assert ran.timed_out
    assert not _asleep(b"84001")


def _asleep(seconds: bytes) -> list[bytes]:
    lines = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            lines.append((entry / "cmdline").read_bytes())
    return [line for line in lines if line.startswith(b"sleep\0" + seconds)]


def test_a_broken_wrapper_refuses_and_drops_what_was_known(spawner: Spawner) -> None:
    found = Sandbox(STRICT, spawner).capabilities
    box = Sandbox(STRICT, spawner, replace(found, tools={**found.tools, "bwrap": "/bin/false"}))
    ran = sh(box, "echo ran")
    assert (ran.exit_code, ran.stdout) == (-1, b"")
    assert ran.refused == "sandbox unavailable: filesystem: the sandbox ended before the script, and said nothing"
    assert not any(ran.report.enforced.values())
    assert Sandbox(STRICT, spawner).capabilities is not found


def test_a_wrapper_that_is_gone(spawner: Spawner) -> None:
    found = Sandbox(STRICT, spawner).capabilities
    box = Sandbox(STRICT, spawner, replace(found, tools={**found.tools, "bwrap": "/nonexistent/bwrap"}))
    ran = sh(box, "echo ran")
    assert ran.refused is not None
    assert "No such file" in ran.refused


def test_a_bind_that_is_missing(spawner: Spawner) -> None:
    ran = sh(Sandbox(STRICT, spawner), "echo ran", read_only=(("/nonexistent/packages", "/packages"),))
    assert (ran.exit_code, ran.stdout) == (-1, b"")
    assert ran.refused is not None


def test_a_missing_filter_refuses(spawner: Spawner) -> None:
    found = Sandbox(STRICT, spawner).capabilities
    ran = sh(Sandbox(STRICT, spawner, replace(found, seccomp=False)), "echo ran")
    assert ran.refused == "sandbox unavailable: privilege: there is no system call filter for this machine"
    ran = sh(Sandbox(LENIENT, spawner, replace(found, seccomp=False)), "echo ran")
    assert ran.stdout == b"ran\n"
    assert ran.report.enforced == {"resources": True, "filesystem": True, "network": True, "privilege": False}


def test_no_provider_and_one_that_throws(spawner: Spawner) -> None:
    def broken() -> SandboxPolicy:
        raise RuntimeError("the store is away")

    for provider in (None, broken, lambda: {"enabled": False}):
        box = Sandbox.provided(provider, spawner)
        ran = sh(box, "echo ran")
        assert ran.stdout == b"ran\n", "a synthetic downgrade alone refuses nothing"
        assert [d.layer for d in ran.report.downgrades] == ["policy"]
        assert all(ran.report.enforced.values())
        assert box.policy.network.mode == "deny"


def test_switched_off(spawner: Spawner) -> None:
    box = Sandbox(merge(STRICT, {"enabled": False}), spawner)
    environment = {"LD_LIBRARY_PATH": "/nowhere", "A": "b"}
    ran = sh(box, "id -u; echo $LD_LIBRARY_PATH $A; cat in; pwd", environment=environment, files={"in": b"given\n"})
    uid, variables, given, folder, _ = ran.stdout.decode().split("\n")
    assert (uid, variables, given) == (str(os.geteuid()), "/nowhere b", "given")
    assert not os.path.exists(folder)
    assert not any(ran.report.enforced.values())
    assert ran.report.downgrades == ()
    assert ran.report.dropped_environment == ()


def test_inheriting_root_is_a_downgrade(spawner: Spawner) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has something to lose")
    strict = merge(STRICT, {"privilege": {"mode": "inherit", "uid": None, "gid": None}})
    ran = sh(Sandbox(strict, spawner), "echo ran")
    assert ran.refused is not None
    assert "privilege: the supervisor is root" in ran.refused
    lenient = merge(strict, {"onUnavailable": "degrade"})
    box = Sandbox(lenient, spawner)
    assert not box.capabilities.sandbox, "root can write what is root's, in whatever namespace"
    ran = sh(box, "echo ran; echo x >/proc/sys/kernel/core_pattern")
    assert ran.stdout == b"ran\n"
    assert b"core_pattern" in ran.stderr
    assert not any(ran.report.enforced.values())


def test_the_whole_host_when_the_file_system_is_off(spawner: Spawner) -> None:
    open_files = merge(STRICT, {"filesystem": {"mode": "off"}})
    ran = sh(
        Sandbox(open_files, spawner), "ls -d /var /etc/passwd; cat in; echo x >/scratch/out", files={"in": b"given\n"}
    )
    assert ran.stdout == b"/etc/passwd\n/var\ngiven\n", ran
    assert ran.report.enforced == {"resources": True, "filesystem": False, "network": True, "privilege": True}
    assert not os.path.exists("/scratch/out")


def test_a_group_that_cannot_be_made_is_told(spawner: Spawner) -> None:
    found = Sandbox(STRICT, spawner).capabilities
    if found.cgroup is None:
        ran = sh(Sandbox(STRICT, spawner), "echo ran")
        assert any("not in total" in n.note for n in ran.report.notes)
        return
    place = replace(found.cgroup, folders=tuple(f"{f}/nowhere" for f in found.cgroup.folders))
    ran = sh(Sandbox(STRICT, spawner, replace(found, cgroup=place)), "echo ran")
    assert ran.stdout == b"ran\n"
    assert "cgroup" not in ran.report.evidence
    assert any("no control group for this run" in n.note for n in ran.report.notes)


def test_another_platform_refuses_and_degrades_to_nothing(spawner: Spawner) -> None:
    elsewhere = Capabilities("darwin", 501, why_not="there are no namespaces on darwin")
    ran = sh(Sandbox(STRICT, spawner, elsewhere), "echo ran")
    assert ran.refused is not None
    assert "no namespaces on darwin" in ran.refused
    box = Sandbox(LENIENT, spawner, elsewhere)
    ran = sh(box, "cat in; cat; exit 3", files={"in": b"given\n"}, stdin=b"and this\n")
    assert (ran.exit_code, ran.stdout) == (3, b"given\nand this\n")
    assert len(ran.report.downgrades) == 4
    assert not any(ran.report.enforced.values())
    assert sh(box, "sleep 60", timeout_ms=200).timed_out
    flood = sh(Sandbox(merge(LENIENT, {"resources": {"maxOutputBytes": 999}}), spawner, elsewhere), "yes")
    assert (flood.exit_code, flood.output_truncated, len(flood.stdout)) == (-1, True, 999)
