"""What happened, who leads, and runs of automations: started once, gone on with by one worker, and kept whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.model.remembered import Remembered
from reconciler.store.automating import (
    Claimed,
    Decided,
    Kept,
    NotLeading,
    Settled,
    Start,
    StepRow,
    WaitRow,
    Wake,
)
from reconciler.store.open import open_database
from reconciler.store.sql_automating import SqlAutomating

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)

DAY = 86_400.0
LEASE = 10.0


class Hands:
    """Two pairs of hands on one store, by the clock of the rig."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.one, self.other = self._open(), self._open()
        self.events = 0

    def _open(self) -> SqlAutomating:
        db = open_database(self.rig.path)
        db.tell_time(lambda: self.rig.at)
        return SqlAutomating(db)

    def close(self) -> None:
        self.one.close()
        self.other.close()

    def start(self, **how: Any) -> Start:
        """A start by an event of its own."""
        self.events += 1
        given: dict[str, Any] = {
            "automation": 7,
            "generation": 1,
            "digest": "d",
            "trigger_id": None,
            "event": {"id": f"e{self.events}", "name": "manual", "at": self.rig.at, "payload": {}},
            "event_name": "manual",
            "event_id": f"0:e{self.events}",
            "context_key": "shop",
            "mode": "single",
            "lane": "",
            "most": 2,
        }
        return Start(**(given | how))

    def begin(self, *starts: Start) -> list[Decided]:
        """As whoever leads."""
        fence = self.one.lead("w", lease=1e9)
        assert fence is not None
        return self.one.settle("w", fence, Settled(starts=starts))

    def wake(self, *wakes: Wake) -> None:
        fence = self.one.lead("w", lease=1e9)
        assert fence is not None
        self.one.settle("w", fence, Settled(wakes=wakes))

    def claim(self, limit: int = 100) -> list[Claimed]:
        return self.one.claim("w", limit, lease=LEASE)

    def statuses(self) -> list[str]:
        """Of all runs, oldest first."""
        return ["queued" if r.queued else r.status for r in reversed(self.one.runs())]


@pytest.fixture
def hands(rig: Rig) -> Iterator[Hands]:
    made = Hands(rig)
    yield made
    made.close()


def step(seq: int, status: str = "success", **more: Any) -> StepRow:
    given: dict[str, Any] = {"action": "log@1", "step_id": None, "at": 1.0, "ended": 2.0, "attempts": 1, "result": {}}
    return StepRow(seq=seq, path=f"actions[{seq}]", block="action", status=status, error=None, **(given | more))


def wait(path: str = "actions[0]", **more: Any) -> WaitRow:
    given: dict[str, Any] = {"kind": "trigger", "event": "manual", "context_key": None, "due_at": None, "armed_at": 1.0}
    return WaitRow(path=path, **(given | more))


def kept(claim: Claimed, **more: Any) -> Kept:
    return Kept(claim.run, claim.automation, claim.lease, **more)


# -- what happened ---------------------------------------------------------------------------------------------------


def test_an_event_is_handed_out_until_it_is_settled(hands: Hands) -> None:
    first = hands.one.post("manual", {"a": [1, None]}, context_key="shop", actor="alice", automation=7)
    second = hands.other.post("manual", {})
    events, _ = hands.one.happened(10)
    assert [(e.id, e.payload, e.context_key, e.actor, e.automation) for e in events] == [
        (first, {"a": [1, None]}, "shop", "alice", 7),
        (second, {}, None, "", 0),
    ]
    fence = hands.one.lead("w", lease=LEASE)
    assert fence is not None
    hands.one.settle("w", fence, Settled(events=[first]))
    assert [e.id for e in hands.other.happened(10)[0]] == [second]


def test_changes_of_health_wait_until_they_are_settled(rig: Rig, hands: Hands) -> None:
    rig.apply(environments=("production",), thresholds={"degraded": 1, "unhealthy": 1})
    rig.tick("unhealthy")
    assert hands.one.look().happened
    _, transitions = hands.one.happened(10)
    assert [(t.scope, t.was, t.now) for t in transitions] == [
        ("slice", "healthy", "unhealthy"),
        ("environment", "healthy", "unhealthy"),
        ("system", "healthy", "unhealthy"),
    ]
    fence = hands.one.lead("w", lease=LEASE)
    assert fence is not None
    hands.one.settle("w", fence, Settled(transitions=[t.id for t in transitions]))
    assert not hands.one.look().happened


