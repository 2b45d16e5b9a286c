"""Maintenances and incidents as automations meet them: what is held back, what is told in the end, and who is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.automate.payloads import PAYLOADS
from reconciler.flows.maintenances import Wanted, plan
from reconciler.store.incidents import Author
from reconciler.store.sql_incidents import SqlIncidents
from reconciler.store.sql_maintenances import SqlMaintenances
from tests.servers.automations import Stand
from tests.servers.hooks import hooks_of, standard

if TYPE_CHECKING:
    from tests.conftest import Kit

CHANGED = "healthcheck.system_health_changed"
WHOLE = {"event": CHANGED, "filter": "not trigger.payload.environmentId"}
ALICE = Author("alice")
HOUR = 3600.0


@pytest.fixture
def stand(kit: Kit, tmp_path: Path) -> Iterator[Stand]:
    """With an automation that runs for each change of a whole system."""
    made = Stand(kit, tmp_path / "store.db")
    made.automation("page", WHOLE, mode="parallel")
    made.apply()
    made.engine()
    yield made
    made.close()


def work(stand: Stand, *systems: str, **how: Any) -> str:
    return SqlMaintenances(stand.hands.db).add("disks", author=ALICE, systems=systems or ("shop",), **how).id


def told(stand: Stand) -> list[tuple[str, str, str]]:
    """What each run was started by, oldest first."""
    payloads = [run.event["payload"] for run in reversed(stand.seen.runs())]
    return [(p["systemId"], p["previousStatus"], p["newStatus"]) for p in payloads]


def judged(stand: Stand) -> None:
    stand.until(stand.settled)


def test_during_a_maintenance_nothing_starts_and_in_its_end_what_still_holds_is_told(stand: Stand) -> None:
    one = work(stand)
    stand.run_checks("unhealthy")
    judged(stand)
    stand.run_checks("unhealthy", system="bank")
    stand.ended(1)
    assert told(stand) == [("bank", "healthy", "unhealthy")], "the other system isn't in it, and recovers with the next"
    stand.until(lambda: stand.engines[0].tally.stopped["suppressed"] >= 1)
    SqlMaintenances(stand.hands.db).end(one, author=ALICE)
    judged(stand)


def test_what_still_holds_is_told_once(stand: Stand) -> None:
    one = work(stand)
    stand.run_checks("unhealthy")
    judged(stand)
    assert stand.seen.runs() == []
    SqlMaintenances(stand.hands.db).end(one, author=ALICE)
    stand.ended(1)
    judged(stand)
    assert told(stand) == [("shop", "healthy", "unhealthy")]
    stand.run_checks("healthy")
    stand.ended(2)
    assert told(stand)[1:] == [("shop", "unhealthy", "healthy")]


def test_what_was_made_good_meanwhile_is_never_told(stand: Stand) -> None:
    one = work(stand)
    for outcome in ("unhealthy", "healthy"):
        stand.run_checks(outcome)
        judged(stand)
    SqlMaintenances(stand.hands.db).end(one, author=ALICE)
    judged(stand)
    assert stand.seen.runs() == []


def test_one_environment_is_held_back_and_the_other_is_not(stand: Stand) -> None:
    work(stand, "shop::staging")
    stand.run_checks("unhealthy", environment="staging")
    judged(stand)
    assert stand.seen.runs() == []
    stand.run_checks("healthy")
    stand.run_checks("unhealthy", environment="production")
    stand.ended(1)
    assert told(stand) == [("shop", "healthy", "unhealthy")]


def test_without_suppression_and_before_and_after_it_fires(stand: Stand) -> None:
    work(stand, suppress=False)
    work(stand, starts=stand.at + HOUR, ends=stand.at + 2 * HOUR)
    stand.run_checks("unhealthy")
    stand.ended(1)
    stand.at += 3 * HOUR
    stand.run_checks("healthy")
    stand.ended(2)


def test_what_cant_be_read_holds_nothing_back(stand: Stand) -> None:
    """Rather a call too many than an outage that nobody hears of."""
    one = work(stand)
    stand.hands.db.run("update maintenance set systems = '{' where id = ?", (one,))
    stand.run_checks("unhealthy")
    assert stand.ended(1)[0].status == "success"


def test_what_recurs_holds_back_each_time(stand: Stand) -> None:
    """At 08:00 it is; every day from 9 to 10."""
    wanted = Wanted("daily", cron="0 9 * * *", seconds=HOUR)
    made = plan(stand.hands.db, wanted, author=ALICE, systems=["shop"])
    for day in range(2):
        stand.at = made.starts + day * 24 * HOUR + 60
        stand.until(lambda: SqlMaintenances(stand.hands.db).maintenance(made.id).status == "active")
        stand.run_checks("unhealthy")
        judged(stand)
        stand.run_checks("healthy")
        judged(stand)
        assert len(stand.seen.runs()) == 2 * day
        stand.at += HOUR
        stand.until(lambda: SqlMaintenances(stand.hands.db).maintenance(made.id).status == "scheduled")
        stand.run_checks("unhealthy")
        stand.run_checks("healthy")
        stand.ended(2 * day + 2)


def test_a_number_beyond_its_bound_is_told_when_the_work_is_over(stand: Stand) -> None:
    config = {"field": "health.system.in_status_for_ms", "above": 600_000}
    condition = "health.system.status == 'unhealthy'"
    stand.automation("long", {"event": "automation.numeric_state@1", "config": config}, conditions=[condition])
    stand.run_checks("unhealthy")
    one = work(stand)
    stand.apply()
    stand.at += 601
    engine = stand.engines[0]
    stand.until(lambda: engine.tally.stopped["suppressed"])
    assert all(run.event_name != "automation.numeric_state" for run in stand.seen.runs())
    SqlMaintenances(stand.hands.db).end(one, author=ALICE)
    stand.at += 10
    stand.until(lambda: any(run.event_name == "automation.numeric_state" for run in stand.seen.runs()))


def test_expressions_see_the_maintenance(stand: Stand) -> None:
    stand.automation("see", {**WHOLE, "filter": "health.system.in_maintenance"}, mode="parallel")
    stand.apply()
    work(stand, suppress=False)
    uid = stand.uid("Automation", "see")
    stand.run_checks("unhealthy")
    stand.until(lambda: any(run.automation == uid for run in stand.seen.runs()))
    stand.run_checks("unhealthy", system="bank")
    judged(stand)
    assert {r.event["payload"]["systemId"] for r in stand.seen.runs() if r.automation == uid} == {"shop"}


def test_automations_are_told_of_incidents_and_maintenances(stand: Stand) -> None:
    names = (
        "incident.created",
        "incident.updated",
        "incident.resolved",
        "maintenance.started",
        "maintenance.completed",
    )
    for name in names:
        stand.automation(name.replace(".", "-"), {"event": name})
    stand.apply()
    incidents = SqlIncidents(stand.hands.db)
    opened = incidents.open("Orders are slow", author=ALICE, systems=["shop"])
    incidents.update(opened.id, "a full disk", author=ALICE)
    incidents.resolve(opened.id, author=ALICE)
    SqlMaintenances(stand.hands.db).end(work(stand), author=ALICE)
    runs = stand.ended(5)
    assert {run.event_name for run in runs} == set(names)
    assert {run.context_key for run in runs} == {"shop"}
    for run in runs:
        assert set(run.event["payload"]) == set(PAYLOADS[run.event_name]), "what is told is what is promised"


def test_automations_that_start_one_another_come_to_an_end(stand: Stand) -> None:
    """Two in a circle: each incident of the one has the other open one."""
    for name, other in (("ping", "pong"), ("pong", "ping")):
        opens = {"id": "open", "action": "incident.create@1", "config": {"title": other}}
        begins = {"event": "incident.created", "filter": f"trigger.payload.title == '{name}'"}
        stand.automation(name, begins, actions=[opens], runAs="bot")
    stand.apply()
    SqlIncidents(stand.hands.db).open("ping", author=ALICE)
    runs = stand.ended(9)
    judged(stand)
    assert [run.status for run in runs] == ["success"] * 8 + ["failed"]
    assert "8 runs of automations led to this one" in (stand.steps(runs[-1].id)[0].error or "")
    assert [run.event["payload"]["depth"] for run in runs] == list(range(9))
    assert len(SqlIncidents(stand.hands.db).incidents()) == 9


def test_a_webhook_starts_the_automation_whose_key_it_has(stand: Stand) -> None:
    for name, secret in (("mine", "MINE"), ("other", "OTHER")):
        config = {"hook": "deploy", "token": f"${{{{ secrets.{secret} }}}}"}
        message = "{{ trigger.payload.body.version }} by {{ trigger.payload.hook }}"
        actions = [{"action": "log@1", "config": {"message": message}}]
        stand.automation(name, {"event": "webhook@1", "config": config}, actions=actions)
    stand.apply()
    body = b'{"version": "{{ 7 * 6 }}"}'
    with hooks_of(stand.path, {"GITOPS_SECRET_MINE": "my-key", "GITOPS_SECRET_OTHER": "other-key"}) as hooks:
        assert hooks.send("deploy", body, standard("my-key", body)).status == 202
    (run,) = stand.ended(1)
    assert run.automation == stand.uid("Automation", "mine")
    assert stand.steps(run.id)[0].result["message"] == "{{ 7 * 6 }} by deploy", "what is sent is never a template"
