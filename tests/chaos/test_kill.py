"""A killed apply leaves the old generation or the new one, and what was acknowledged stays."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.store.open import open_store

if TYPE_CHECKING:
    from tests.chaos.conftest import Fleet
    from tests.conftest import Kit

KILLS = 200


def in_turns(kit: Kit, fleet: Fleet, path: Path, *, careless: bool = False) -> Callable[[Callable[[str], None]], None]:
    """Apply the two commits in turns for ever; say so before and after each."""

    def work(say: Callable[[str], None]) -> None:
        store: Any = open_store(str(path))
        if careless:
            store.db.transaction = lambda **_: nullcontext()
        while True:
            commit = fleet.commits[fleet.other(store)]
            say("begin")
            say(f"done {kit.apply(store, commit, timeout=5.0).generation}")

    return work


def killed_after(fleet: Fleet, work: Callable[[Callable[[str], None]], None], seconds: float) -> list[str]:
    """Start it, kill it so long after its first word, and give all that it said."""
    child = fleet.Child(work)
    first = child.line()
    assert first == "begin"
    time.sleep(seconds)
    return [first, *child.kill()]


@pytest.fixture
def path(kit: Kit, fleet: Fleet, tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    store = open_store(str(path))
    kit.apply(store, fleet.commits[0])
    store.close()
    return path


@pytest.mark.slow
def test_a_killed_apply_is_whole_or_not_at_all(kit: Kit, fleet: Fleet, path: Path) -> None:
    random.seed(20)
    work = in_turns(kit, fleet, path)
    started = time.monotonic()
    child = fleet.Child(work)
    while not child.line().startswith("done"):
        pass
    one_apply = time.monotonic() - started
    child.kill()
    amid, seen = 0, set()
    for _ in range(KILLS):
        said = killed_after(fleet, work, random.uniform(0, min(1.5 * one_apply, 0.4)))
        amid += said[-1] == "begin"
        acknowledged = max((int(line.split()[1]) for line in said if line.startswith("done")), default=0)
        store = open_store(str(path))
        generation = store.generation()
        assert acknowledged <= generation, "what was acknowledged is there"
        assert generation <= acknowledged + 1 or not acknowledged
        seen.add((fleet.whole(store), generation > acknowledged > 0))
        store.close()
    assert amid > KILLS / 4, "most kills hit an apply"
    assert {commit for commit, _ in seen} == {0, 1}
    store = open_store(str(path))
    for commit in (0, 1):
        kit.apply(store, fleet.commits[commit])
        assert fleet.whole(store) == commit
        assert not kit.plan(store, fleet.commits[commit], quick=False).pending
    store.close()


@pytest.mark.slow
def test_without_a_transaction_the_same_check_fails(kit: Kit, fleet: Fleet, path: Path) -> None:
    """The control: the check above can fail."""
    random.seed(21)
    for _ in range(40):
        killed_after(fleet, in_turns(kit, fleet, path, careless=True), random.uniform(0.02, 0.3))
        store = open_store(str(path))
        try:
            fleet.whole(store)
        except AssertionError:
            return
        finally:
            store.close()
    pytest.fail("writing without a transaction was never caught")
