"""Workers that share one file and are killed: nothing runs twice at once, nothing that was reported is lost."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.model.run import Run
from reconciler.store.executing import Claim, Finished
from reconciler.store.open import open_executing, open_store
from reconciler.store.sql_executing import SqlExecuting

if TYPE_CHECKING:
    from tests.chaos.conftest import Fleet
    from tests.conftest import Kit

SLICES = 1000
LEASE = 5.0
Say = Callable[[str], None]


def ahead(seconds: float) -> Callable[[], float]:
    return lambda: time.time() + seconds


def hands_on(path: Path, clock: Callable[[], float]) -> SqlExecuting:
    hands = open_executing(str(path))
    hands.db.tell_time(clock)
    return hands


def came_of(claim: Claim, worker: str) -> Finished:
    at = claim.slot + 0.5
    return Finished(claim, Run(claim.key, "", claim.slot, at, 5.0, "unhealthy", "no", 1, claim.digest, worker, {}), "")


@pytest.fixture
def path(kit: Kit, fleet: Fleet, tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    store = open_store(str(path))
    kit.apply(store, fleet.commits[0])
    store.close()
    return path


def test_workers_on_one_file_share_what_is_due(fleet: Fleet, path: Path) -> None:
    """Also the first thing that they do: of those that bring the schedule up to date, one does it."""

    def working(name: str) -> Callable[[Say], None]:
        def work(say: Say) -> None:
            hands = hands_on(path, time.time)
            reconciled = hands.reconcile()
            say(json.dumps(reconciled and reconciled.added))
            hands.db.tell_time(ahead(30))
            mine = []
            while claims := hands.claim(name, 7, lease=60.0):
                hands.finish([came_of(c, name) for c in claims])
                mine += [[*c.key] for c in claims]
            say(json.dumps(mine))
            hands.close()

        return work

    children = [fleet.Child(working(name)) for name in ("one", "two", "three")]
    answers = [child.end() for child in children]
    assert [code for code, _ in answers] == [0, 0, 0]
    assert sorted(json.loads(lines[0]) or 0 for _, lines in answers) == [0, 0, SLICES]
    ran = [tuple(key) for _, lines in answers for key in json.loads(lines[1])]
    # Who is still at it when the first slices are due again runs these anew; none is run by two for one tick.
    hands = hands_on(path, time.time)
    assert len(set(ran)) == SLICES
    assert len(ran) == hands.position()
    assert {s.running for s in hands.states()} == {None}
    hands.close()


def test_a_killed_worker_loses_nothing_that_it_reported(fleet: Fleet, path: Path) -> None:
    chance = random.Random(5)
    hands = hands_on(path, time.time)
    hands.reconcile()
    reported: set[tuple[int, ...]] = set()
    slots: dict[tuple[int, ...], float] = {}
    offset = 30.0
    for number in range(8):
        clock = ahead(offset)

        def work(say: Say, name: str = f"w{number}", clock: Callable[[], float] = clock) -> None:
            mine = hands_on(path, clock)
            while claims := mine.claim(name, 20, lease=LEASE):
                say(json.dumps({"claimed": [[*c.key, c.slot] for c in claims]}))
                mine.finish([came_of(c, name) for c in claims])
                say(json.dumps({"finished": [[*c.key, c.slot] for c in claims]}))
            say("{}")
            signal_is_awaited(say)

        child = fleet.Child(work)
        lines = [child.line() for _ in range(chance.randint(1, 9))]
        for line in [*lines, *child.kill()]:
            said = json.loads(line)
            reported |= {tuple(row) for row in said.get("finished", ())}
            slots |= {tuple(row[:3]): row[3] for row in said.get("claimed", ())}
        offset += LEASE + 1
    hands.db.tell_time(ahead(offset))
    running = {s.key: s for s in hands.states() if s.running}
    taken = [c for c in hands.claim("heir", SLICES, lease=LEASE) if c.expired]
    assert {c.key for c in taken} == set(running)
    assert {c.slot for c in taken if tuple(c.key) in slots} <= set(slots.values())
    hands.finish([came_of(c, "heir") for c in taken])
    runs = hands.runs_after(0, limit=100_000)[1]
    recorded = [(*run.key, run.slot) for run in runs]
    assert len(recorded) == len(set(recorded)), "recorded twice"
    assert reported <= set(recorded), "reported as finished, and lost"
    assert len(reported) > 0
    assert sum(s.runs for s in hands.states()) == len(runs)
    hands.close()


def test_who_is_killed_while_condensing_counts_nothing_twice(fleet: Fleet, path: Path) -> None:
    chance = random.Random(6)
    hands = hands_on(path, time.time)
    hands.reconcile()
    keys = [s.key for s in hands.states()][:200]
    start = time.time() // 3600 * 3600.0
    ats = [start + 600 * n for n in range(5)]
    hands.record([Run(key, "", at, at, 5.0, "healthy", None, 1, "d", "w", {}) for at in ats for key in keys])

    def work(say: Say) -> None:
        mine = hands_on(path, ahead(7300))
        say("started")
        while mine.condense(limit=20):
            say("more")
        say("done")
        signal_is_awaited(say)

    for _ in range(6):
        child = fleet.Child(work)
        for _ in range(chance.randint(1, 4)):
            child.line()
        time.sleep(chance.random() * 0.02)
        child.kill()
    hands.db.tell_time(ahead(7300))
    while hands.condense():
        pass
    counted = {key: sum(a.healthy for a in hands.aggregates(key, span="hour")) for key in keys}
    assert set(counted.values()) == {len(ats)}
    hands.close()


def signal_is_awaited(say: Say) -> None:
    """Until the kill; it ends of itself with the test's process, whose end of the pipe it can't write to then."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        say("{}")
        time.sleep(0.2)