def test_failed_runs_are_told_only_where_somebody_listens(rig: Rig, hands: Hands) -> None:
    rig.apply(environments=("production",))
    rig.tick("unhealthy")
    assert hands.one.happened(10)[0] == []
    hands.one.listen(failures=True)
    rig.tick("unhealthy", ms=12.5)
    rig.tick("healthy")
    (event,) = hands.one.happened(10)[0]
    assert (event.name, event.payload["outcome"], event.payload["ms"]) == (
        "healthcheck.check_failed",
        "unhealthy",
        12.5,
    )
    assert (hands.one.failed(event) or {})["collectors"][0]["result"] == {"ms": 12.5}
    hands.one.listen(failures=False)
    rig.tick("unhealthy")
    assert len(hands.one.happened(10)[0]) == 1


def test_what_triggers_remember_is_replaced_and_dropped(hands: Hands) -> None:
    fence = hands.one.lead("w", lease=LEASE) or 0
    cron = Remembered(7, 0, "cron", "", 50.0, "d", {"a": 1})
    dwell = Remembered(7, 1, "dwell", "health/shop/", None, "d", {})
    hands.one.settle("w", fence, Settled(states=[cron, dwell]))
    assert sorted(hands.other.states()) == [cron, dwell]
    assert hands.one.look().tick_at == 50.0
    later = cron._replace(due_at=60.0, value={"a": 2})
    hands.one.settle("w", fence, Settled(states=[later], dropped=[dwell.key]))
    assert hands.other.states() == [later]


# -- leadership ------------------------------------------------------------------------------------------------------


def test_one_leads_and_another_takes_over_when_it_is_silent(rig: Rig, hands: Hands) -> None:
    first = hands.one.lead("a", lease=LEASE)
    assert first is not None
    assert hands.other.lead("b", lease=LEASE) is None
    rig.step(LEASE * 0.9)
    assert hands.one.lead("a", lease=LEASE) == first, "it was renewed"
    rig.step(LEASE * 0.9)
    assert hands.other.lead("b", lease=LEASE) is None
    rig.step(LEASE * 0.2)
    second = hands.other.lead("b", lease=LEASE)
    assert second is not None
    assert second > first
    post = hands.one.post("manual", {})
    with pytest.raises(NotLeading):
        hands.one.settle("a", first, Settled(events=[post], starts=[hands.start()]))
    assert hands.one.runs() == []
    assert len(hands.one.happened(10)[0]) == 1, "nothing of it was done"


def test_who_abdicates_is_followed_at_once(hands: Hands) -> None:
    assert hands.one.lead("a", lease=LEASE)
    hands.one.abdicate("a")
    assert hands.other.lead("b", lease=LEASE)


def test_a_clock_that_steps_back_leaves_no_leader_for_ever(rig: Rig, hands: Hands) -> None:
    assert hands.one.lead("a", lease=LEASE)
    rig.step(-DAY)
    assert hands.other.lead("b", lease=LEASE)


# -- modes -----------------------------------------------------------------------------------------------------------


def test_the_same_event_starts_a_run_once(hands: Hands) -> None:
    start = hands.start(mode="parallel")
    assert [d.status for d in hands.begin(start, start)] == ["pending", "known"]
    assert [d.status for d in hands.begin(start)] == ["known"]
    assert hands.statuses() == ["pending"]


def test_single_skips_while_one_is_active(hands: Hands) -> None:
    decided = hands.begin(hands.start(), hands.start())
    assert [d.status for d in decided] == ["pending", "skipped"]
    assert decided[1].reason == "run 1 isn't over yet"
    (claim,) = hands.claim()
    assert [d.status for d in hands.begin(hands.start())] == ["skipped"], "also while it goes on"
    hands.one.keep([kept(claim, then="success")])
    assert [d.status for d in hands.begin(hands.start())] == ["pending"]


def test_parallel_goes_up_to_the_most_and_skips_then(hands: Hands) -> None:
    decided = hands.begin(*(hands.start(mode="parallel") for _ in range(3)))
    assert [d.status for d in decided] == ["pending", "pending", "skipped"]


