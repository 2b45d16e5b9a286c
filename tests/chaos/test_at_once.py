"""Two applies at once: one waits or is told who holds the lock; never a lost update, never both."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.errors import LockHeld, StalePlan
from reconciler.flows.apply import Actor
from reconciler.store.open import open_store

if TYPE_CHECKING:
    from tests.chaos.conftest import Child, Fleet
    from tests.conftest import Files, Kit

Work = Callable[[Callable[[str], None]], None]


@pytest.fixture
def path(kit: Kit, fleet: Fleet, tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    store = open_store(str(path))
    kit.apply(store, fleet.commits[0])
    store.close()
    return path


class Start:
    """A signal that several processes wait for."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def wait(self) -> None:
        os.close(self._write)
        os.read(self._read, 1)

    def give(self) -> None:
        os.close(self._write)
        os.close(self._read)


def race(fleet: Fleet, *works: Callable[[Start], Work]) -> list[Any]:
    """Run them at the same moment; the answer of each."""
    start = Start()
    children: list[Child] = [fleet.Child(work(start)) for work in works]
    for child in children:
        assert child.line() == "ready"
    start.give()
    answers = []
    for child in children:
        code, lines = child.end()
        assert code == 0
        answers.append(json.loads(lines[0]) | {"pid": child.pid})
    return answers


def applying(kit: Kit, path: Path, commit: Files, name: str, timeout: float) -> Callable[[Start], Work]:
    def prepared(start: Start) -> Work:
        def work(say: Callable[[str], None]) -> None:
            store = open_store(str(path))
            say("ready")
            start.wait()
            try:
                done = kit.apply(store, commit, actor=Actor(name, "host"), timeout=timeout)
            except LockHeld as held:
                say(json.dumps({"held": held.holder}))
            else:
                say(json.dumps({"committed": done.committed, "generation": done.generation}))
            store.close()

        return work

    return prepared


@pytest.mark.slow
@pytest.mark.parametrize("timeout", [0.0, 30.0])
@pytest.mark.parametrize("same", [True, False])
def test_two_applies_at_once(kit: Kit, fleet: Fleet, path: Path, timeout: float, same: bool) -> None:
    outcomes = set()
    for round_ in range(13):
        store = open_store(str(path))
        base, now = store.generation(), 1 - fleet.other(store)
        store.close()
        mine = fleet.commits[1 - now]
        theirs = mine if same else kit.files({"name.yaml": kit.system("name", title=f"gamma {round_}")})
        first, second = race(
            fleet,
            applying(kit, path, mine, "ada", timeout),
            applying(kit, path, theirs, "bob", timeout),
        )
        made = [a["generation"] for a in (first, second) if a.get("committed")]
        assert made, "one of them always gets through"
        assert sorted(made) == list(range(base + 1, base + 1 + len(made))), "one generation each, none lost"
        for answer, other, name in ((first, second, "bob"), (second, first, "ada")):
            if "held" in answer:
                assert timeout == 0.0
                assert answer["held"].startswith(f"{name} on {socket.gethostname()} (process {other['pid']}, since ")
        store = open_store(str(path))
        assert store.generation() == base + len(made)
        assert [r.actor for r in store.history(len(made))] == [
            name for _, name in sorted(zip(made, ["ada" if first.get("committed") else "bob", "bob"], strict=False))
        ][::-1]
        kit.sound(store)
        if same:
            assert len(made) == 1
            assert fleet.whole(store) == 1 - now
        else:
            last = theirs if second.get("generation") == store.generation() and second.get("committed") else mine
            row = store.source("shop")
            assert row is not None
            assert row.tree == last.tree
            assert not kit.plan(store, last, quick=False).pending
            kit.apply(store, fleet.commits[round_ % 2])
        outcomes.add((len(made), "held" in first or "held" in second))
        store.close()
    if timeout == 0.0:
        assert any(held for _, held in outcomes), "the two did meet"
    else:
        assert outcomes == {(1 if same else 2, False)}


@pytest.mark.slow
def test_past_the_lock_only_one_of_two_plans_wins(kit: Kit, fleet: Fleet, path: Path) -> None:
    """The lock orders applies; what keeps the data right is the comparison inside the transaction."""

    def past_the_lock(commit: Files) -> Callable[[Start], Work]:
        def prepared(start: Start) -> Work:
            def work(say: Callable[[str], None]) -> None:
                store = open_store(str(path))
                plan = kit.plan(store, commit, quick=False)
                say("ready")
                start.wait()
                try:
                    say(json.dumps({"made": store.apply(plan, actor="a", host="h", started=time.monotonic())}))
                except StalePlan as stale:
                    say(json.dumps({"stale": stale.now}))
                store.close()

            return work

        return prepared

    for _ in range(10):
        store = open_store(str(path))
        base, target = store.generation(), fleet.other(store)
        store.close()
        commit = fleet.commits[target]
        answers = race(fleet, past_the_lock(commit), past_the_lock(commit), past_the_lock(commit))
        assert sorted(a.get("made", 0) for a in answers) == [0, 0, base + 1]
        assert [a["stale"] for a in answers if "stale" in a] == [base + 1] * 2
        store = open_store(str(path))
        assert fleet.whole(store) == target
        store.close()


@pytest.mark.slow
def test_readers_never_see_a_mix(kit: Kit, fleet: Fleet, path: Path) -> None:
    def work(say: Callable[[str], None]) -> None:
        store = open_store(str(path))
        while True:
            kit.apply(store, fleet.commits[fleet.other(store)], timeout=5.0)

    writer = fleet.Child(work)
    try:
        store = open_store(str(path))
        seen: list[int] = []
        until = time.monotonic() + 4.0
        while time.monotonic() < until or len(set(seen)) < 5:
            with store.snapshot():
                before = store.generation()
                commit = fleet.whole(store)
                assert store.generation() == before
                assert commit == (before + 1) % 2
            seen.append(before)
            assert time.monotonic() < until + 30
        assert seen == sorted(seen)
        store.close()
    finally:
        writer.kill()
