"""Automations as a worker has them: from what the checks find to runs that are over, on a real store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.flows.work.events import AutomationEnded, AutomationStarted, Fault
from reconciler.store.incidents import Author
from reconciler.store.sql_incidents import SqlIncidents
from reconciler.store.sql_maintenances import SqlMaintenances
from tests.servers.automations import HELLO, Stand
from tests.servers.http import Site

if TYPE_CHECKING:
    from tests.conftest import Kit

CHANGED = "healthcheck.system_health_changed"
DOWN = {"event": CHANGED, "filter": "trigger.payload.newStatus == 'unhealthy' and not trigger.payload.environmentId"}
HOUR = 3605.0
HOOK = {"event": "webhook@1", "config": {"hook": "never", "token": "${{ secrets.T }}"}}


@pytest.fixture(params=["sqlite", "postgresql"])
def stand(kit: Kit, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stand]:
    made = Stand(kit, tmp_path / "store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_store"))
    yield made
    made.close()


def by_hand(stand: Stand, name: str, **how: Any) -> None:
    stand.seen.post("manual", {"n": 1}, automation=stand.uid("Automation", name), **how)


# -- from what the checks find ---------------------------------------------------------------------------------------


def test_a_change_of_health_tells_exactly_what_it_promises(stand: Stand) -> None:
    stand.automation("a", {"event": CHANGED}, mode="parallel")
    stand.apply()
    stand.engine()
    stand.run_checks("unhealthy", environment="production")
    runs = {run.event["payload"]["environmentId"]: run for run in stand.ended(2)}
    assert set(runs) == {"production", None}, "once for the environment, once for the system"
    common = {
        "systemId": "shop",
        "systemName": "The shop",
        "previousStatus": "healthy",
        "newStatus": "unhealthy",
        "timestamp": "2027-01-15T08:00:30.000Z",
    }
    assert runs["production"].event["payload"] == {
        **common,
        "environmentId": "production",
        "environmentName": "production",
        "healthyChecks": 0,
        "totalChecks": 1,
    }
    whole = {"environmentId": None, "environmentName": None, "healthyChecks": 1, "totalChecks": 2}
    assert runs[None].event["payload"] == {**common, **whole}
    assert {run.context_key for run in runs.values()} == {"shop"}
    assert {run.status for run in runs.values()} == {"success"}


def test_a_failed_run_tells_what_it_measured(stand: Stand) -> None:
    stand.automation("a", {"event": "healthcheck.check_failed"}, mode="parallel")
    stand.apply()
    stand.engine()
    stand.until(lambda: stand.engines[0].tally.leading)
    stand.until(lambda: stand.hands.db.rows("select n from progress where what = 'failures are told'") == [(1,)])
    stand.run_checks("unhealthy", environment="staging")
    (run,) = stand.ended(1)
    assert run.event["payload"] == {
        "systemId": "shop",
        "systemName": "The shop",
        "configurationId": "ready",
        "configurationName": "ready",
        "environmentId": "staging",
        "status": "unhealthy",
        "latencyMs": 12.5,
        "error": "it failed",
        "result": {"collectors": [{"id": "0", "type": "http.request", "result": {"statusCode": 503}}]},
        "timestamp": "2027-01-15T08:00:30.000Z",
    }


def test_the_worse_and_the_well_are_told_by_their_names(stand: Stand) -> None:
    stand.automation("worse", {"event": "healthcheck.system_degraded"}, mode="parallel")
    stand.automation("well", {"event": "healthcheck.system_healthy"}, mode="parallel")
    stand.apply()
    stand.engine()
    stand.run_checks("unhealthy", environment="production")
    stand.ended(2)
    stand.run_checks("healthy")
    names = {stand.uid("Automation", name): name for name in ("worse", "well")}
    assert [names[run.automation] for run in stand.ended(4)] == ["worse", "worse", "well", "well"]


def test_each_change_is_judged_once_also_when_another_leads_afterwards(stand: Stand) -> None:
    stand.automation("a", DOWN, mode="parallel")
    stand.apply()
    one = stand.engine()
    stand.run_checks("unhealthy")
    stand.ended(1)
    stand.end(one)
    stand.engine()
    stand.run_checks("healthy")
    stand.run_checks("unhealthy")
    assert len(stand.ended(2)) == 2


def test_a_dwell_outlives_the_worker_it_began_with(stand: Stand) -> None:
    stand.automation("a", {**DOWN, "for": "5m"})
    stand.apply()
    one = stand.engine()
    stand.run_checks("unhealthy")
    stand.until(lambda: stand.settled() and stand.seen.states())
    stand.end(one)
    stand.at += 300
    stand.engine()
    assert [run.status for run in stand.ended(1)] == ["success"]


def test_a_recovery_that_nobody_saw_in_time_ends_the_dwell(stand: Stand) -> None:
    stand.automation("a", {**DOWN, "for": "5m"})
    stand.apply()
    one = stand.engine()
    stand.run_checks("unhealthy")
    stand.until(lambda: stand.settled() and stand.seen.states())
    stand.end(one)
    stand.at += 400
    stand.run_checks("healthy")
    stand.engine()
    stand.until(lambda: stand.settled() and not stand.seen.states())
    assert stand.seen.runs() == []


def test_clocks_fire_by_the_clock_of_the_store(stand: Stand) -> None:
    stand.automation("a", {"event": "automation.cron@1", "config": {"cronPattern": "*/5 * * * *"}})
    stand.automation("b", {"event": "automation.interval@1", "config": {"intervalSeconds": 600}})
    stand.apply()
    stand.engine()
    stand.until(lambda: len(stand.seen.states()) == 2)
    stand.at += 299
    time.sleep(0.1)  # several turns: none of them may find anything
    assert stand.seen.runs() == []
    stand.at += 1
    assert [run.event_name for run in stand.ended(1)] == ["automation.cron"]
    stand.at += 300
    assert sorted(run.event_name for run in stand.ended(3)) == [*["automation.cron"] * 2, "automation.interval"]


def test_a_number_that_comes_to_be_beyond_its_bound(stand: Stand) -> None:
    config = {"field": "health.system.p95_latency_ms", "above": 10}
    stand.automation("a", {"event": "automation.numeric_state@1", "config": config}, usesState=["shop"])
    stand.apply()
    stand.engine()
    stand.run_checks("healthy")
    stand.at += 6  # it may have looked in between
    (run,) = stand.ended(1)
    assert (run.event["payload"]["systemId"], run.event["payload"]["value"], run.context_key) == ("shop", 12.5, "shop")


def test_nothing_is_made_of_changes_while_a_system_is_worked_on(stand: Stand) -> None:
    stand.automation("a", DOWN, mode="parallel")
    stand.apply()
    work = SqlMaintenances(stand.hands.db).add("moving", author=Author("alice"), systems=["shop"])
    stand.engine()
    stand.run_checks("unhealthy")
    stand.until(stand.settled)
    assert stand.seen.runs() == []
    stand.until(lambda: stand.engines[0].tally.stopped["suppressed"] == 1)
    SqlMaintenances(stand.hands.db).end(work.id, author=Author("alice"))
    assert [run.context_key for run in stand.ended(1)] == ["shop"], "it is so still, when that is over"


def test_a_dwell_that_is_over_while_a_system_is_worked_on_starts_nothing(stand: Stand) -> None:
    stand.automation("a", {**DOWN, "for": "5m"})
    stand.apply()
    stand.engine()
    stand.run_checks("unhealthy")
    stand.until(lambda: stand.settled() and stand.seen.states())
    work = SqlMaintenances(stand.hands.db).add("moving", author=Author("alice"), systems=["shop"])
    stand.at += 400
    stand.until(lambda: stand.engines[0].tally.stopped["suppressed"])
    assert stand.seen.runs() == []
    SqlMaintenances(stand.hands.db).end(work.id, author=Author("alice"))
    stand.at += 60
    assert [run.status for run in stand.ended(1)] == ["success"], "it is so still, when that is over"


# -- what no longer is there -----------------------------------------------------------------------------------------


def test_an_orphaned_automation_fires_no_more(stand: Stand) -> None:
    stand.automation("a", DOWN)
    stand.automation("b", DOWN)
    stand.apply()
    del stand.documents["a.yaml"]
    stand.apply(deletion="orphan")
    stand.engine()
    stand.run_checks("unhealthy")
    assert [run.automation for run in stand.ended(1)] == [stand.uid("Automation", "b")]


def test_runs_of_a_removed_automation_end_with_a_reason(stand: Stand) -> None:
    stand.automation("a", HOOK, actions=[{"delay": "1h"}, HELLO])
    stand.apply()
    stand.engine()
    by_hand(stand, "a")
    stand.waiting()
    del stand.documents["a.yaml"]
    stand.apply()  # nobody waits for the hour to be over
    assert [(r.status, r.reason) for r in stand.ended()] == [("failed", "the automation a isn't there any more")]


def test_what_goes_on_about_a_system_that_is_renamed_goes_on_under_its_new_name(stand: Stand) -> None:
    healthy = {"event": "healthcheck.system_healthy", "contextKey": "{{ trigger.payload.systemId }}"}
    opened = {"id": "i", "action": "incident.create@1", "config": {"title": "down"}}
    actions = [opened, {"waitForTrigger": healthy}, {"action": "incident.resolve@1", "config": {}}]
    stand.automation("a", DOWN, actions=actions, runAs="bot", concurrencyScope="contextKey")
    stand.apply()
    stand.engine()
    stand.run_checks("unhealthy")
    stand.waiting()
    systems = stand.documents["rest.yaml"]
    (shop,) = (each for each in systems if each["metadata"]["name"] == "shop")
    shop["metadata"] |= {"name": "store", "renamedFrom": "shop"}
    stand.apply()
    stand.until(lambda: stand.seen.runs()[0].context_key == "store")
    stand.run_checks("healthy", system="store")
    (run,) = stand.ended()
    assert (run.status, run.reason) == ("success", None)
    assert [incident.status for incident in SqlIncidents(stand.hands.db).incidents(resolved=True)] == ["resolved"]


def test_a_run_goes_on_with_what_it_was_started_with(stand: Stand) -> None:
    stand.automation("a", HOOK, actions=[{"delay": "1h"}, HELLO])
    stand.apply()
    stand.engine()
    by_hand(stand, "a")
    stand.waiting()
    stand.automation("a", HOOK, actions=[{"stop": {"reason": "another", "error": True}}])
    stand.apply()
    stand.at += HOUR
    (run,) = stand.ended()
    assert run.status == "success"
    assert [s.block for s in stand.steps(run.id)] == ["delay", "action"]


# -- identity --------------------------------------------------------------------------------------------------------


def test_without_an_account_only_log_is_done(stand: Stand, web: Site) -> None:
    hook = {"action": "webhook@1", "config": {"url": f"{web.base}/status/200"}}
    stand.automation("a", HOOK, runAs="bot", actions=[HELLO, hook])
    stand.apply()
    # No plan lets this through; a run mustn't either, whatever the store says.
    stand.hands.db.run("""update resource set body = replace(body, '"runAs":"bot",', '') where name = 'a'""")
    stand.engine()
    by_hand(stand, "a")
    (run,) = stand.ended()
    assert run.status == "failed"
    assert "a may not run webhook: it acts on behalf of nobody" in (run.reason or "")
    assert [s.status for s in stand.steps(run.id)] == ["success", "failed"]
    assert web.asked == []


# -- waits -----------------------------------------------------------------------------------------------------------


def test_what_waits_until_something_holds_is_woken_by_the_change(stand: Stand) -> None:
    until = {"waitUntil": {"condition": "health.system.status == 'healthy'", "timeout": "7d"}}
    stand.automation("a", DOWN, actions=[until, HELLO])
    stand.apply()
    stand.engine()
    stand.run_checks("unhealthy")
    stand.waiting()
    stand.run_checks("healthy")
    assert stand.ended(1)[0].status == "success"


def test_what_waits_for_an_event_gets_what_that_tells(stand: Stand) -> None:
    wait = {"event": "incident.resolved", "filter": "trigger.payload.incidentId == 'i2'"}
    log = {"action": "log@1", "config": {"message": "{{ resume.payload.message }}"}}
    stand.automation("a", HOOK, actions=[{"waitForTrigger": wait}, log])
    stand.apply()
    stand.engine()
    by_hand(stand, "a")
    stand.waiting()
    stand.at += 1
    stand.seen.post("incident.resolved", {"incidentId": "i1", "message": "no"})
    stand.until(stand.settled)
    assert stand.seen.runs()[0].status == "waiting"
    stand.seen.post("incident.resolved", {"incidentId": "i2", "message": "yes"})
    (run,) = stand.ended()
    assert stand.steps(run.id)[-1].result["message"] == "yes"


# -- workers ---------------------------------------------------------------------------------------------------------


def test_one_of_two_workers_leads_and_both_go_on_with_runs(stand: Stand) -> None:
    stand.automation("a", HOOK, mode="parallel", maxRuns=1000, actions=[{"delay": "1s"}, HELLO])
    stand.apply()
    engines = [stand.engine(), stand.engine()]
    stand.until(lambda: any(e.tally.leading for e in engines))
    for _ in range(20):
        by_hand(stand, "a")
    stand.waiting(20)
    assert sorted(e.tally.leading for e in engines) == [False, True]
    stand.at += HOUR
    assert {run.status for run in stand.ended(20)} == {"success"}
    stand.until(lambda: sum(e.tally.runs["success"] for e in engines) == 20)  # counted once it is kept


def test_a_cancelled_run_is_let_go_of_by_whoever_is_at_it(stand: Stand, web: Site) -> None:
    hang = {"action": "webhook@1", "config": {"url": f"{web.base}/hang", "timeout": "60s"}}
    stand.automation("a", HOOK, runAs="bot", actions=[hang, HELLO])
    stand.apply()
    stand.engine(lease=0.6)
    by_hand(stand, "a")
    stand.until(lambda: web.asked)
    assert stand.seen.cancel(1, reason="by hand")
    stand.until(lambda: web.left)
    assert [(r.status, r.reason) for r in stand.ended()] == [("cancelled", "by hand")]


def test_what_is_in_flight_at_the_end_is_done_within_the_grace(stand: Stand, web: Site) -> None:
    slow = {"action": "run_shell@1", "config": {"script": "sleep 0.5"}}
    stand.automation("a", HOOK, runAs="bot", actions=[slow, HELLO])
    stand.apply()
    engine = stand.engine(grace=15.0)
    by_hand(stand, "a")
    stand.until(lambda: stand.seen.runs() and stand.seen.runs()[0].status == "running")
    stand.end(engine)
    assert [r.status for r in stand.ended()] == ["success"]
    assert engine.released == 0


def test_what_isnt_done_by_then_goes_on_elsewhere_at_once(stand: Stand, web: Site) -> None:
    web.planned = []
    hang = {"action": "webhook@1", "config": {"url": f"{web.base}/hang", "timeout": "60s"}}
    stand.automation("a", HOOK, runAs="bot", actions=[HELLO, hang])
    stand.apply()
    engine = stand.engine(grace=0.2)
    by_hand(stand, "a")
    stand.until(lambda: web.asked)
    stand.end(engine)
    assert engine.released == 1
    (run,) = stand.seen.runs()
    assert (run.worker, run.ended, run.ready_at) == (None, None, stand.at)
    stand.engine(grace=0.2)
    stand.until(lambda: len(web.asked) == 2)
    assert len({asked.header("idempotency-key") for asked in web.asked}) == 1
    assert next(s.attempts for s in stand.steps(run.id)) == 1, "what was done isn't done again"


def test_while_one_ends_another_leads_and_its_runs_stay_its_own(stand: Stand) -> None:
    slow = {"action": "run_shell@1", "config": {"script": "sleep 3"}}
    stand.automation("a", HOOK, runAs="bot", actions=[slow, HELLO])
    stand.automation("b", HOOK)
    stand.apply()
    stand.let_time_go_on()
    first = stand.engine(grace=15.0, lease=0.9)
    by_hand(stand, "a")
    stand.until(lambda: stand.seen.runs() and stand.seen.runs()[0].status == "running")
    first.stop()
    second = stand.engine(lease=0.9)
    by_hand(stand, "b")
    a, b = stand.ended(2)
    assert (a.status, b.status) == ("success", "success")
    assert (b.ended or 0) < (a.ended or 0), "it needn't wait until the first is gone"
    stand.until(lambda: not first.is_alive())
    stand.until(lambda: (first.tally.runs["success"], second.tally.runs["success"]) == (1, 1))


def test_its_log_has_a_line_for_each_run(stand: Stand) -> None:
    stand.automation("a", HOOK, actions=[{"stop": {"reason": "no good", "error": True}}])
    stand.apply()
    stand.engine()
    by_hand(stand, "a", context_key="shop")
    stand.ended()
    stand.until(lambda: any(isinstance(e, AutomationEnded) for e in stand.events))
    assert isinstance(stand.events[0], AutomationStarted)
    assert stand.events[0][:4] == (1, "a", "manual", "shop")
    (ended,) = [e for e in stand.events if isinstance(e, AutomationEnded)]
    assert (ended.run, ended.automation, ended.status, ended.reason) == (1, "a", "failed", "no good")


def test_events_in_thousands_start_their_runs_each_once(stand: Stand) -> None:
    stand.automation("a", HOOK, mode="parallel", maxRuns=1000)
    stand.apply()
    uid = stand.uid("Automation", "a")
    with stand.hands.db.transaction():
        from reconciler.store.posting import post_event

        for _ in range(450):
            post_event(stand.hands.db, "manual", {}, automation=uid)
    stand.engine()
    stand.until(lambda: len(stand.seen.runs(limit=1000, status=["success"])) == 450)


# -- what goes wrong -------------------------------------------------------------------------------------------------


def test_an_event_between_arming_and_keeping_a_wait_ends_it(stand: Stand) -> None:
    stand.automation("a", HOOK, actions=[{"waitForTrigger": {"event": "incident.resolved"}}, HELLO])
    stand.apply()
    stand.engine()
    by_hand(stand, "a")
    stand.waiting()
    # As if the wait had been kept a moment after the event that it was armed for was judged.
    stand.hands.db.run("update automation_wait set event = 'later'")
    stand.at += 1
    stand.seen.post("incident.resolved", {"incidentId": "i"})
    stand.until(stand.settled)
    stand.hands.db.run("update automation_wait set event = 'incident.resolved'")
    assert [run.status for run in stand.ended()] == ["success"]


def test_a_trigger_that_cant_be_judged_holds_up_no_other_and_isnt_tried_at_every_turn(stand: Stand) -> None:
    stand.automation("a", {"event": "automation.interval@1", "config": {"intervalSeconds": 60}})
    stand.automation("b", {"event": "automation.interval@1", "config": {"intervalSeconds": 60}})
    stand.apply()
    broken = (
        """update resource set body = replace(body, '"intervalSeconds":60', '"intervalSeconds":0') where name = ?"""
    )
    stand.engine()
    stand.until(lambda: len(stand.seen.states()) == 2)
    stand.end(stand.engines[0])
    stand.hands.db.run(broken, ("a",))
    stand.engine()
    b = stand.uid("Automation", "b")
    for n in (1, 2):
        stand.at += 60
        stand.until(partial(lambda wanted: len(stand.seen.runs(automation=b)) == wanted, n))
    stand.end(stand.engines[1])
    assert 1 <= stand.engines[1].tally.faults <= 3
    assert all("can't be evaluated" in event.sentence for event in stand.events if isinstance(event, Fault))
    stand.events.clear()


def test_a_run_that_takes_one_worker_after_the_other_down_is_given_up(stand: Stand) -> None:
    stand.automation("a", HOOK)
    stand.apply()
    first = stand.engine()
    by_hand(stand, "a")
    stand.ended()
    stand.end(first)
    lost = "update automation_run set ended = null, status = 'running', lease = 99, lease_until = 0, tries = 7"
    stand.hands.db.run(lost)
    stand.engine()
    (run,) = stand.ended()
    assert (run.status, run.reason) == ("failed", "8 workers were lost over it, one after the other")


# -- modes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "mode", "statuses"),
    [
        ("automation", "single", ["waiting", "skipped", "skipped"]),
        ("contextKey", "single", ["waiting", "waiting", "skipped"]),
        ("automation", "parallel", ["waiting", "waiting", "skipped"]),
        ("automation", "queued", ["waiting", "pending", "pending"]),
        ("contextKey", "queued", ["waiting", "waiting", "pending"]),
        ("automation", "restart", ["cancelled", "cancelled", "waiting"]),
        ("contextKey", "restart", ["cancelled", "waiting", "waiting"]),
    ],
)
def test_a_mode_counts_all_runs_or_those_of_a_context(stand: Stand, scope: str, mode: str, statuses: list[str]) -> None:
    how = {"mode": mode, "concurrencyScope": scope, "maxRuns": 2}
    stand.automation("a", HOOK, actions=[{"delay": "1h"}, HELLO], **how)
    stand.apply()
    stand.engine()
    for system in ("shop", "bank", "shop"):
        by_hand(stand, "a", context_key=system)
    stand.until(lambda: [run.status for run in reversed(stand.seen.runs())] == statuses)
    stand.at += HOUR
    stand.until(lambda: not {run.status for run in stand.seen.runs()} & {"running"})