def test_queued_waits_in_line_and_goes_in_order(hands: Hands) -> None:
    decided = hands.begin(*(hands.start(mode="queued") for _ in range(4)))
    assert [d.status for d in decided] == ["pending", "queued", "queued", "skipped"]
    order = []
    for _ in range(3):
        (claim,) = hands.claim()
        assert hands.claim() == [], "one after the other"
        order.append(claim.run)
        hands.one.keep([kept(claim, then="failed", reason="no")])
    assert order == [d.run for d in decided[:3]]
    assert hands.claim() == []


def test_the_line_goes_on_when_the_run_before_is_cancelled(hands: Hands) -> None:
    first, second = hands.begin(hands.start(mode="queued"), hands.start(mode="queued"))
    assert first.run is not None
    hands.other.cancel(first.run, reason="by hand")
    assert [c.run for c in hands.claim()] == [second.run]


def test_restart_cancels_what_is_active_with_its_waits(hands: Hands) -> None:
    hands.begin(hands.start(mode="restart"))
    (claim,) = hands.claim()
    hands.one.keep([kept(claim, waits=[wait()], snapshot=b"{}", steps=[step(0, "waiting")], then="waiting")])
    (again,) = hands.begin(hands.start(mode="restart"))
    assert again.cancelled == (claim.run,)
    assert hands.statuses() == ["cancelled", "pending"]
    assert hands.one.run_waits(claim.run) == []
    assert [s.status for s in hands.one.steps(claim.run)] == ["cancelled"]
    assert [c.run for c in hands.claim()] == [again.run]


def test_lanes_are_counted_apart(hands: Hands) -> None:
    decided = hands.begin(hands.start(lane="=shop"), hands.start(lane="=bank"), hands.start(lane="=shop"))
    assert [d.status for d in decided] == ["pending", "pending", "skipped"]


def test_what_is_refused_is_recorded(hands: Hands) -> None:
    hands.begin(hands.start(refused="it may not"))
    (run,) = hands.one.runs()
    assert (run.status, run.reason, run.ended is not None) == ("skipped", "it may not", True)


# -- going on --------------------------------------------------------------------------------------------------------


def test_a_run_is_leased_to_one(rig: Rig, hands: Hands) -> None:
    hands.begin(hands.start())
    (claim,) = hands.one.claim("a", 10, lease=LEASE)
    assert hands.other.claim("b", 10, lease=LEASE) == []
    assert (claim.snapshot, claim.expired, claim.context_key, claim.event["name"]) == (None, False, "shop", "manual")
    rig.step(LEASE - 1)
    assert hands.one.renew([(claim.run, claim.lease)], lease=LEASE) == {claim.run}
    rig.step(LEASE - 1)
    assert hands.other.claim("b", 10, lease=LEASE) == []


def test_a_lease_that_ran_out_is_taken_over_and_fences_the_old_one(rig: Rig, hands: Hands) -> None:
    hands.begin(hands.start())
    (old,) = hands.one.claim("a", 10, lease=LEASE)
    assert hands.one.keep([kept(old, steps=[step(0)], snapshot=b'{"at":1}')]) == [True]
    rig.step(LEASE + 1)
    (new,) = hands.other.claim("b", 10, lease=LEASE)
    assert (new.run, new.expired, new.snapshot, new.steps) == (old.run, True, b'{"at":1}', 0)
    assert hands.one.keep([kept(old, steps=[step(1)], snapshot=b"{}", then="success")]) == [False]
    assert hands.one.renew([(old.run, old.lease)], lease=LEASE) == set()
    assert hands.other.keep([kept(new, steps=[step(1)], then="success")]) == [True]
    run = hands.one.run(old.run)
    assert run is not None
    assert (run.status, run.worker) == ("success", None)
    assert [s.seq for s in hands.one.steps(old.run)] == [0, 1]


def test_workers_that_are_lost_over_a_run_are_counted_until_something_of_it_is_kept(rig: Rig, hands: Hands) -> None:
    hands.begin(hands.start())
    found = []
    for _ in range(3):
        (claim,) = hands.claim()
        found.append(claim.tries)
        rig.step(LEASE + 1)
    (claim,) = hands.claim()
    hands.one.keep([kept(claim, snapshot=b"{}", then="released")])
    (claim,) = hands.claim()
    assert [*found, claim.tries] == [0, 1, 2, 0]


