"""Actions on what the store keeps: incidents, maintenances, single checks, and the line in the record of the run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.automate.port import Done, NotDone
from reconciler.flows.acting.stores import Stores
from tests.servers.acting import START, Acting


@pytest.fixture(autouse=True)
def _declared(acting: Acting) -> None:
    acting.declare("incident.*", "maintenance.*", "check.*")


def stores(acting: Acting) -> Stores:
    return Stores(acting.executing.db)


def done(found: object) -> dict[str, Any]:
    assert isinstance(found, Done), found
    return dict(found.result)


def keep(acting: Acting, type: str, value: dict[str, Any], context: str = "shop") -> None:
    """As the worker keeps what a step produced."""
    acting.executing.db.run(
        "insert into artifact (automation, context_key, type, run, step_id, value, at) values (?, ?, ?, 7, 'it', ?, ?)",
        (acting.identity().automation, context, type, json.dumps(value), acting.at),
    )


def test_log_is_a_line_in_the_record(acting: Acting) -> None:
    assert done(acting.perform("log", {"message": "hello", "level": "warn"})) == {"message": "hello", "level": "warn"}


def test_incident_create_is_about_the_system_of_the_trigger(acting: Acting) -> None:
    found = acting.perform("incident.create", {"title": "shop is down", "severity": "critical"})
    made = done(found)
    assert isinstance(found, Done)
    assert found.artifacts == {"incident": made}
    assert (made["systems"], made["severity"], made["status"]) == (["shop"], "critical", "investigating")
    incident, _ = stores(acting).incidents.incident(made["id"])
    assert (incident.actor, incident.run) == ("automation react", 7)


def test_the_same_step_opens_one_incident(acting: Acting) -> None:
    first = done(acting.perform("incident.create", {"title": "down", "systems": ["other"]}))
    assert done(acting.perform("incident.create", {"title": "down", "systems": ["other"]})) == first
    assert first["systems"] == ["other"]
    assert len(stores(acting).incidents.incidents()) == 1


def test_incident_update_and_resolve_find_what_was_opened_for_the_context(acting: Acting) -> None:
    made = done(acting.perform("incident.create", {"title": "down"}, key="create-it"))
    keep(acting, "incident", made)
    update = {"message": "a release is on its way", "status": "identified", "severity": "minor"}
    assert done(acting.perform("incident.update", update, key="update-it"))["status"] == "identified"
    acting.perform("incident.update", update, key="update-it")
    assert done(acting.perform("incident.resolve", {"message": "taken back"}, key="resolve-it"))["status"] == "resolved"
    _, timeline = stores(acting).incidents.incident(made["id"])
    assert [each.message for each in timeline] == ["", "a release is on its way", "taken back"]
    late = acting.perform("incident.update", {"message": "too late"}, key="late-step")
    assert isinstance(late, NotDone)
    assert "is resolved already" in late.error


def test_incident_update_by_name(acting: Acting) -> None:
    made = done(acting.perform("incident.create", {"title": "down"}, key="create-it"))
    named = {"incident": made["id"], "message": "known"}
    assert done(acting.perform("incident.update", named, key="update-it"))["id"] == made["id"]
    nothing = acting.perform("incident.update", {"incident": "inc-none", "message": "x"}, key="other-key")
    assert isinstance(nothing, NotDone)
    assert "there is no incident 'inc-none'" in nothing.error


def test_without_an_incident_for_the_context_there_is_none_to_update(acting: Acting) -> None:
    keep(acting, "incident", {"id": "inc-1"}, context="other")
    for action, config in (("incident.update", {"message": "x"}), ("incident.resolve", {})):
        found = acting.perform(action, config)
        assert isinstance(found, NotDone)
        assert found.error == "react opened no incident for this context: name one with incident"


def test_an_incident_of_the_same_run_is_found_before_it_is_kept(acting: Acting) -> None:
    made = done(acting.perform("incident.create", {"title": "down"}, key="create-it"))
    context = {"trigger": {"payload": acting.payload}, "artifacts": {"open": {"incident": made}}}
    assert done(acting.perform("incident.resolve", {}, key="resolve-it", context=context))["status"] == "resolved"


def test_maintenance_start_and_end(acting: Acting) -> None:
    found = acting.perform("maintenance.start", {"title": "deploying", "duration": "30m"}, key="start-it")
    made = done(found)
    assert (made["systems"], made["status"], made["ends"]) == (["shop"], "active", START + 1800)
    assert done(acting.perform("maintenance.start", {"title": "deploying", "duration": "30m"}, key="start-it")) == made
    keep(acting, "maintenance", made)
    assert done(acting.perform("maintenance.end", {"message": "fine"}, key="end-it"))["status"] == "ended"
    assert done(acting.perform("maintenance.end", {"message": "fine"}, key="end-it"))["status"] == "ended"


def test_a_maintenance_about_nothing_is_refused(acting: Acting) -> None:
    acting.payload = {}
    found = acting.perform("maintenance.start", {"title": "deploying"})
    assert isinstance(found, NotDone)
    assert "is about systems" in found.error


def test_check_pause_and_resume_in_one_environment(acting: Acting) -> None:
    config = {"system": "shop", "check": "ready", "environment": "production"}
    assert done(acting.perform("check.pause", {**config, "duration": "1h"})) == {"slices": 1}
    [row] = acting.executing.paused()
    assert (row.actor, row.reason, row.until) == ("automation react", "run 7", START + 3600)
    refused = acting.perform("check.run_now", config)
    assert isinstance(refused, NotDone)
    assert refused.error == "shop/ready/production is paused: resume it first"
    assert done(acting.perform("check.resume", config)) == {"slices": 1}
    assert acting.executing.paused() == []
    assert done(acting.perform("check.resume", config)) == {"slices": 0}


def test_check_pause_in_each_environment(acting: Acting) -> None:
    assert done(acting.perform("check.pause", {"system": "shop", "check": "ready"})) == {"slices": 2}
    assert {row.until for row in acting.executing.paused()} == {None}


def test_check_run_now_makes_it_due(acting: Acting) -> None:
    acting.executing.claim("w", 100, lease=60)
    assert acting.executing.overdue() == 0
    due = {state.due_at for state in acting.executing.states()}
    assert all(at > START for at in due)
    assert done(acting.perform("check.run_now", {"system": "shop", "check": "ready"})) == {"slices": 2}
    assert sum(state.due_at == START for state in acting.executing.states()) == 2


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"system": "nowhere", "check": "ready"}, "there is no System named 'nowhere'"),
        ({"system": "shop", "check": "never"}, "there is no Check named 'never'"),
        ({"system": "other", "check": "ready", "environment": "staging"}, "other/ready/staging doesn't run"),
    ],
)
def test_what_does_not_run_is_told(acting: Acting, config: dict[str, str], said: str) -> None:
    for action in ("check.run_now", "check.pause", "check.resume"):
        found = acting.perform(action, config)
        assert isinstance(found, NotDone)
        assert said in found.error
