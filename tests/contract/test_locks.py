"""Locks for what isn't inside one transaction: the same beside a file and on PostgreSQL."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.base.errors import LockLost, StoreError, UsageError
from reconciler.store.locks import Held, Locks, fenced, open_locks
from reconciler.store.open import open_database

DATABASES = ("sqlite", "postgresql")
SHORT = {"GITOPS_DATABASE_LOCK_TIMEOUT_MS": "150"}

Opened = Callable[..., Locks]


@pytest.fixture(params=DATABASES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_store"))
    return str(tmp_path / "store.db")


@pytest.fixture
def opened(address: str) -> Iterator[Opened]:
    """Makes services of one store, as other processes would have them."""
    made: list[Locks] = []

    def one(**environ: str) -> Locks:
        made.append(open_locks(address, environ))
        return made[-1]

    yield one
    for each in made:
        each.close()


def taken(locks: Locks, *keys: str) -> Held:
    held = locks.try_acquire(keys)
    assert held is not None
    return held


def elsewhere(locks: Locks, *keys: str) -> Held | None:
    """Asked for in another thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(locks.try_acquire, keys).result()


def test_one_at_a_time_and_other_keys_meanwhile(opened: Opened) -> None:
    mine, theirs = opened(), opened()
    held = taken(mine, "automation:1")
    assert held.still()
    assert elsewhere(theirs, "automation:1") is None
    assert elsewhere(mine, "automation:1") is None, "a thread of the same process is no exception"
    other = elsewhere(theirs, "automation:2")
    assert other is not None
    held.release()
    held.release()
    assert held.released
    assert not held.still()
    again = taken(theirs, "automation:1")
    assert again.fences["automation:1"] == held.fences["automation:1"] + 1
    again.release()
    other.release()


def test_several_keys_are_had_all_or_none(opened: Opened) -> None:
    mine, theirs = opened(), opened()
    with taken(mine, "b"):
        assert elsewhere(theirs, "a", "b", "c") is None
        free = elsewhere(theirs, "a", "c")
        assert free is not None
        assert free.keys == ("a", "c")
        free.release()
    with taken(theirs, "c", "a", "b", "a") as all_of_them:
        assert sorted(all_of_them.fences) == ["a", "b", "c"]


def test_nothing_is_taken_while_something_is_held(opened: Opened) -> None:
    locks = opened()
    with taken(locks, "a"):
        with pytest.raises(StoreError, match="while the lock a is held here") as caught:
            locks.try_acquire(["b"])
        assert "all keys at once" in (caught.value.hint or "")
        with pytest.raises(StoreError, match="while the lock a is held here"), locks.section(["b"]):
            pass
    with locks.section(["a", "c"]), pytest.raises(StoreError, match="while the locks a, c are held here"):
        locks.try_acquire(["b"])
    taken(locks, "b").release()
    with pytest.raises(ValueError, match="needs a key"):
        locks.try_acquire([])


def test_sections_come_one_after_the_other(opened: Opened) -> None:
    services = [opened(), opened()]
    inside, most, fences = 0, 0, []

    def work(number: int) -> None:
        nonlocal inside, most
        with services[number % 2].section(["one"]) as held:
            inside += 1
            most = max(most, inside)
            time.sleep(0.001)
            fences.append(held.fences["one"])
            inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert most == 1
    assert fences == sorted(set(fences)), "each later one has a higher fence"
    assert len(fences) == 40


def test_sections_of_other_keys_go_on(opened: Opened) -> None:
    locks = opened()
    both = threading.Barrier(2, timeout=10)

    def work(key: str) -> None:
        with locks.section([key]):
            both.wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ["a", "b"]))


def test_keys_in_any_order_are_no_circle(opened: Opened) -> None:
    services = [opened(), opened()]

    def work(number: int) -> None:
        keys = [f"key:{(number + n) % 5}" for n in range(3)]
        with services[number % 2].section(keys if number % 3 else keys[::-1]):
            pass

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(work, range(100)))


def test_a_wait_has_an_end_and_says_for_whom(opened: Opened) -> None:
    mine, theirs = opened(), opened(**SHORT)
    with taken(mine, "job"):

        def wait() -> None:
            with theirs.section(["job"]):
                raise AssertionError

        with ThreadPoolExecutor(1) as pool, pytest.raises(StoreError) as caught:
            pool.submit(wait).result()
    assert f"waiting 0.15 s for the lock job was in vain; held by process {os.getpid()} on " in caught.value.message
    assert "GITOPS_DATABASE_LOCK_TIMEOUT_MS" in (caught.value.hint or "")
    with theirs.section(["job"]):
        pass


