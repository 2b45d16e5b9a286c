"""Who runs what when: claims, leases, ticks, and a clock that is set."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.model.slice import SliceKey
from reconciler.store.executing import Claim, Finished
from reconciler.store.grid import phase, place, tick_after

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)

HOUR = 3600.0


def one(rig: Rig) -> Claim:
    """The only slice, claimed when it is due."""
    rig.step(30)
    (claim,) = rig.claim()
    return claim


def single(rig: Rig, **how: Any) -> None:
    rig.apply(environments=["production"], **how)


# -- following generations ---------------------------------------------------------------------------------------------


def test_a_schedule_follows_a_generation_once(rig: Rig) -> None:
    assert rig.hands.reconcile() is None
    rig.kit.apply(rig.store, rig.kit.shop())
    other = rig.more()
    assert rig.hands.reconcile() == (1, 4, 0, 0)
    assert other.reconcile() is None
    assert rig.hands.reconcile() is None
    states = list(rig.hands.states())
    assert {s.key for s in states} == set(rig.store.slice_digests())
    assert {(s.health, s.runs, s.generation, s.running, s.interval_ms) for s in states} == {
        ("healthy", 0, 1, None, 30_000)
    }
    rig.kit.apply(rig.store, rig.kit.shop(url="https://other.example.net/"))
    assert other.reconcile() == (2, 0, 2, 0)
    rig.kit.apply(rig.store, {}, force=True)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"assignment":{"thresholds":7},"check":{"interval":1000}}'])
def test_a_slice_that_was_broken_by_hand_stays_in_sight(rig: Rig, body: str) -> None:
    rig.kit.apply(rig.store, rig.kit.shop())
    (broken, *_) = rig.store.slice_digests()
    rig.store.db.run('update slice set body = ? where (system, "check", environment) = (?, ?, ?)', (body, *broken))
    assert rig.hands.reconcile() == (1, 4, 0, 0)
    (state,) = (s for s in rig.hands.states() if s.key == broken)
    assert state.interval_ms == 60_000
    rig.step(61)
    assert broken in {claim.key for claim in rig.claim()}


def test_slices_are_spread_over_their_interval_in_the_same_way_everywhere(rig: Rig) -> None:
    rig.apply(systems=[f"s{i}" for i in range(50)], checks=["a", "b"])
    states = list(rig.hands.states())
    dues = sorted(s.due_at - rig.at for s in states)
    assert len(dues) == 200
    assert 0 <= dues[0] < 2
    assert 28 < dues[-1] <= 30
    assert max(b - a for a, b in itertools.pairwise(dues)) < 3
    for s in states:
        assert s.due_at == tick_after(rig.at, 30_000, phase(place(s.key, ""), 30_000))


def test_a_slice_that_runs_rarely_has_its_first_run_soon(rig: Rig) -> None:
    single(rig, interval="1d")
    (state,) = rig.hands.states()
    assert rig.at <= state.due_at <= rig.at + 60
    rig.step(60)
    (claim,) = rig.claim()
    assert claim.slot == state.due_at
    rig.finish([claim])
    (state,) = rig.hands.states()
    assert state.due_at == tick_after(rig.at, 86_400_000, phase(place(state.key, ""), 86_400_000))


def test_bodies_are_those_of_now(rig: Rig) -> None:
    rig.apply()
    key = rig.key()
    digest, body = rig.hands.bodies([key])[key]
    assert b"https://x.example.net/" in body
    assert [s.digest for s in rig.hands.states() if s.key == key] == [digest]
    rig.apply(url="https://y.example.net/")
    assert b"https://y.example.net/" in rig.hands.bodies([key])[key][1]
    assert rig.hands.bodies([SliceKey(998, 999, 0)]) == {}
    assert rig.hands.generation() == 2


def test_a_changed_interval_keeps_health_and_count(rig: Rig) -> None:
    single(rig)
    rig.tick("unhealthy")
    rig.tick("unhealthy")
    rig.apply(environments=["production"], interval="2m")
    (state,) = rig.hands.states()
    assert (state.health, state.runs, state.interval_ms, state.generation) == ("degraded", 2, 120_000, 2)
    assert state.due_at == tick_after(rig.at, 120_000, phase(place(state.key, ""), 120_000))


def test_a_changed_configuration_keeps_its_tick(rig: Rig) -> None:
    single(rig)
    (before,) = rig.hands.states()
    rig.step(1)
    rig.apply(environments=["production"], url="https://y.example.net/")
    (after,) = rig.hands.states()
    assert after.due_at == before.due_at
    assert after.digest != before.digest


def test_changed_thresholds_count_from_the_next_run_on(rig: Rig) -> None:
    single(rig)
    rig.tick("unhealthy")
    rig.tick("unhealthy")
    single(rig, thresholds={"degraded": 2, "unhealthy": 3})
    assert [s.health for s in rig.hands.states()] == ["degraded"]
    assert [t.now for t in rig.tick("unhealthy")] == ["unhealthy"] * 3


def test_a_region_is_a_row_of_its_own(rig: Rig) -> None:
    single(rig, regions=["local", "fra", "iad"])
    assert sorted(s.region for s in rig.hands.states()) == ["", "fra", "iad"]
    rig.step(30)
    assert {c.region for c in rig.claim()} == {""}
    assert rig.hands.overdue(regions=["fra", "iad"]) == 2
    assert {c.region for c in rig.claim(regions=["fra", "iad"])} == {"fra", "iad"}
    single(rig, regions=["fra"])
    assert [(s.region, s.running) for s in rig.hands.states()] == [("fra", "w")]
    single(rig)
    assert [(s.region, s.running) for s in rig.hands.states()] == [("", None)]


# -- claims ------------------------------------------------------------------------------------------------------------


def test_nothing_is_claimed_before_it_is_due(rig: Rig) -> None:
    rig.apply()
    assert rig.claim() == []
    due = rig.hands.next_due()
    assert due == min(s.due_at for s in rig.hands.states())
    rig.at = due
    (first,) = rig.claim()
    assert first.slot == due
    assert rig.hands.overdue() == 0
    rig.step(30)
    assert rig.hands.overdue() == 1, "the other; this one is running"
    assert rig.hands.now() == rig.at


def test_the_longest_due_come_first_and_no_more_than_asked_for(rig: Rig) -> None:
    rig.apply(systems=["a", "b", "c"])
    dues = sorted(s.due_at for s in rig.hands.states())
    rig.step(29.999)
    rig.at = max(rig.at, dues[-1])
    got = [rig.claim(2), rig.claim(2), rig.claim(5), rig.claim(5), rig.claim(0)]
    assert [len(c) for c in got] == [2, 2, 2, 0, 0]
    assert [c.slot for claims in got for c in claims] == dues
    leases = [c.lease for claims in got for c in claims]
    assert leases == sorted(set(leases))


def test_missed_ticks_are_skipped_and_the_phase_stays(rig: Rig) -> None:
    single(rig)
    (state,) = rig.hands.states()
    rig.step(30 * 1000 + 7)
    (claim,) = rig.claim()
    assert rig.at - 30 < claim.slot <= rig.at
    assert (claim.slot - state.due_at) % 30 == pytest.approx(0, abs=1e-6)
    rig.finish([claim])
    assert rig.claim() == []
    assert [s.due_at for s in rig.hands.states()] == [claim.slot + 30]


def test_a_slice_runs_once_at_a_time_however_late_it_is(rig: Rig) -> None:
    single(rig)
    rig.step(30)
    (claim,) = rig.claim(lease=1000.0)
    rig.step(300)
    assert rig.claim() == []
    assert rig.hands.overdue() == 0
    assert rig.hands.next_due() is None
    rig.finish([claim])
    assert rig.hands.overdue() == 1
    (again,) = rig.claim()
    assert rig.at - 30 < again.slot <= rig.at


def test_a_lease_that_ran_out_is_taken_over_at_its_old_slot(rig: Rig) -> None:
    single(rig)
    lost = one(rig)
    rig.step(10.5)
    assert rig.claim(grace=1.0) == []
    (taken,) = rig.claim()
    assert (taken.slot, taken.expired, lost.expired) == (lost.slot, True, False)
    assert taken.lease > lost.lease
    assert rig.finish([lost], "unhealthy") == []
    assert rig.hands.runs(taken.key) == []
    assert rig.hands.renew([lost, taken], lease=10.0) == {taken.lease}
    rig.finish([taken])
    assert [r.slot for r in rig.hands.runs(taken.key)] == [lost.slot]


def test_a_renewed_lease_is_held(rig: Rig) -> None:
    single(rig)
    claim = one(rig)
    for _ in range(5):
        rig.step(9)
        assert rig.hands.renew([claim], lease=10.0) == {claim.lease}
        assert rig.claim() == []
    rig.finish([claim])
    assert rig.hands.renew([claim], lease=10.0) == set()
    assert rig.hands.renew([], lease=10.0) == set()


def test_what_is_given_back_runs_at_once_or_at_its_next_tick(rig: Rig) -> None:
    single(rig)
    claim = one(rig)
    rig.hands.give_back([claim], again=True)
    (again,) = rig.claim()
    assert (again.slot, again.expired) == (claim.slot, False)
    rig.hands.give_back([claim], again=True)
    assert rig.claim() == [], "the old lease gives nothing back"
    rig.hands.give_back([again], again=False)
    assert rig.claim() == []
    assert rig.hands.next_due() == claim.slot + 30
    assert rig.hands.runs(claim.key) == []


def test_the_pace_is_remembered(rig: Rig) -> None:
    single(rig)
    claim = one(rig)
    assert claim.pace == ""
    rig.hands.set_paces([(claim.key, "", "slow")])
    rig.hands.give_back([claim], again=True)
    (claim,) = rig.claim()
    assert claim.pace == "slow"
    rig.hands.finish([Finished(claim, rig.run(claim), "quick")])
    assert one(rig).pace == "quick"


def test_looking_for_what_is_due_reads_no_more_than_that(rig: Rig) -> None:
    rig.apply()
    postgres = rig.hands.db.dialect == "postgresql"
    if postgres:
        rig.hands.db.run("set enable_seqscan = off")  # which is quicker as long as there are but two rows
    for sql in (
        "select min(due_at) from schedule where lease = 0 and paused = 0 and region = ''",
        "select * from schedule where lease = 0 and paused = 0 and region = '' and due_at <= 1 order by due_at limit 1",
        "select * from schedule where lease <> 0 and region = '' and lease_until <= 1 order by lease_until limit 1",
    ):
        rows = rig.hands.db.rows(f"explain {'' if postgres else 'query plan'} {sql}")
        plan = " ".join(str(part) for row in rows for part in row)
        assert ("Index Cond" if postgres else "SEARCH") in plan
        assert ("Sort" if postgres else "USE TEMP B-TREE") not in plan


# -- a clock that is set -----------------------------------------------------------------------------------------------


def test_after_a_step_back_nothing_stands_still_and_no_slot_is_met_twice(rig: Rig) -> None:
    rig.apply(systems=["a", "b", "c"])
    for _ in range(130):
        rig.tick()
    rig.step(-HOUR)
    before = len(rig.hands.runs_after(0, limit=10_000)[1])
    assert rig.claim() == []
    assert rig.hands.mend_clock() == 6
    assert rig.hands.mend_clock() == 0
    assert {0 < s.due_at - rig.at <= 30 for s in rig.hands.states()} == {True}
    for _ in range(125):
        rig.tick()
    runs = rig.hands.runs_after(0, limit=10_000)[1][before:]
    assert set(Counter(r.key for r in runs).values()) == {125}
    assert sum(s.runs for s in rig.hands.states()) == before + len(runs)


def test_a_lease_that_a_step_back_made_long_runs_out_in_time(rig: Rig) -> None:
    single(rig)
    lost = one(rig)
    rig.step(-HOUR)
    rig.hands.mend_clock()
    rig.step(11)
    (taken,) = rig.claim()
    assert taken.expired
    assert taken.key == lost.key


def test_after_a_step_forward_everything_runs_once(rig: Rig) -> None:
    rig.apply(systems=["a", "b", "c"])
    rig.tick()
    rig.step(HOUR)
    assert rig.hands.mend_clock() == 0
    claims = rig.claim()
    assert len(claims) == 6
    rig.finish(claims)
    assert rig.claim() == []
    assert {0 < s.due_at - rig.at <= 30 for s in rig.hands.states()} == {True}


def test_no_run_is_lost_where_a_slot_is_met_twice_all_the_same(rig: Rig) -> None:
    """The clock was ahead when the slot was run, and the interval changed since, which put the grid back in place."""
    single(rig)
    first = one(rig)
    rig.finish([first])
    rig.sql("update schedule set due_at = ?", first.slot)
    rig.step(1)
    (second,) = rig.claim()
    assert second.slot == first.slot
    rig.finish([second], "unhealthy")
    runs = rig.hands.runs(first.key)
    assert [r.outcome for r in runs] == ["unhealthy", "healthy"]
    assert [r.slot for r in runs] == [first.slot + 0.001, first.slot]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_each_finished_run_is_there_once(rig: Rig, seed: int) -> None:
    chance = random.Random(seed)
    rig.apply(systems=["a", "b", "c"], interval="5s")
    others = [rig.hands, rig.more()]
    flying: list[Claim] = []
    finished = 0
    for _ in range(150):
        hands = chance.choice(others)
        rig.step(chance.choice([0.5, 1, 2, 4]) if chance.random() < 0.95 else chance.choice([-400.0, 400.0]))
        hands.mend_clock()
        flying += hands.claim("w", chance.randint(1, 4), lease=6.0)
        chance.shuffle(flying)
        done, flying = flying[: len(flying) // 2], flying[len(flying) // 2 :]
        fate = chance.random()
        if fate < 0.7:
            held = hands.renew(done, lease=6.0)
            finished += len(held)
            batch = [Finished(c, rig.run(c), "") for c in done]
            hands.finish(batch)
            hands.finish(batch)
        elif fate < 0.85:
            hands.give_back(done, again=chance.random() < 0.5)
    runs = rig.hands.runs_after(0, limit=10_000)[1]
    assert len(runs) == finished
    assert max(Counter((r.key, r.slot) for r in runs).values()) == 1
    assert sum(s.runs for s in rig.hands.states()) == finished
    rig.step(16)
    rig.hands.mend_clock()
    assert len(rig.claim()) == 6, "none stands still"
