"""What is recorded, what health it makes, and that neither happens twice."""

from __future__ import annotations

import random
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.base.errors import StoreError
from reconciler.flows.orphans import plan_delete
from reconciler.health.rollup import worst
from reconciler.model.run import Health, Outcome, Run
from reconciler.model.slice import SliceKey
from reconciler.store.executing import Claim, Finished, Transition
from reconciler.store.open import open_executing
from reconciler.store.schema import steps

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)


FULL_DISK = {
    "sqlite": [
        "create trigger full_disk before insert on run when new.outcome = 'degraded' begin select raise(fail, 'x'); end"
    ],
    "postgresql": [
        "create function full_disk() returns trigger language plpgsql as $$ begin raise exception 'x'; end $$",
        """create trigger full_disk before insert on run for each row when (new.outcome = 'degraded')
        execute function full_disk()""",
    ],
}


def told(transitions: list[Transition]) -> list[tuple[str, str, str]]:
    return [(t.scope, t.was, t.now) for t in transitions]


# -- runs --------------------------------------------------------------------------------------------------------------


def test_a_run_is_kept_as_it_was(rig: Rig) -> None:
    rig.apply()
    rig.step(30)
    claim = rig.claim()[0]
    run = rig.run(claim, "unhealthy", statusCode=503, ms=7.25)
    rig.hands.finish([Finished(claim, run, "")])
    assert rig.hands.runs(claim.key) == [run]
    state = next(s for s in rig.hands.states() if s.key == claim.key)
    assert (state.runs, state.last_at, state.last_outcome, state.reason) == (1, run.at, "unhealthy", "it failed")
    assert (state.health, state.running) == ("healthy", None)


def test_runs_are_listed_newest_first_within_bounds(rig: Rig) -> None:
    rig.apply(environments=["production"], regions=["local", "fra"])
    ats = []
    for _ in range(6):
        rig.step(30)
        rig.finish(rig.claim(regions=["", "fra"]))
        ats.append(rig.at)
    key = rig.key()
    assert [r.at for r in rig.hands.runs(key)] == [at for at in reversed(ats) for _ in (0, 1)]
    assert [r.at for r in rig.hands.runs(key, region="fra", limit=4)] == ats[:1:-1]
    assert [r.at for r in rig.hands.runs(key, region="", before=ats[3])] == ats[2::-1]
    assert [r.at for r in rig.hands.runs(key, region="", since=ats[3])] == ats[:2:-1]
    assert rig.hands.runs(key, region="iad") == []
    assert {s.region for s in rig.hands.states(system=key.system)} == {"", "fra"}
    assert list(rig.hands.states(system=key.system + 1)) == []


def test_runs_can_be_followed(rig: Rig) -> None:
    rig.apply()
    assert (rig.hands.position(), rig.hands.runs_after(0)) == (0, (0, []))
    for _ in range(3):
        rig.tick()
    position, first = rig.hands.runs_after(0, limit=4)
    end, rest = rig.hands.runs_after(position)
    assert (len(first), len(rest)) == (4, 2)
    assert end == rig.hands.position()
    assert rig.hands.runs_after(end) == (end, [])
    assert [r.at for r in first + rest] == sorted(r.at for r in first + rest)


def test_a_run_is_recorded_once_however_often_it_is_reported(rig: Rig) -> None:
    rig.apply(environments=["production"])
    rig.step(30)
    (claim,) = rig.claim()
    done = Finished(claim, rig.run(claim, "unhealthy"), "")
    assert rig.hands.finish([done, done]) == []
    assert rig.hands.finish([done]) == []
    assert rig.more().finish([done]) == []
    assert rig.hands.finish([]) == []
    assert [(s.runs, s.health) for s in rig.hands.states()] == [(1, "healthy")]
    assert len(rig.hands.runs(claim.key)) == 1


def test_a_slice_that_is_deleted_while_it_runs_finishes_into_nothing(rig: Rig) -> None:
    rig.apply(systems=["shop", "bank"], environments=["production"])
    rig.step(30)
    claims = rig.claim()
    gone, stays = sorted(claims, key=lambda c: c.key.system != rig.key("shop").system)
    rig.apply(systems=["bank"], environments=["production"])
    rig.kit.commit(rig.store, plan_delete(rig.store, [o.resource.key for o in rig.store.orphans()]))
    rig.hands.reconcile()
    assert rig.finish([gone, stays], "unhealthy") == []
    assert rig.hands.renew([gone], lease=5.0) == set()
    rig.hands.give_back([gone], again=True)
    assert rig.hands.record([rig.run(gone)]) == []
    assert [s.key for s in rig.hands.states()] == [stays.key]
    assert rig.hands.runs(gone.key) == []
    assert len(rig.hands.runs(stays.key)) == 1


