"""Applies on PostgreSQL that are killed, raced, and whose server goes down: whole or not at all, and nothing is lost
that was acknowledged.

Planning is left out, so that the kills hit what is to be hit. Each generation rewrites all slices to its own number.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.canonical import digest
from reconciler.base.errors import StalePlan, StoreError
from reconciler.model.plan import Action, Plan, ResourceChange, SliceChange
from reconciler.model.resource import Key, Resource
from reconciler.model.slice import SliceKey
from reconciler.store.open import open_store
from reconciler.store.sql_writer import SqlStore
from tests.servers.store_postgres import StorePostgres

if TYPE_CHECKING:
    from tests.chaos.conftest import Child, Fleet

KILLS, CRASHES = 200, 12
SLICES = 500

Say = Callable[[str], None]
Work = Callable[[Say], None]


def body(n: int) -> bytes:
    return b'{"n":%d,"filled":"%s"}' % (n, b"x" * 200)


def plan(store: SqlStore, base: int) -> Plan:
    """From generation ``base`` to the next one."""
    old, new = body(base), body(base + 1)
    action = Action.UPDATE if base else Action.CREATE
    slices = (
        SliceChange(action, SliceKey(1, i, 0), digest(old) if base else "", digest(new), new) for i in range(SLICES)
    )
    system = Resource(Key("System", "s"), "src", "s.yaml", 0, 1, new, digest(new))
    was = next(store.resources(keys=[system.key]), None)
    return Plan(
        source="src", kind="apply", commit="c" * 40, tree=str(base + 1), inputs="i", base=base,
        resources=(ResourceChange(action, 1, was, system),), slices=tuple(slices),
    )  # fmt: skip


def apply(store: SqlStore) -> int:
    return store.apply(plan(store, store.generation()), actor="ada", host="h", started=time.monotonic())


def whole(address: str) -> int:
    """The generation, all of it and nothing else; fails where it is a mix."""
    with closing(open_store(address)) as store, store.snapshot():
        n = store.generation()
        assert set(store.slice_digests().values()) == ({digest(body(n))} if n else set()), "a mix"
        assert len(store.slice_digests()) == (SLICES if n else 0)
        assert [r.resource.body for r in store.resources()] == ([body(n)] if n else [])
        assert [row.n for row in store.history()] == list(range(n, 0, -1))
        assert store.seal_holds()
        assert store.mismatches() == []
        return n


def in_a_row(address: str, *, careless: bool = False) -> Work:
    """Apply for ever; say so before and after each."""

    def work(say: Say) -> None:
        store: Any = open_store(address)
        if careless:
            store.db.transaction = lambda **_: nullcontext()
        while True:
            with store.lock(actor="ada", timeout=10.0):
                say("begin")
                say(f"done {apply(store)}")

    return work


def killed_after(fleet: Fleet, work: Work, seconds: float) -> list[str]:
    child = fleet.Child(work)
    first = child.line()
    assert first == "begin"
    time.sleep(seconds)
    return [first, *child.kill()]


def acknowledged(said: list[str]) -> int:
    return max((int(line.split()[1]) for line in said if line.startswith("done")), default=0)


@pytest.fixture(scope="module")
def safe() -> Iterator[StorePostgres]:
    """A server that waits for its disk."""
    with StorePostgres(safe=True) as server:
        yield server


@pytest.fixture
def address(safe: StorePostgres) -> Iterator[str]:
    with safe.database() as address:
        yield address


@pytest.mark.slow
def test_a_killed_apply_is_whole_or_not_at_all(fleet: Fleet, address: str) -> None:
    random.seed(70)
    with closing(open_store(address)) as store:
        started = time.monotonic()
        apply(store)
        one = max(0.03, time.monotonic() - started)
    amid, known, moved = 0, 1, 0
    for _ in range(KILLS):
        said = killed_after(fleet, in_a_row(address), random.uniform(0, 3 * one))
        amid += said[-1] == "begin"
        now = whole(address)
        assert now >= max(known, acknowledged(said)), "what was acknowledged is there"
        moved += now - known
        known = now
    assert amid > KILLS / 4, "most kills hit an apply"
    assert moved > KILLS / 8, "and some were too late"


@pytest.mark.slow
def test_without_a_transaction_the_same_check_fails(fleet: Fleet, address: str) -> None:
    """The control: the check above can fail."""
    random.seed(71)
    for _ in range(60):
        killed_after(fleet, in_a_row(address, careless=True), random.uniform(0, 0.1))
        try:
            whole(address)
        except AssertionError:
            return
    pytest.fail("writing without a transaction was never caught")


def through_crashes(address: str) -> Work:
    """Apply for ever, opening the store anew whenever it was lost."""

    def work(say: Say) -> None:
        say("begin")
        while True:
            try:
                with closing(open_store(address)) as store:
                    while True:
                        with store.lock(actor="ada", timeout=10.0):
                            say(f"done {apply(store)}")
            except StoreError as error:
                say(f"lost {error.message}")
                time.sleep(0.02)

    return work


@pytest.mark.slow
def test_a_server_that_goes_down_amid_applies_loses_nothing(fleet: Fleet, safe: StorePostgres, address: str) -> None:
    random.seed(72)
    child, known, said = fleet.Child(through_crashes(address)), 0, list[str]()
    try:
        for _ in range(CRASHES):
            known = next_done(child, said)
            time.sleep(random.uniform(0, 0.1))
            safe.crash()
            assert whole(address) >= known
    finally:
        said += child.kill()
    assert acknowledged(said) <= whole(address)
    lost = [line for line in said if line.startswith("lost")]
    assert len(lost) >= CRASHES
    told = ("was lost", "ended the connection", "no server", "isn't ready", "has crashed")
    assert [line for line in lost if not any(words in line for words in told)] == []


def next_done(child: Child, said: list[str]) -> int:
    while line := child.line():
        said.append(line)
        if line.startswith("done"):
            return int(line.split()[1])
    pytest.fail("the process ended")


def test_of_many_at_once_the_lock_lets_one_after_the_other(fleet: Fleet, address: str) -> None:
    def work(say: Say) -> None:
        with closing(open_store(address)) as store:
            for _ in range(4):
                with store.lock(actor="ada", timeout=30.0):
                    say(f"done {apply(store)}")

    children = [fleet.Child(work) for _ in range(4)]
    ended = [child.end() for child in children]
    assert [code for code, _ in ended] == [0] * 4
    assert sorted(int(line.split()[1]) for _, said in ended for line in said) == list(range(1, 17))
    assert whole(address) == 16


def test_without_the_lock_the_comparison_lets_one_of_them_win(fleet: Fleet, address: str) -> None:
    def work(say: Say) -> None:
        with closing(open_store(address)) as store:
            for _ in range(4):
                try:
                    say(f"done {apply(store)}")
                except StalePlan:
                    say("stale")

    children = [fleet.Child(work) for _ in range(4)]
    ended = [child.end() for child in children]
    assert [code for code, _ in ended] == [0] * 4
    said = [line for _, lines in ended for line in lines]
    done = [int(line.split()[1]) for line in said if line != "stale"]
    assert sorted(done) == list(range(1, len(done) + 1))
    assert "stale" in said, "they met"
    assert whole(address) == len(done)