def test_a_section_that_fails_lets_go_and_says_why(opened: Opened) -> None:
    locks = opened()
    with pytest.raises(RuntimeError, match="of mine"), locks.section(["job"]):
        raise RuntimeError("of mine")
    with locks.section(["job"]) as held:
        assert held.fences == {"job": 2}
    assert held.released


def test_a_lock_is_let_go_by_another_thread(opened: Opened) -> None:
    locks = opened()
    held = taken(locks, "job")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(held.release).result()
    taken(locks, "job").release()


def test_work_is_fenced(opened: Opened, address: str) -> None:
    locks = opened()
    with closing(open_database(address)) as db:
        old = taken(locks, "job")
        with db.transaction():
            fenced(db, old)
            db.run("insert into setting values ('by', 'old', 0)")
        old.release()  # as if its connection had been cut
        with locks.section(["job", "other"]) as heir:

            def late() -> None:
                with db.transaction():
                    db.run("update setting set value = 'late'")
                    fenced(db, old)

            with pytest.raises(LockLost) as caught:
                late()
            with db.transaction():
                fenced(db, heir)
        assert f"the lock job was lost to process {os.getpid()} on " in caught.value.message
        assert db.rows("select value from setting") == [("old",)]


def test_a_fence_of_another_store_holds_nothing(opened: Opened, address: str) -> None:
    held = taken(opened(), "job")
    with closing(open_database(address)) as db:
        with db.transaction():
            db.run("delete from fence")
        with pytest.raises(LockLost), db.transaction():
            fenced(db, held)
    held.release()


def test_whoever_dies_lets_go(opened: Opened, address: str) -> None:
    code = (
        "import sys, time\n"
        "from reconciler.store.locks import open_locks\n"
        f"held = open_locks({address!r}, {{}}).try_acquire(['job'])\n"
        "print(held is not None, flush=True)\n"
        "time.sleep(60)\n"
    )
    locks = opened()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "True\n"
        assert locks.try_acquire(["job"]) is None
        child.kill()
        child.wait()
        with locks.section(["job"]) as held:
            assert held.fences == {"job": 2}


def test_nothing_is_left_behind(opened: Opened) -> None:
    locks = opened()
    taken(locks, "job").release()

    def there() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    gc.collect()  # what other tests left must not go meanwhile
    before = there()
    for _ in range(50):
        with taken(locks, "job", "other"):
            pass
        with pytest.raises(RuntimeError), locks.section(["job"]):
            raise RuntimeError
    after = there()
    assert after[0] <= before[0], "descriptors"
    assert after[1] <= before[1], "threads"


def test_settings_that_are_no_numbers(address: str) -> None:
    with pytest.raises(UsageError, match="GITOPS_DATABASE_LOCK_TIMEOUT_MS"):
        open_locks(address, {"GITOPS_DATABASE_LOCK_TIMEOUT_MS": "soon"})


def test_a_store_in_memory_has_none() -> None:
    with pytest.raises(StoreError, match="in memory"):
        open_locks(":memory:", {})


# -- many at once ------------------------------------------------------------------------------------------------------

FINDER = """
import sys, time
from contextlib import nullcontext
from reconciler.store.locks import open_locks
from reconciler.store.open import open_database
address, locked = sys.argv[1:]
locks, db = open_locks(address, {}), open_database(address)
taken = locks.try_acquire(["warm-up:" + str(time.monotonic_ns())]); taken.release()
print("ready", flush=True); sys.stdin.readline()
for _ in range(5):
    with locks.section(["create"]) if locked == "yes" else nullcontext():
        if not db.rows("select 1 from pause"):
            time.sleep(0.02)
            with db.transaction():
                db.run("insert into pause (place, at, actor, reason) values (?, 0, '', '')", (time.monotonic_ns(),))
"""


def made(address: str, *, locked: str) -> int:
    """Rows that six processes made, each of which tried five times to make the one that isn't there yet."""
    words = [sys.executable, "-c", FINDER, address, locked]
    children = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in children:
            assert child.communicate(timeout=30)[1] == ""
    finally:
        for child in children:
            child.kill()
            child.communicate()
    with closing(open_database(address)) as db:
        return len(db.rows("select 1 from pause"))


def test_six_processes_find_and_create_one(address: str) -> None:
    assert made(address, locked="yes") == 1


def test_without_a_lock_they_create_more(address: str) -> None:
    assert made(address, locked="no") > 1