def test_a_run_that_nobody_scheduled_counts(rig: Rig) -> None:
    rig.apply(environments=["production"])
    rig.step(30)
    (claim,) = rig.claim()
    by_hand = [
        Run(claim.key, "", rig.at + n, rig.at + n, 1.0, "unhealthy", "no", 1, claim.digest, "me", {}) for n in (0, 1)
    ]
    assert rig.hands.record([by_hand[0], by_hand[0]]) == []
    assert told(rig.hands.record(by_hand)) == [(s, "healthy", "degraded") for s in ("slice", "environment", "system")]
    assert rig.hands.record(by_hand) == [], "it was recorded before"
    (state,) = rig.hands.states()
    assert (state.runs, state.running) == (2, "w")
    rig.finish([claim], "unhealthy")
    assert [(s.runs, s.running) for s in rig.hands.states()] == [(3, None)]


# -- health ------------------------------------------------------------------------------------------------------------


def test_a_slice_takes_its_environment_and_its_system_along(rig: Rig) -> None:
    rig.apply(environments=["production"])
    key = rig.key()
    assert rig.tick("unhealthy") == []
    first = rig.tick("unhealthy")
    assert [(t.scope, t.key, t.was, t.now, t.cause, t.by) for t in first] == [
        ("slice", key, "healthy", "degraded", "it failed", key),
        ("environment", (key.system, 0, key.environment), "healthy", "degraded", "it failed", key),
        ("system", (key.system, 0, 0), "healthy", "degraded", "it failed", key),
    ]
    assert {t.at for t in first} == {rig.at}
    assert [(s.health, s.since) for s in rig.hands.states()] == [("degraded", rig.at)]
    assert [rig.tick("degraded") for _ in range(2)] == [[], []]
    assert told(rig.tick("degraded")) == [(s, "degraded", "unhealthy") for s in ("slice", "environment", "system")]
    well = rig.tick()
    assert told(well) == [(s, "unhealthy", "healthy") for s in ("slice", "environment", "system")]
    assert {t.cause for t in well} == {None}
    assert rig.hands.transitions() == rig.hands.transitions(after=1) or len(rig.hands.transitions()) == 9
    assert [t.id for t in rig.hands.transitions(limit=3)] == [t.id for t in well]
    assert rig.hands.transitions(after=first[-1].id, limit=3)[0].now == "unhealthy"
    assert rig.hands.transitions(system=key.system) == rig.hands.transitions()
    assert rig.hands.transitions(system=key.system + 1) == []


def test_an_environment_does_not_hide_another(rig: Rig) -> None:
    """Their runs come in by turns; as one list, no streak would ever form."""
    rig.apply()
    bad = rig.key(environment="production")

    def outcome(claim: Claim) -> Outcome:
        return "unhealthy" if claim.key == bad else "healthy"

    seen = [t for _ in range(6) for t in rig.tick(outcome)]
    assert [(t.scope, t.now) for t in seen] == [
        (s, h) for h in ("degraded", "unhealthy") for s in ("slice", "environment", "system")
    ]
    assert {t.key.environment for t in seen} == {0, bad.environment}
    assert {s.health for s in rig.hands.states() if s.key != bad} == {"healthy"}


def test_only_what_changes_is_told(rig: Rig) -> None:
    rig.apply(checks=["a", "b"], thresholds={"degraded": 1, "unhealthy": 9})
    one, two = rig.key(check="a"), rig.key(check="b", environment="staging")
    first = rig.tick(lambda c: "unhealthy" if c.key == one else "healthy")
    assert [t.scope for t in first] == ["slice", "environment", "system"]
    second = rig.tick(lambda c: "unhealthy" if c.key in (one, two) else "healthy")
    assert [t.scope for t in second] == ["slice", "environment"]
    third = rig.tick(lambda c: "unhealthy" if c.key == two else "healthy")
    assert [t.scope for t in third] == ["slice", "environment"]
    assert [t.scope for t in rig.tick()] == ["slice", "environment", "system"]