def test_one_that_is_lost_takes_no_other_along(hands: Hands) -> None:
    hands.begin(hands.start(mode="parallel"), hands.start(mode="parallel"))
    one, two = hands.claim()
    hands.other.cancel(one.run, reason="by hand")
    assert hands.one.keep([kept(one, steps=[step(0)]), kept(two, steps=[step(0)])]) == [False, True]
    assert hands.one.steps(one.run) == []
    assert len(hands.one.steps(two.run)) == 1


def test_a_cancelled_run_stays_cancelled(rig: Rig, hands: Hands) -> None:
    hands.begin(hands.start())
    (claim,) = hands.claim()
    assert hands.other.cancel(claim.run, reason="by hand")
    assert not hands.other.cancel(claim.run, reason="again")
    assert hands.one.keep([kept(claim, snapshot=b"{}", then="waiting")]) == [False]
    hands.wake(Wake(claim.run))
    rig.step(LEASE * 10)
    assert hands.claim() == []
    assert [(r.status, r.reason) for r in hands.one.runs()] == [("cancelled", "by hand")]


def test_a_snapshot_is_gone_when_its_run_has_ended(rig: Rig, hands: Hands) -> None:
    hands.begin(hands.start())
    (claim,) = hands.claim()
    hands.one.keep([kept(claim, snapshot=b'{"secret":1}', waits=[wait()])])
    hands.one.keep([kept(claim, then="success")])
    assert rig.sql("select snapshot from automation_run") == [(None,)]
    assert rig.sql("select count(*) from automation_wait") == [(0,)]


def test_a_released_run_is_there_for_others_at_once(hands: Hands) -> None:
    hands.begin(hands.start())
    (claim,) = hands.one.claim("a", 10, lease=LEASE)
    hands.one.keep([kept(claim, snapshot=b"{}", then="released")])
    (again,) = hands.other.claim("b", 10, lease=LEASE)
    assert (again.run, again.expired) == (claim.run, False)


# -- waits -----------------------------------------------------------------------------------------------------------


def test_a_delay_is_ready_when_it_is_over(rig: Rig, hands: Hands) -> None:
    hands.begin(hands.start())
    (claim,) = hands.claim()
    hands.one.keep([kept(claim, snapshot=b"{}", waits=[wait(kind="delay", due_at=rig.at + 60)], then="waiting")])
    assert hands.claim() == []
    assert hands.one.look().ready_at == rig.at + 60
    rig.step(60)
    (again,) = hands.claim()
    assert [w.kind for w in again.waits] == ["delay"]


def test_an_event_ends_a_wait(hands: Hands) -> None:
    hands.begin(hands.start())
    (claim,) = hands.claim()
    hands.one.keep([kept(claim, snapshot=b"{}", waits=[wait(event="incident.resolved")], then="waiting")])
    (found,) = hands.one.waits(["incident.resolved", "manual"], until=False)
    assert (found.run, found.path, found.event, found.run_context) == (
        claim.run,
        "actions[0]",
        "incident.resolved",
        "shop",
    )
    hands.wake(Wake(claim.run, "actions[0]", {"incidentId": "i"}))
    assert hands.one.waits(["incident.resolved"], until=False) == []
    (again,) = hands.claim()
    assert again.waits[0].payload == {"incidentId": "i"}
    assert again.waits[0].resumed_at is not None


def test_an_event_that_comes_while_its_run_goes_on_isnt_lost(hands: Hands) -> None:
    hands.begin(hands.start())
    (claim,) = hands.claim()
    mine = wait()
    hands.one.keep([kept(claim, snapshot=b"{}", waits=[mine])])
    hands.wake(Wake(claim.run, mine.path, {"n": 1}))
    hands.one.keep([kept(claim, snapshot=b"{}", waits=[mine, wait("actions[1]", kind="delay", due_at=1e12)])])
    hands.one.keep([kept(claim, then="waiting")])
    (again,) = hands.claim()
    assert {w.path: w.payload for w in again.waits} == {"actions[0]": {"n": 1}, "actions[1]": None}


def test_a_run_that_is_to_look_again_while_it_goes_on_does(hands: Hands) -> None:
    hands.begin(hands.start())
    (claim,) = hands.claim()
    hands.wake(Wake(claim.run))
    hands.one.keep([kept(claim, snapshot=b"{}", waits=[wait(kind="until", event=None)], then="waiting")])
    assert [c.run for c in hands.claim()] == [claim.run]


