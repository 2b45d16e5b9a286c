"""The small pure parts: environment, output, limits, reach, control groups over folders that are only folders."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from platform import machine

import pytest

from reconciler.sandbox import limiter
from reconciler.sandbox.capabilities import CgroupPlace
from reconciler.sandbox.cgroups import find
from reconciler.sandbox.environment import construct
from reconciler.sandbox.limits import address_space, limits, prlimit_arguments, rlimits
from reconciler.sandbox.output import Budget, whole
from reconciler.sandbox.policy import Resources
from reconciler.sandbox.report import Downgrade, refusal
from reconciler.sandbox.staging import reachable
from reconciler.sandbox.stream import Status


def test_the_environment_is_constructed() -> None:
    made = construct({"A": "1", "PATH": "/evil", "LANG": "de_DE.UTF-8", "LD_X": "", "X=Y": "", "BASH_FUNC_f%%": "()"})
    assert made.variables["PATH"].startswith("/usr/local/sbin:")
    assert made.variables["LANG"] == "de_DE.UTF-8"
    assert set(made.variables) == {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "A"}
    assert made.dropped == ("BASH_FUNC_f%%", "LD_X", "PATH", "X=Y")
    assert "LD_X" in construct({"LD_X": ""}, filtered=False).variables


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b"abc", b"abc"),
        ("aé".encode(), "aé".encode()),
        ("aé".encode()[:-1], b"a"),
        ("a€".encode()[:-1], b"a"),
        ("a€".encode()[:-2], b"a"),
        ("a😀".encode()[:-1], b"a"),
        ("a😀".encode()[:-3], b"a"),
        (b"a\xff\x80", b"a\xff\x80"[:1]),
        (b"\x80\x80\x80\x80", b"\x80\x80\x80\x80"),
        (b"", b""),
    ],
)
def test_characters_stay_whole(data: bytes, kept: bytes) -> None:
    assert whole(data) == kept


def test_no_cut_of_good_text_is_ever_broken() -> None:
    dice = random.Random(3)
    for _ in range(300):
        text = "".join(dice.choice("aé€😀\n") for _ in range(30)).encode()
        cut = whole(text[: dice.randint(0, len(text))])
        assert text.startswith(cut)
        cut.decode()


def test_one_budget_for_both_streams() -> None:
    budget = Budget(10)
    budget.add(0, b"12345")
    budget.add(1, b"67890")
    assert (budget.spent, budget.take()) == (False, (b"12345", b"67890"))
    budget.add(0, b"x")
    assert bool(budget.spent) is True
    assert budget.take() == (b"12345", b"67890")
    unlimited = Budget(None)
    unlimited.add(1, b"\xe2")
    assert unlimited.take() == (b"", b"\xe2")


def test_limits() -> None:
    assert address_space(1) == 2 << 30
    assert address_space(1 << 30) == 4 << 30
    words = prlimit_arguments("/p", limits(Resources()))
    assert words[0] == "/p"
    assert words[-1] == "--"
    assert not any(w.startswith(("--nproc", "--as", "--data")) for w in words)
    assert 6 not in rlimits(Resources(max_processes=5)), "outside a namespace it counts the whole user"
    (files,) = [w for w in limits(Resources(max_open_files=1024), {7: 512}) if w.name == "nofile"]
    assert (files.soft, files.hard) == (512, 512), "nobody may go above the limit there is"


@pytest.mark.skipif(machine() != limiter.MACHINE, reason="the program is for x86_64")
def test_the_limiter_sets_what_prlimit_sets(tmp_path: Path) -> None:
    wanted = limits(Resources(cpu_seconds=5, max_open_files=99, max_file_size_bytes=4096, memory_bytes=1 << 29))
    wanted = tuple(w for w in wanted if w.name != "nproc")
    own = tmp_path / "limiter"
    own.write_bytes(limiter.program(wanted))
    own.chmod(0o755)
    told = []
    for setter in ((str(own),), prlimit_arguments("/usr/bin/prlimit", wanted)):
        ran = subprocess.run([*setter, "/bin/cat", "/proc/self/limits"], capture_output=True, text=True, check=True)
        told.append(ran.stdout)
    assert told[0] == told[1]
    assert "Max open files            99                   99" in told[0]
    shown = subprocess.run([str(own), "/usr/bin/env", "A=b", "/usr/bin/env"], env={"C": "d"}, capture_output=True)
    assert shown.stdout == b"C=d\nA=b\n"


@pytest.mark.skipif(machine() != limiter.MACHINE, reason="the program is for x86_64")
def test_the_limiter_says_what_it_cannot_do(tmp_path: Path) -> None:
    own = tmp_path / "limiter"
    own.write_bytes(limiter.program(()))
    own.chmod(0o755)
    ran = subprocess.run([str(own), "/nonexistent"], capture_output=True)
    assert (ran.returncode, ran.stderr) == (127, b"sandbox: the command can't be executed\n")
    own.unlink()
    own.write_bytes(limiter.program((limits(Resources())[0], limits(Resources())[0]._replace(number=99))))
    own.chmod(0o755)
    ran = subprocess.run([str(own), "/bin/true"], capture_output=True)
    assert (ran.returncode, ran.stderr) == (limiter.FAILED, limiter.COMPLAINT)


def test_reach(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents, tmp_path / "a"):
        if os.stat(folder).st_uid == os.geteuid() and folder != Path("/"):
            break
    (tmp_path / "a").chmod(0o700)
    assert not reachable(str(deep), os.geteuid() + 1, os.getegid() + 1)
    assert reachable("/usr/bin", 65534, 65534)
    assert reachable("/", 65534, 65534)


def test_status_comes_in_pieces() -> None:
    status = Status()
    for piece in (b'{ "child', b'-pid": 12, "net-namespace": 5 }\n{ "exit-', b"code", b'": 3 }\n'):
        status.feed(piece)
    assert (status.child_pid, status.exit_code) == (12, 3)


def test_a_synthetic_downgrade_refuses_nothing() -> None:
    made_up = Downgrade("policy", "no provider", synthetic=True)
    assert refusal((made_up,)) is None
    assert refusal((made_up, Downgrade("network", "a"), Downgrade("privilege", "b"))) == (
        "sandbox unavailable: network: a; privilege: b"
    )


def hierarchy(folder: Path, *, controllers: str, subtree: str, processes: str = "") -> tuple[str, str]:
    own = folder / "own"
    own.mkdir()
    (own / "cgroup.controllers").write_text(controllers)
    (own / "cgroup.subtree_control").write_text(subtree)
    (own / "cgroup.procs").write_text(processes)
    return f"cgroup2 {folder} cgroup2 rw 0 0\n", "0::/own\n"


def test_second_version_delegated(tmp_path: Path) -> None:
    mounts, ours = hierarchy(tmp_path, controllers="cpu memory pids", subtree="memory pids")
    own = str(tmp_path / "own")
    assert find(mounts, ours) == CgroupPlace(2, (own,), (own,))


def test_second_version_without_controllers(tmp_path: Path) -> None:
    found = find(*hierarchy(tmp_path, controllers="hugetlb", subtree=""))
    assert found == f"the group {tmp_path}/own has no controllers for pids and memory"


def test_second_version_with_neighbours(tmp_path: Path) -> None:
    found = find(*hierarchy(tmp_path, controllers="memory pids", subtree="", processes=f"1\n{os.getpid()}\n"))
    assert isinstance(found, str)
    assert "other processes live in" in found


def test_second_version_alone_moves_aside(tmp_path: Path) -> None:
    mounts, ours = hierarchy(tmp_path, controllers="memory pids", subtree="", processes=f"{os.getpid()}\n")
    inner = tmp_path / "own" / "gitops-supervisor"
    inner.mkdir()
    (inner / "cgroup.procs").write_text("")
    assert find(mounts, ours) == CgroupPlace(2, (str(tmp_path / "own"),), (str(inner),))
    assert (inner / "cgroup.procs").read_text() == str(os.getpid())
    assert (tmp_path / "own" / "cgroup.subtree_control").read_text() == "+pids +memory"


def test_first_version(tmp_path: Path) -> None:
    for name in ("pids", "memory/a/b"):
        (tmp_path / name).mkdir(parents=True)
    mounts = "".join(f"cgroup {tmp_path}/{c} cgroup rw,{c} 0 0\n" for c in ("pids", "memory"))
    found = find(mounts, "8:pids:/\n4:memory:/a/b\n0::/\n")
    wanted = (f"{tmp_path}/pids", f"{tmp_path}/memory/a/b")
    assert found == CgroupPlace(1, wanted, wanted)


def test_no_hierarchy_at_all() -> None:
    assert find("proc /proc proc rw 0 0\n", "0::/\n") == "no hierarchy with the controllers pids and memory is mounted"