def test_a_slice_without_environment_makes_no_view_of_one(rig: Rig) -> None:
    rig.apply(environments=[], thresholds={"degraded": 1, "unhealthy": 2})
    assert [t.scope for t in rig.tick("unhealthy")] == ["slice", "system"]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_told_adds_up_to_what_is(rig: Rig, seed: int) -> None:
    """Whoever follows the transitions knows the health of everything at any time."""
    chance = random.Random(seed)
    rig.apply(systems=["a", "b"], checks=["x", "y"], thresholds={"degraded": 1, "unhealthy": 2})
    told_of: dict[tuple[str, SliceKey], str] = {}
    for _ in range(40):
        bad = chance.choice([0.0, 0.2, 0.9])
        failing = {s.key for s in rig.hands.states() if chance.random() < bad}

        def outcome(claim: Claim, failing: set[SliceKey] = failing) -> Outcome:
            return "unhealthy" if claim.key in failing else "healthy"

        for t in rig.tick(outcome):
            assert told_of.get((t.scope, t.key), "healthy") == t.was
            assert t.was != t.now
            told_of[t.scope, t.key] = t.now
        parts: dict[tuple[str, SliceKey], list[Health]] = {}
        for s in rig.hands.states():
            parts.setdefault(("slice", s.key), []).append(s.health)
            parts.setdefault(("environment", SliceKey(s.key.system, 0, s.key.environment)), []).append(s.health)
            parts.setdefault(("system", SliceKey(s.key.system, 0, 0)), []).append(s.health)
        assert {k: v for k, v in told_of.items() if v != "healthy"} == {
            k: worst(v) for k, v in parts.items() if worst(v) != "healthy"
        }


def test_the_regions_of_a_slice_are_judged_apart(rig: Rig) -> None:
    rig.apply(environments=["production"], regions=["local", "fra"], thresholds={"degraded": 1, "unhealthy": 9})
    rig.step(30)
    here, there = sorted(rig.claim(regions=["", "fra"]), key=lambda c: c.region)
    assert [t.region for t in rig.finish([there], "unhealthy")] == ["fra", "", ""]
    rig.finish([here])
    assert sorted((s.region, s.health) for s in rig.hands.states()) == [("", "healthy"), ("fra", "degraded")]


def test_what_failed_and_is_gone_lets_the_rest_be_well(rig: Rig) -> None:
    rig.apply(checks=["a", "b"], thresholds={"degraded": 1, "unhealthy": 2})
    bad = rig.key(check="a")
    rig.tick(lambda c: "unhealthy" if c.key == bad else "healthy")
    last = rig.hands.transitions()[-1].id
    rig.apply(checks=["b"], thresholds={"degraded": 1, "unhealthy": 2})
    after = rig.hands.transitions(after=last)
    assert told(after) == [("environment", "degraded", "healthy"), ("system", "degraded", "healthy")]
    assert {(t.by.check, t.cause) for t in after} == {(0, "a check that wasn't healthy is gone")}
    assert after[0].key == (bad.system, 0, bad.environment)


def test_a_change_is_told_once_whoever_saw_it(rig: Rig) -> None:
    """Two workers run the slices of one system by turns."""
    rig.apply(systems=["shop"], checks=[f"c{i}" for i in range(6)])
    workers = [rig.more(), rig.more()]
    for _ in range(5):
        rig.step(30)
        mine = workers[0].claim("one", 6, lease=10.0)
        theirs = workers[1].claim("two", 6, lease=10.0)
        for a, b in zip(mine, theirs, strict=True):
            workers[0].finish([Finished(a, rig.run(a, "unhealthy"), "")])
            workers[1].finish([Finished(b, rig.run(b, "unhealthy"), "")])
    seen = rig.hands.transitions(limit=1000)
    assert [(t.was, t.now) for t in seen if t.scope == "system"] == [
        ("healthy", "degraded"),
        ("degraded", "unhealthy"),
    ]
    assert len([t for t in seen if t.scope == "environment"]) == 4
    assert len([t for t in seen if t.scope == "slice"]) == 24


# -- workers -----------------------------------------------------------------------------------------------------------