def test_waits_until_something_holds_are_found_by_any_change(hands: Hands) -> None:
    hands.begin(hands.start())
    (claim,) = hands.claim()
    hands.one.keep([kept(claim, snapshot=b"{}", waits=[wait(kind="until", event=None)], then="waiting")])
    assert hands.one.waits(["x"], until=False) == []
    assert [(w.run, w.event) for w in hands.one.waits([], until=True)] == [(claim.run, None)]


def test_after_the_clock_stepped_back_nothing_waits_for_the_future(rig: Rig, hands: Hands) -> None:
    hands.begin(*(hands.start(mode="parallel", most=9) for _ in range(3)))
    one, two, three = hands.claim()
    delay = wait(kind="delay", armed_at=rig.at, due_at=rig.at + 60)
    hands.one.keep([kept(one, snapshot=b"{}", waits=[delay], then="waiting"), kept(two, then="released")])
    rig.step(-DAY)
    hands.one.mend_clock(lease=LEASE)
    first, second = hands.claim()
    assert [first.run, second.run] == [one.run, two.run]
    assert [(w.armed_at, w.due_at) for w in first.waits] == [(rig.at, rig.at + 60)]
    rig.step(LEASE + 1)
    assert three.run in {claim.run for claim in hands.claim()}, "its lease is over as well"


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_the_newest_artifact_of_a_context_is_there_for_later_runs(hands: Hands) -> None:
    for n in (1, 2):
        hands.begin(hands.start())
        (claim,) = hands.claim()
        hands.one.keep([kept(claim, artifacts=[("incident", "open", {"id": n})], then="success")])
    hands.begin(hands.start(), hands.start(context_key="bank", lane="x"))
    shop, bank = hands.claim()
    assert [(a.type, a.step_id, a.value) for a in shop.artifacts] == [("incident", "open", {"id": 2})]
    assert bank.artifacts == []
    assert len(hands.one.artifacts(7)) == 1


def test_runs_are_found_by_automation_status_and_context(hands: Hands) -> None:
    hands.begin(hands.start(), hands.start(automation=8, context_key=None), hands.start())
    assert [r.automation for r in hands.one.runs()] == [7, 8, 7]
    assert [r.status for r in hands.one.runs(automation=7)] == ["skipped", "pending"]
    assert len(hands.one.runs(status=["pending"])) == 2
    assert len(hands.one.runs(context_key="shop", limit=1)) == 1
    assert [r.id for r in hands.one.runs(before=2)] == [1]
    assert hands.one.counts() == {"pending": 2}
    assert hands.one.run(99) is None


def test_old_runs_and_events_are_pruned_and_no_id_comes_twice(rig: Rig, hands: Hands) -> None:
    post = [hands.one.post("manual", {}) for _ in range(2)]
    fence = hands.one.lead("w", lease=1e9) or 0
    hands.one.settle("w", fence, Settled(events=post))
    for _ in range(3):
        hands.begin(hands.start())
        (claim,) = hands.claim()
        hands.one.keep([kept(claim, steps=[step(0)], then="success")])
    hands.begin(hands.start(mode="parallel"))
    rig.step(8 * DAY)
    assert hands.one.prune() == 1, "the newest event stays"
    rig.step(23 * DAY)
    assert hands.one.prune() == 3
    assert hands.statuses() == ["pending"], "what hasn't ended stays, however old"
    assert rig.sql("select count(*) from automation_step") == [(0,)]


def test_the_health_of_a_system_and_its_environments(rig: Rig, hands: Hands) -> None:
    rig.apply(thresholds={"degraded": 1, "unhealthy": 1})
    begun = rig.at
    production = rig.key().environment
    rig.tick(lambda claim: "unhealthy" if claim.key.environment == production else "healthy", ms=40.0)
    found = {s.environment: s for s in hands.one.health(["shop", "none"], since=begun, latency=True)}
    assert set(found) == {"", "production", "staging"}
    assert (found[""].status, found[""].since, found[""].changes) == ("unhealthy", rig.at, 1)
    assert (found["staging"].status, found["staging"].changes) == ("healthy", 0)
    assert found["production"].p95 == 40.0
    assert all(s.p95 is None for s in hands.one.health(["shop"], since=begun, latency=False))
    assert hands.one.systems() == ["shop"]
    assert sorted(n for _, _, n in hands.one.checks(found[""].uid)) == [1, 1]
