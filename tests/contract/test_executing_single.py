"""Single slices: paused by somebody, hastened, or set aside as their runs took their workers down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reconciler.store.executing import TRIES, Claim

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)


def single(rig: Rig, **how: Any) -> None:
    rig.apply(environments=["production"], **how)


def crash(rig: Rig, times: int) -> list[Claim]:
    """So many workers take the only slice one after the other, and are never heard of again."""
    claims = []
    for n in range(times):
        rig.step(30 if n == 0 else 10.5)
        claims += rig.hands.claim(f"w{n}", 10, lease=10.0)
    return claims


# -- paused ------------------------------------------------------------------------------------------------------------


def test_what_is_paused_does_not_run_until_it_is_resumed(rig: Rig) -> None:
    rig.apply()
    one, other = rig.key(environment="production"), rig.key(environment="staging")
    assert rig.hands.pause([(one, ""), (one, "fra")], actor="ada", reason="a new disk") == 1
    rig.step(30)
    assert [c.key for c in rig.claim()] == [other]
    assert (rig.hands.overdue(), rig.hands.next_due()) == (0, None)
    (row,) = rig.hands.paused()
    assert row == (one, "", rig.at - 30, None, "ada", "a new disk", "paused")
    assert {s.key: s.paused for s in rig.hands.states()} == {one: 1, other: 0}
    rig.step(3000)
    assert (rig.hands.resume([(one, ""), (other, "")]), rig.hands.resume([(one, "")])) == (1, 0)
    assert rig.hands.paused() == []
    claims = {c.key: c for c in rig.claim()}
    assert rig.at - 30 < claims[one].slot <= rig.at


def test_what_runs_when_it_is_paused_may_finish(rig: Rig) -> None:
    single(rig)
    rig.step(30)
    (claim,) = rig.claim()
    rig.hands.pause([(claim.key, "")], actor="ada", reason="enough")
    assert rig.hands.renew([claim], lease=10.0) == {claim.lease}
    rig.finish([claim])
    assert [s.runs for s in rig.hands.states()] == [1]
    rig.step(300)
    assert rig.claim() == []


def test_a_pause_ends_by_itself(rig: Rig) -> None:
    single(rig)
    key = rig.key()
    rig.hands.pause([(key, "")], actor="ada", reason="lunch", until=rig.at + 100)
    rig.step(99)
    assert rig.hands.resume_expired() == 0
    rig.step(1)
    assert (rig.hands.resume_expired(), rig.hands.resume_expired()) == (1, 0)
    assert [c.key for c in rig.claim()] == [key]


def test_a_second_pause_replaces_the_first(rig: Rig) -> None:
    single(rig)
    key = rig.key()
    rig.hands.pause([(key, "")], actor="ada", reason="lunch", until=rig.at + 100)
    rig.hands.pause([(key, "")], actor="bob", reason="holidays")
    rig.step(1000)
    assert rig.hands.resume_expired() == 0
    assert [(p.actor, p.reason, p.until) for p in rig.hands.paused()] == [("bob", "holidays", None)]


def test_a_pause_is_no_drift_and_ends_with_its_slice(rig: Rig) -> None:
    rig.apply()
    rig.hands.pause([(rig.key(), "")], actor="ada", reason="lunch")
    assert rig.store.outside_count() == 0
    single(rig, url="https://y.example.net/")
    assert [p.reason for p in rig.hands.paused()] == ["lunch"], "a new configuration doesn't end it"
    rig.apply(environments=["staging"])
    assert rig.sql("select count(*) from pause") == [(0,)]


def test_what_is_hastened_runs_at_once_and_then_as_ever(rig: Rig) -> None:
    single(rig, interval="1h")
    rig.step(3600)
    rig.finish(rig.claim())
    (before,) = rig.hands.states()
    assert rig.hands.run_now([(before.key, ""), (before.key, "fra")]) == 1
    (claim,) = rig.claim()
    assert claim.slot == rig.at
    rig.finish([claim])
    assert [s.due_at for s in rig.hands.states()] == [before.due_at]
    rig.hands.pause([(before.key, "")], actor="ada", reason="lunch")
    assert (rig.hands.run_now([(before.key, "")]), rig.hands.run_now([])) == (0, 0)


# -- set aside ---------------------------------------------------------------------------------------------------------


def test_a_slice_that_takes_its_workers_down_is_set_aside_and_says_so(rig: Rig) -> None:
    single(rig, thresholds={"degraded": 1, "unhealthy": 5})
    claims = crash(rig, TRIES)
    assert [c.expired for c in claims] == [False, True, True]
    assert {c.slot for c in claims} == {claims[0].slot}
    assert [s.tries for s in rig.hands.states()] == [TRIES - 1]
    rig.step(10.5)
    assert rig.hands.claim("last", 10, lease=10.0) == []
    (row,) = rig.hands.paused()
    assert (row.key, row.actor, row.kind, row.until) == (rig.key(), "gitops", "set aside", None)
    assert row.reason.startswith("3 workers ended while they ran it, the last of them w2")
    (run,) = rig.hands.runs(rig.key())
    assert (run.outcome, run.slot, run.reason, run.worker) == ("degraded", claims[0].slot, row.reason, "w2")
    (state,) = rig.hands.states()
    assert (state.health, state.running, state.paused) == ("degraded", None, 2)
    assert [t.scope for t in rig.hands.transitions()] == ["slice", "environment", "system"]
    rig.step(300)
    assert rig.claim() == []
    assert rig.finish(claims, "healthy") == [], "whoever comes back late changes nothing"
    assert len(rig.hands.runs(rig.key())) == 1


@pytest.mark.parametrize("how", ["resumed", "changed"])
def test_it_comes_back(rig: Rig, how: str) -> None:
    single(rig)
    crash(rig, TRIES + 1)
    key = rig.key()
    assert [p.kind for p in rig.hands.paused()] == ["set aside"]
    if how == "resumed":
        assert rig.hands.resume([(key, "")]) == 1
    else:
        single(rig, url="https://mended.example.net/")
    assert (rig.hands.paused(), [s.tries for s in rig.hands.states()]) == ([], [0])
    rig.step(30)
    (claim,) = rig.claim()
    rig.finish([claim])
    assert [s.runs for s in rig.hands.states()] == [2]


def test_workers_that_are_lost_over_other_ticks_do_not_add_up(rig: Rig) -> None:
    single(rig)
    for _ in range(TRIES):
        crash(rig, 2)
        rig.step(10.5)
        (claim,) = rig.hands.claim("careful", 10, lease=10.0)
        rig.finish([claim])
        assert [s.tries for s in rig.hands.states()] == [0]
    assert rig.hands.paused() == []


def test_a_worker_that_was_slow_and_meets_its_own_again_was_not_lost(rig: Rig) -> None:
    single(rig)
    for _ in range(TRIES + 1):
        rig.step(30)
        (claim,) = rig.claim()
    assert (claim.expired, rig.hands.paused()) == (True, [])


def test_what_was_given_back_was_not_lost(rig: Rig) -> None:
    single(rig)
    (first,) = crash(rig, 1)
    rig.step(10.5)
    for n in range(TRIES):
        (claim,) = rig.hands.claim(f"v{n}", 10, lease=10.0)
        rig.hands.give_back([claim], again=True)
    assert (rig.hands.paused(), claim.slot) == ([], first.slot)


def test_others_run_on(rig: Rig) -> None:
    rig.apply(systems=["a", "b"])
    bad = rig.key("a")
    for n in range(TRIES + 1):
        rig.step(30.5)
        claims = rig.hands.claim(f"w{n}", 10, lease=10.0)
        rig.finish([c for c in claims if c.key != bad])
    assert [p.key for p in rig.hands.paused()] == [bad]
    assert {s.runs for s in rig.hands.states() if s.key != bad} == {TRIES + 1}