def test_workers_come_and_go(rig: Rig) -> None:
    rig.hands.register("one", host="h", pid=1, info={"version": "1"})
    rig.step(5)
    rig.hands.register("two", host="h", pid=2, info={})
    rig.hands.beat("one", stopping=True)
    one, two = rig.hands.workers()
    assert (one.id, one.host, one.pid, one.stopping, one.info) == ("one", "h", 1, True, {"version": "1"})
    assert (one.started, one.seen, two.stopping) == (rig.at - 5, rig.at, False)
    rig.hands.leave("one")
    assert [w.id for w in rig.hands.workers()] == ["two"]
    rig.step(86_401)
    assert rig.hands.workers() == []
    rig.hands.register("one", host="h", pid=3, info={})
    assert rig.sql("select id, pid from worker") == [("one", 3)], "who was silent for a day is forgotten"


# -- a store that fails ------------------------------------------------------------------------------------------------


def test_who_holds_the_store_too_long_is_told_and_nothing_is_lost(rig: Rig) -> None:
    rig.apply()
    rig.step(30)
    claims = rig.claim()
    postgres = rig.hands.db.dialect == "postgresql"
    rig.hands.db.run("set lock_timeout = 100" if postgres else "pragma busy_timeout = 100")
    other = rig.more()
    started = time.monotonic()
    with other.db.transaction():
        if postgres:
            other.db.run("select 1 from schedule for update")
        with pytest.raises(StoreError, match=r"locked by (another process|somebody else)") as caught:
            rig.finish(claims)
        assert caught.value.hint
        with pytest.raises(StoreError, match="locked"):
            rig.hands.give_back(claims, again=True)
        assert rig.claim() == [], "nothing is due, which takes no lock to see"
        assert len(list(rig.hands.states())) == 2
        assert rig.hands.runs(claims[0].key) == []
    assert time.monotonic() - started < 5
    rig.finish(claims)
    rig.finish(claims)
    assert [s.runs for s in rig.hands.states()] == [1, 1]


def test_a_run_that_cannot_be_stored_leaves_none_of_its_batch(rig: Rig) -> None:
    rig.apply()
    rig.step(30)
    claims = rig.claim()
    for statement in FULL_DISK[rig.hands.db.dialect]:
        rig.sql(statement)
    done = [Finished(claims[0], rig.run(claims[0]), ""), Finished(claims[1], rig.run(claims[1], "degraded"), "")]
    with pytest.raises(StoreError, match="failed: x"):
        rig.hands.finish(done)
    assert [s.running for s in rig.hands.states()] == ["w", "w"]
    assert rig.hands.position() == 0
    rig.sql("drop function full_disk cascade" if rig.hands.db.dialect == "postgresql" else "drop trigger full_disk")
    rig.hands.finish(done)
    assert len(rig.hands.runs_after(0)[1]) == 2


def test_a_run_that_cannot_be_written_does_not_keep_others_out(rig: Rig) -> None:
    rig.apply()
    rig.step(30)
    claims = rig.claim()
    odd = replace(rig.run(claims[0], "unhealthy"), reason="half \ud83d é", detail={"collectors": [], "n": 2**80})
    rig.hands.finish([Finished(claims[0], odd, ""), Finished(claims[1], rig.run(claims[1]), "")])
    (kept,) = rig.hands.runs(claims[0].key)
    assert kept.reason == "half ? é"
    assert "can't be kept" in kept.detail["error"]
    assert len(rig.hands.runs(claims[1].key)) == 1


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_of_an_older_release_gets_a_schedule(rig: Rig, version: int) -> None:
    rig.apply()
    keys = set(rig.store.slice_digests())
    dialect = rig.hands.db.dialect
    things, also = ("table|function", " cascade") if dialect == "postgresql" else ("table|trigger", "")
    for statement in [s for step in steps(dialect)[version:] for s in step]:
        made = re.match(rf"create ({things}) (\w+)", statement)
        if made:
            rig.sql(f"drop {made[1]} if exists {made[2]}{also}")
    rig.sql("delete from schema_version where n > ?", version)
    hands = open_executing(rig.path)
    assert hands.db.version() == len(steps(dialect))
    done = hands.reconcile()
    assert done is not None
    assert done.added == 2
    assert {s.key for s in hands.states()} == keys
    hands.close()


def test_what_executors_write_is_no_drift(rig: Rig) -> None:
    rig.apply()
    rig.tick("unhealthy")
    assert rig.store.outside_count() == 0
    rig.kit.sound(rig.store)
