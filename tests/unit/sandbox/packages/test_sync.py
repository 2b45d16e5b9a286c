"""Building aside and switching in one step: two at once, killed ones, failed ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.sandbox.packages.allowed import Allowed
from reconciler.sandbox.packages.faults import PackagesError, PackagesNotReady
from reconciler.sandbox.packages.folder import Packages, Status
from reconciler.sandbox.packages.lockfile import Lock, Wheel, write
from reconciler.sandbox.packages.sync import install, sync

Build = Callable[[Lock, Path], None]


def build(lock: Lock, folder: Path) -> None:
    (folder / "python").mkdir()
    (folder / "python" / "one.py").write_text("x = 1")


def other(lock: Lock) -> Lock:
    return replace(lock, wheels=(Wheel("one", "2", "2" * 64),))


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_the_states(lock: Lock, tmp_path: Path) -> None:
    packages = Packages(tmp_path / "p")
    assert packages.status(None) == Status("pending", None, None, "there is no lock file")
    assert packages.status(lock) == Status("pending", lock.digest, None, "the lock file was not synced yet")
    seen: list[Status] = []

    def watched(lock: Lock, folder: Path) -> None:
        build(lock, folder)
        seen.append(packages.status(lock))

    done = sync(lock, tmp_path / "p", build=watched)
    assert (done.digest, done.built, done.waited) == (lock.digest, True, False)
    assert seen == [Status("syncing", lock.digest, None, "a sync is running")]
    assert packages.status(lock) == Status("ready", lock.digest, lock.digest)
    assert packages.status(other(lock)).state == "pending"
    assert names(tmp_path / "p") == {".lock", "current", lock.digest}


def test_what_runs_get(lock: Lock, tmp_path: Path) -> None:
    packages = Packages(tmp_path)
    with pytest.raises(PackagesNotReady, match=r"not ready \(pending\): there was no sync yet") as caught:
        packages.python()
    assert caught.value.state == "pending"
    sync(lock, tmp_path, build=build)
    assert packages.python() == (str(tmp_path / lock.digest / "python"), "/packages/python")
    assert packages.node() is None


def test_a_run_during_the_first_sync(lock: Lock, tmp_path: Path) -> None:
    def asking(lock: Lock, folder: Path) -> None:
        build(lock, folder)
        with pytest.raises(PackagesNotReady, match=r"not ready \(syncing\)"):
            Packages(tmp_path).python()

    sync(lock, tmp_path, build=asking)


def test_runs_keep_the_old_set_until_the_new_one_is_whole(lock: Lock, tmp_path: Path) -> None:
    packages = Packages(tmp_path)
    sync(lock, tmp_path, build=build)
    before = packages.python()

    def asking(lock: Lock, folder: Path) -> None:
        build(lock, folder)
        assert packages.python() == before

    sync(other(lock), tmp_path, build=asking)
    assert packages.python() != before
    assert before is not None
    assert Path(before[0]).is_dir(), "runs that began with it import from it"


def test_nothing_is_built_twice(lock: Lock, tmp_path: Path) -> None:
    sync(lock, tmp_path, build=build)
    sync(other(lock), tmp_path, build=build)

    def never(lock: Lock, folder: Path) -> None:
        raise AssertionError

    assert sync(lock, tmp_path, build=never) == (lock.digest, False, False)
    assert Packages(tmp_path).current() == lock.digest


def test_a_failure_leaves_what_was_there_and_is_remembered(lock: Lock, tmp_path: Path) -> None:
    def failing(lock: Lock, folder: Path) -> None:
        build(lock, folder)
        raise PackagesError("no such version")

    packages = Packages(tmp_path)
    with pytest.raises(PackagesError, match="no such version"):
        sync(lock, tmp_path, build=failing)
    assert packages.status(lock) == Status("error", lock.digest, None, "no such version")
    with pytest.raises(PackagesNotReady, match=r"not ready \(error\): no such version"):
        packages.python()
    sync(lock, tmp_path, build=build)
    with pytest.raises(PackagesError):
        sync(other(lock), tmp_path, build=failing)
    assert packages.status(other(lock)) == Status("error", other(lock).digest, lock.digest, "no such version")
    assert packages.status(lock).state == "ready"
    assert packages.python() is not None
    assert names(tmp_path) == {".lock", "current", lock.digest, "error.json"}
    sync(other(lock), tmp_path, build=build)
    assert "error.json" not in names(tmp_path)


def test_two_at_once_build_once(lock: Lock, tmp_path: Path) -> None:
    built: list[Path] = []
    started = threading.Event()

    def slow(lock: Lock, folder: Path) -> None:
        started.set()
        time.sleep(0.3)
        build(lock, folder)
        built.append(folder)

    results = []
    threads = [threading.Thread(target=lambda: results.append(sync(lock, tmp_path, build=slow))) for _ in range(2)]
    threads[0].start()
    assert started.wait(5)
    threads[1].start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert sorted((r.built, r.waited) for r in results) == [(False, True), (True, False)]


KILLED = """
import sys, time
from pathlib import Path
from reconciler.sandbox.packages.lockfile import read
from reconciler.sandbox.packages.sync import sync

