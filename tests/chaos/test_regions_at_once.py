"""Many workers find at the same moment that a region is lost, while others finish runs there: each change once."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.health.rollup import worst
from reconciler.model.run import Health, Run
from reconciler.store.executing import Finished, Transition
from reconciler.store.open import open_executing, open_store

if TYPE_CHECKING:
    from tests.conftest import Kit

ALIVE = 15.0
SYSTEMS = 12
ROUNDS = 8


class Clock:
    """One for all connections."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.getfixturevalue("postgres_store") if request.param == "postgresql" else tmp_path / "store.db")


def _apply(kit: Kit, address: str) -> None:
    assigned = {"check": "ready", "regions": ["eu", "us"], "thresholds": {"degraded": 1, "unhealthy": 2}}
    systems = [kit.system(f"s{n}", ["production", "staging"], [assigned]) for n in range(SYSTEMS)]
    files = {"a.yaml": [kit.environment("production"), kit.environment("staging"), kit.check("ready"), *systems]}
    with closing(open_store(address)) as store:
        kit.apply(store, files)


def test_each_change_is_told_once(kit: Kit, address: str) -> None:
    _apply(kit, address)
    clock = Clock()
    told: list[Transition] = []
    faults: list[BaseException] = []
    barrier = threading.Barrier(6)

    def observing() -> None:
        with closing(open_executing(address)) as hands:
            hands.db.tell_time(clock)
            hands.reconcile()
            for _ in range(ROUNDS):
                barrier.wait()
                for _ in range(6):
                    told.extend(hands.observe(ALIVE, limit=10))
                barrier.wait()

    def finishing(name: str) -> None:
        chance = random.Random(name)
        with closing(open_executing(address)) as hands:
            hands.db.tell_time(clock)
            hands.reconcile()
            for _ in range(ROUNDS):
                barrier.wait()
                for claim in hands.claim(name, 20, lease=60.0, regions=["eu"]):
                    healthy = chance.random() < 0.7
                    outcome, why = ("healthy", None) if healthy else ("unhealthy", "x")
                    times = (claim.slot, clock(), 1.0)
                    run = Run(claim.key, "eu", *times, outcome, why, claim.generation, claim.digest, name, {})  # type: ignore[arg-type]
                    told.extend(hands.finish([Finished(claim, run, "")]))
                barrier.wait()

    def guarded(work: object, *arguments: str) -> None:
        try:
            work(*arguments)  # type: ignore[operator]
        except BaseException as error:
            faults.append(error)
            barrier.abort()

    threads = [threading.Thread(target=guarded, args=(observing,)) for _ in range(3)]
    threads += [threading.Thread(target=guarded, args=(finishing, name)) for name in ("a", "b")]
    with closing(open_executing(address)) as hands:
        hands.db.tell_time(clock)
        hands.reconcile()
        for thread in threads:
            thread.start()
        try:
            for n in range(ROUNDS):
                clock.at += 40 if n else 1
                if n:  # somebody has looked all the time, and nobody served
                    hands.db.run("update progress set n = ? where what = 'observed'", (round((clock.at - 10) * 1000),))
                    old = round((clock.at - 1000) * 1000)
                    hands.db.run("update progress set n = ? where what = 'observing'", (old,))
                barrier.wait(30)
                barrier.wait(30)
        finally:
            for thread in threads:
                thread.join(30)
        assert faults == []
        kept = hands.transitions(limit=100_000)
        _hold(told, kept)
        states = list(hands.states())
    assert any(state.unseen is not None for state in states)
    by_system: dict[int, list[Health]] = defaultdict(list)
    for state in states:
        by_system[state.key.system].append(state.health)
    last = {t.key.system: t.now for t in kept if t.scope == "system"}
    assert {uid: last.get(uid, "healthy") for uid in by_system} == {uid: worst(all_) for uid, all_ in by_system.items()}


def _hold(told: list[Transition], kept: list[Transition]) -> None:
    """Told by one, kept once, and each begins where the one before it ended."""
    assert sorted(t.id for t in told) == [t.id for t in kept]
    now: dict[tuple[object, ...], Health] = {}
    for t in sorted(told, key=lambda t: t.id):
        of = (t.scope, *t.key, t.region)
        assert t.was == now.get(of, "healthy"), t
        assert t.was != t.now
        now[of] = t.now
    assert len(now) > SYSTEMS
