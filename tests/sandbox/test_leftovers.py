"""Nothing of a run outlives it: killed at any moment, and with the worker itself killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.sandbox.command import Command
from reconciler.sandbox.policy import merge, shipped_default
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.spawner import Spawner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux")
WORKER = """
import sys, threading
from reconciler.sandbox.command import Command
from reconciler.sandbox.policy import shipped_default
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.spawner import Spawner
box = Sandbox(shipped_default({}), Spawner())
script = f"setsid sleep {sys.argv[1]} & (sleep {sys.argv[1]} &) ; sleep {sys.argv[1]}"
run = lambda: box.run(Command(("/bin/sh", "-c", script), timeout_ms=60000))
threads = [threading.Thread(target=run) for _ in range(3)]
[t.start() for t in threads]
[t.join() for t in threads]
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    spawner = Spawner()
    made = Sandbox(shipped_default({}), spawner)
    if not made.capabilities.sandbox:
        spawner.close()
        pytest.skip(f"no sandbox here: {made.capabilities.why_not}")
    yield made
    spawner.close()


def processes(mark: str) -> list[str]:
    """Every process of the host whose command line holds ``mark``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line:
                found.append(f"{entry.name}: {line!r}")
    return found


def eventually(happened: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.slow
def test_three_hundred_kills_at_random_moments_leave_nothing(box: Sandbox) -> None:
    dice = random.Random(7)
    for i in range(300):
        mark = f"{81000 + i}.{os.getpid()}"
        script = f"(setsid sleep {mark} &) ; sleep {mark} & sleep {mark}"
        ran = box.run(Command(("/bin/sh", "-c", script), timeout_ms=dice.randint(0, 20)))
        assert ran.timed_out
        assert ran.exit_code == -1
        assert processes(mark) == [], f"run {i}"


def test_a_kill_early_on_claims_nothing_it_did_not_see(box: Sandbox) -> None:
    ran = box.run(Command(("/bin/sh", "-c", "sleep 60"), timeout_ms=0))
    assert ran.timed_out
    assert not any(ran.report.enforced.values())
    late = box.run(Command(("/bin/sh", "-c", "sleep 60"), timeout_ms=1500))
    assert late.timed_out
    assert all(late.report.enforced.values())


@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_worker_leaves_nothing_within_a_second(box: Sandbox, ended: signal.Signals) -> None:
    mark = f"82000.{os.getpid()}{int(ended)}"
    root = str(Path(__file__).parents[2])
    worker = subprocess.Popen([sys.executable, "-c", WORKER, mark], env={**os.environ, "PYTHONPATH": root}, cwd="/")
    asleep = f"sleep\0{mark}\0"
    try:
        assert eventually(lambda: len(processes(asleep)) == 9, 30), processes(mark)
    finally:
        worker.send_signal(ended)
        worker.wait()
    assert eventually(lambda: processes(mark) == [], 1.0), processes(mark)


def test_a_killed_lane_is_replaced_and_its_run_refused(box: Sandbox) -> None:
    identity = (65534, 65534) if os.geteuid() == 0 else None
    lane = box._spawner.lane(identity)
    mark = f"83000.{os.getpid()}"
    results = []
    script = f"(setsid sleep {mark} &) ; sleep {mark}"
    thread = threading.Thread(target=lambda: results.append(box.run(Command(("/bin/sh", "-c", script)))))
    thread.start()
    assert eventually(lambda: len(processes(f"sleep\0{mark}\0")) == 2, 10)
    os.kill(lane.pid, signal.SIGKILL)
    thread.join(10)
    assert results[0].exit_code == -1
    assert results[0].refused == "sandbox unavailable: privilege: the spawner process ended during the run"
    assert not any(results[0].report.enforced.values())
    assert eventually(lambda: processes(mark) == [], 1.0), processes(mark)
    assert box.run(Command(("/usr/bin/true",))).exit_code == 0


def test_descriptors_and_groups_are_given_back(box: Sandbox) -> None:
    box.run(Command(("/usr/bin/true",)))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        box.run(Command(("/bin/sh", "-c", "echo hello; exit 1"), files={"a": b"b"}, stdin=b"c"))
        box.run(Command(("/nonexistent",)))
        box.run(Command(("/bin/sh", "-c", "sleep 9"), timeout_ms=5))
    assert len(os.listdir("/proc/self/fd")) == before
    place = box.capabilities.cgroup
    if place is not None:
        mine = [p for folder in place.folders for p in Path(folder).glob(f"gitops-{os.getpid()}-*")]
        assert mine == []


def test_many_threads_share_one_spawner(box: Sandbox) -> None:
    codes: list[int] = []

    def work(number: int) -> None:
        for _ in range(8):
            ran = box.run(Command(("/bin/sh", "-c", f"echo {number}; exit {number}")))
            assert ran.stdout == f"{number}\n".encode()
            codes.append(ran.exit_code)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == sorted(n for n in range(1, 9) for _ in range(8))


def test_a_fork_of_the_worker_gets_a_spawner_of_its_own(box: Sandbox) -> None:
    assert box.run(Command(("/usr/bin/true",))).exit_code == 0
    pid = os.fork()
    if pid == 0:
        code = 9
        try:
            code = box.run(Command(("/bin/sh", "-c", "exit 4"))).exit_code
            box._spawner.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
    assert box.run(Command(("/usr/bin/true",))).exit_code == 0


def test_large_commands_and_too_large_ones(box: Sandbox) -> None:
    text = "x" * 100_000
    ran = box.run(Command(("/bin/sh", "-c", 'echo "${#A}"'), environment={"A": text}))
    assert ran.stdout == b"100000\n"
    ran = box.run(Command(("/bin/sh", "-c", "wc -c <big"), files={"big": bytes(3_000_000)}))
    assert ran.stdout == b"3000000\n"
    ran = box.run(Command(("/bin/sh", "-c", "true"), environment={"A": text * 3}))
    assert ran.refused is not None
    assert "Argument list too long" in ran.refused


def test_a_neighbour_runs_on_beside_a_fork_bomb(box: Sandbox) -> None:
    small = Sandbox(merge(box.policy, {"resources": {"maxProcesses": 64}}), box._spawner)
    bomb = threading.Thread(
        target=lambda: small.run(Command(("/bin/sh", "-c", "f() { f | f & }; f; sleep 9"), timeout_ms=2000))
    )
    bomb.start()
    time.sleep(0.3)
    ran = small.run(
        Command(("/bin/sh", "-c", "for i in $(seq 20); do sleep 0 & done; wait; echo all"), timeout_ms=9000)
    )
    bomb.join()
    assert ran.stdout == b"all\n", ran