def build(lock, folder):
    (folder / "python").mkdir()
    (folder / "python" / "half.py").write_text("x")
    print("begun", flush=True)
    time.sleep(60)

sync(read(Path(sys.argv[1])), Path(sys.argv[2]), build=build)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_sync_leaves_the_old_set(end: signal.Signals, lock: Lock, tmp_path: Path) -> None:
    folder, path = tmp_path / "p", tmp_path / "x.lock"
    sync(lock, folder, build=build)
    write(other(lock), path)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        assert Packages(folder).status(other(lock)).state == "syncing"
        process.send_signal(end)
        process.wait(10)
    assert Packages(folder).status(other(lock)).state == "pending", "nothing is held by the dead"
    assert Packages(folder).current() == lock.digest
    sync(other(lock), folder, build=build)
    assert names(folder) == {".lock", "current", lock.digest, other(lock).digest}


def test_old_sets_go_after_a_while(lock: Lock, tmp_path: Path) -> None:
    sync(lock, tmp_path, build=build)
    sync(other(lock), tmp_path, build=build)
    assert lock.digest in names(tmp_path)
    os.utime(tmp_path / lock.digest, (0, 0))
    (tmp_path / "not-ours").mkdir()
    sync(other(lock), tmp_path, build=build)
    assert names(tmp_path) == {".lock", "current", other(lock).digest, "not-ours"}


def test_everybody_may_read_it(lock: Lock, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        sync(lock, tmp_path, build=build)
    finally:
        os.umask(before)
    inside = tmp_path / lock.digest
    modes = {p.relative_to(inside).as_posix(): p.stat().st_mode & 0o777 for p in (inside, *inside.rglob("*"))}
    assert modes == {".": 0o755, "python": 0o755, "python/one.py": 0o644, "manifest.json": 0o644}


def test_a_link_that_leads_out_is_refused(lock: Lock, tmp_path: Path) -> None:
    def linking(lock: Lock, folder: Path) -> None:
        build(lock, folder)
        (folder / "python" / "inside").symlink_to("one.py")
        (folder / "python" / "out").symlink_to("/etc/passwd")

    with pytest.raises(PackagesError, match="python/out is a link that leads out of its folder"):
        sync(lock, tmp_path, build=linking)


@pytest.mark.parametrize("target", ["../elsewhere", "/etc", "nothing", "0" * 32])
def test_a_current_that_leads_nowhere_is_none(target: str, lock: Lock, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(target)
    assert Packages(tmp_path).current() is None
    sync(lock, tmp_path, build=build)
    assert Packages(tmp_path).current() == lock.digest


def test_another_python_is_said(lock: Lock, tmp_path: Path) -> None:
    foreign = replace(lock, python="cpython-2.7")
    with pytest.raises(PackagesError, match=r"the lock file is for cpython-2\.7 on .*, this is cpython-3"):
        sync(foreign, tmp_path, build=install)
    sync(foreign, tmp_path, build=build)
    with pytest.raises(PackagesNotReady, match=r"they were built for cpython-2\.7"):
        Packages(tmp_path).python()


def test_a_folder_that_cannot_be_written(lock: Lock, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PackagesError, match="can't be written"):
        sync(lock, tmp_path / "file", build=build)


def test_an_empty_list_is_a_set_too(lock: Lock, tmp_path: Path) -> None:
    empty = Lock(Allowed(), lock.python, lock.platform)
    sync(empty, tmp_path)
    assert (Packages(tmp_path).python(), Packages(tmp_path).node()) == (None, None)
