"""Backups while others write, and restores and upgrades that are killed: one whole store or the other, never a mix."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.store import file
from reconciler.store.backup import back_up
from reconciler.store.examine import examine
from reconciler.store.executing import Finished
from reconciler.store.open import open_executing, open_store
from reconciler.store.restore import restore
from reconciler.store.schema import KNOWN, steps
from reconciler.store.upgrade import upgrade

if TYPE_CHECKING:
    from tests.chaos.conftest import Child, Fleet
    from tests.conftest import Kit

BACKUPS = 3
"""Of which each saw others write in its time."""
KILLS = 60
NEWEST = {name for sql in steps("sqlite")[-1] for name in re.findall(r"^create table (\w+)", sql)}
"""What the last step adds, and all that it does: so it can be taken back."""


@pytest.fixture
def path(kit: Kit, fleet: Fleet, tmp_path: Path) -> Path:
    made = tmp_path / "store.db"
    store = open_store(str(made))
    kit.apply(store, fleet.commits[0])
    store.close()
    return made


@pytest.fixture
def writers(kit: Kit, fleet: Fleet, path: Path) -> Iterator[list[Child]]:
    """Two processes that write for ever: one applies, one runs slices."""

    def applying(say: Callable[[str], None]) -> None:
        store = open_store(str(path))
        while True:
            kit.apply(store, fleet.commits[fleet.other(store)], timeout=5.0)
            say("applied")

    def running(say: Callable[[str], None]) -> None:
        hands = open_executing(str(path))
        while True:
            hands.reconcile()
            claims = hands.claim("w", 200, lease=10.0)
            hands.finish([Finished(c, a_run(c), "") for c in claims])
            say("ran")
            time.sleep(0.001 if claims else 0.05)

    children = [fleet.Child(applying), fleet.Child(running)]
    for child in children:
        assert child.line()
    yield children
    for child in children:
        child.kill()


def a_run(claim: Any) -> Any:
    from reconciler.model.run import Run

    timing = (claim.slot, claim.slot, 1.0)
    return Run(claim.key, claim.region, *timing, "healthy", None, claim.generation, claim.digest, "w", {})


@pytest.mark.slow
def test_a_backup_while_two_write_is_of_one_moment(
    kit: Kit, fleet: Fleet, path: Path, writers: list[Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "_PAGES", 64)  # many steps, with time between them for others to write
    generations: list[int] = []
    moved = 0
    while moved < BACKUPS:
        n = len(generations)
        assert n < 60, "others never wrote meanwhile"
        target = tmp_path / f"{n}.db"
        made = back_up(str(path), str(target), progress=lambda *_: time.sleep(0.002))
        moved += examine(str(path)).generation > made.generation
        copied = open_store(str(target))
        fleet.whole(copied)
        assert copied.generation() == made.generation
        copied.close()
        generations.append(made.generation)
    assert generations == sorted(generations)
    assert generations[-1] > generations[0]


@pytest.mark.slow
def test_copying_the_file_alone_fails_the_same_check(
    fleet: Fleet, path: Path, writers: list[Child], tmp_path: Path
) -> None:
    """The control: the check above can fail."""
    for n in range(40):
        target = tmp_path / f"{n}.db"
        before = examine(str(path)).generation
        shutil.copy(path, target)
        try:
            store = open_store(str(target))
            with closing(store):
                fleet.whole(store)
                assert store.generation() >= before
        except Exception:
            return
    pytest.fail("a copy that misses the log was never caught")


def killed(fleet: Fleet, work: Callable[[Callable[[str], None]], None], longest: float) -> list[str]:
    child = fleet.Child(work)
    assert child.line() == "begin"
    time.sleep(random.uniform(0, longest))
    return child.kill()


def generation_of(path: Path) -> int:
    store = open_store(str(path))
    try:
        return store.generation()
    finally:
        store.close()


@pytest.mark.slow
def test_a_killed_restore_leaves_the_old_store_or_the_new_one(
    kit: Kit, fleet: Fleet, path: Path, tmp_path: Path
) -> None:
    random.seed(22)
    store = open_store(str(path))
    back_up(str(path), str(tmp_path / "one.db"))
    kit.apply(store, fleet.commits[1])
    back_up(str(path), str(tmp_path / "two.db"))
    store.close()
    whole = {1: 0, 2: 1}
    seen: dict[bool, int] = {False: 0, True: 0}

    def work(target: int) -> Callable[[Callable[[str], None]], None]:
        def restoring(say: Callable[[str], None]) -> None:
            say("begin")
            restore(str(path), str(tmp_path / ("one.db", "two.db")[target - 1]), actor="a", lock_timeout=5.0)
            say("done")

        return restoring

    started = time.monotonic()
    restore(str(path), str(tmp_path / "one.db"), actor="a")
    longest = 1.3 * (time.monotonic() - started) + 0.01
    now = 1
    for _ in range(KILLS):
        wanted = 3 - now
        said = killed(fleet, work(wanted), longest)
        store = open_store(str(path))
        found = store.generation()
        assert found in (now, wanted)
        assert fleet.whole(store) == whole[found]
        store.close()
        if said:
            assert found == wanted, "what is said to be done is done"
        seen[bool(said)] += 1
        for aside in tmp_path.glob("store.db.before-restore-*"):
            if not aside.name.endswith("-wal"):
                assert generation_of(aside) in (1, 2)
        for aside in tmp_path.glob("store.db.before-restore-*"):
            aside.unlink()
        now = found
    assert seen[False] > KILLS / 5, "kills hit restores"
    restore(str(path), str(tmp_path / "two.db"), actor="a")
    assert not list(tmp_path.glob("*.part*")), "what killed ones left is gone"


@pytest.mark.slow
def test_a_killed_upgrade_leaves_the_old_tables_or_the_new_ones(
    kit: Kit, fleet: Fleet, path: Path, tmp_path: Path
) -> None:
    random.seed(23)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for name in NEWEST:
            db.execute(f"drop table {name}")
        db.execute("delete from schema_version where n = ?", (KNOWN,))
    back_up(str(path), str(tmp_path / "old.db"))
    seen: dict[int, int] = {KNOWN - 1: 0, KNOWN: 0}

    def work(say: Callable[[str], None]) -> None:
        say("begin")
        upgrade(str(path), actor="a", lock_timeout=5.0)
        say("done")

    for n in range(KILLS):
        for each in tmp_path.glob("store.db*"):
            each.unlink()
        shutil.copy(tmp_path / "old.db", path)
        said = killed(fleet, work, 0.04 if n % 2 else 0.15)
        facts = examine(str(path), check=True)
        assert facts.version in seen
        assert facts.usable
        assert facts.counts.keys() >= NEWEST if facts.version == KNOWN else facts.counts.keys().isdisjoint(NEWEST)
        assert not said or facts.version == KNOWN
        seen[facts.version] += 1
        for made in tmp_path.glob("store.db.version-*Z"):
            assert examine(str(made), check=True).version == KNOWN - 1
        store = open_store(str(path))
        fleet.whole(store)
        store.close()
    assert all(seen.values()), seen


@pytest.mark.slow
def test_a_killed_backup_is_there_whole_or_not_at_all(fleet: Fleet, path: Path, tmp_path: Path) -> None:
    random.seed(24)
    target = tmp_path / "copy.db"

    def work(say: Callable[[str], None]) -> None:
        say("begin")
        back_up(str(path), str(target))
        say("done")

    started = time.monotonic()
    back_up(str(path), str(target))
    longest = 1.3 * (time.monotonic() - started) + 0.01
    there = 0
    for _ in range(KILLS):
        target.unlink(missing_ok=True)
        killed(fleet, work, longest)
        if target.exists():
            there += 1
            assert examine(str(target), check=True).usable
            store = open_store(str(target))
            fleet.whole(store)
            store.close()
    assert there < KILLS
