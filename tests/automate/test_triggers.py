"""What fires, when, and what holds it back: every row of the trigger table, by a clock that the test sets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.automate.clocks import newest_cron, next_cron
from reconciler.automate.definitions import Automation, read
from reconciler.automate.payloads import complete
from reconciler.automate.port import Event
from reconciler.automate.remembering import Memory
from reconciler.automate.triggers import Firing, Triggers
from reconciler.base.canonical import digest, loads
from reconciler.kinds.validate import validate
from reconciler.model.remembered import Remembered

if TYPE_CHECKING:
    from tests.conftest import Kit

CHANGED = "healthcheck.system_health_changed"
START = 1_800_000_000.0
MINUTE, HOUR = 60.0, 3600.0
LOG = [{"action": "log@1", "config": {"message": "hello"}}]


class Stage:
    """Automations, a clock, and a health that the test says; ``restart`` begins anew with what was kept."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.at = START
        self.status: dict[str, dict[str, Any]] = {}
        self.held_back = False
        self.documents: dict[str, Automation] = {}
        self.kept: dict[Any, Remembered] = {}
        self._events = 0
        self._triggers: Triggers | None = None

    def now(self) -> float:
        return self.at

    def health(self, system: str | None) -> Mapping[str, Any]:
        found: dict[str, Any] = {"systems": self.status}
        return {**found, "system": self.status[system]} if system in self.status else found

    def automation(self, *triggers: Mapping[str, Any], name: str = "a", **spec: Any) -> None:
        """One of that name; another one of it takes its place."""
        document = self.kit.document("Automation", name, {"triggers": list(triggers), "actions": LOG, **spec})
        validated = validate("Automation", document)
        assert validated.body, validated.faults
        uid = 1 + sorted({*self.documents, name}).index(name)
        self.documents[name] = read(uid, name, "shop", 1, digest(validated.body), validated.body)
        self.restart()

    def restart(self) -> None:
        memory = Memory(r._replace(value=loads_again(r.value)) for r in self.kept.values())
        self._triggers = Triggers(
            self.documents.values(), memory, lambda _: self, now=self.at, suppressed=lambda *_: self.held_back
        )
        self.keep()

    @property
    def triggers(self) -> Triggers:
        assert self._triggers is not None
        return self._triggers

    def keep(self) -> None:
        put, dropped = self.triggers.memory.changes()
        self.kept |= {row.key: row for row in put}
        for key in dropped:
            self.kept.pop(key, None)
        self.triggers.memory.kept()

    def tell(self, name: str, payload: Mapping[str, Any] | None = None, **how: Any) -> list[Firing]:
        """Something happens."""
        self._events += 1
        event = Event(f"e{self._events}", name, self.at, complete(name, payload or {}), **how)
        found = self.triggers.happened(event)
        self.keep()
        return found

    def change(self, was: str, now: str, *, system: str = "shop", environment: str | None = None) -> list[Firing]:
        """A system changes, as all of its events tell."""
        payload = {"systemId": system, "environmentId": environment, "previousStatus": was, "newStatus": now}
        names = [CHANGED]
        rank = ["healthy", "degraded", "unhealthy"]
        if now == "healthy":
            names.append("healthcheck.system_healthy")
        elif rank.index(now) > rank.index(was):
            names.append("healthcheck.system_degraded")
        return [firing for name in names for firing in self.tell(name, payload, context_key=system)]

    def go(self, seconds: float) -> list[Firing]:
        """Time goes on; what is due then."""
        self.at += seconds
        found = self.triggers.due(self.at)
        self.keep()
        return found

    def look(self) -> list[Firing]:
        """Look at the watched numbers."""
        found = [
            firing
            for automation, trigger in self.triggers.watched()
            for system in (sorted(self.status) if trigger.each_system else [None])
            for firing in self.triggers.look(automation, trigger, system)
        ]
        self.keep()
        return found


def loads_again(value: Mapping[str, Any]) -> Any:
    """As the store gives it back."""
    from reconciler.base.canonical import dumps

    return loads(dumps(dict(value)))


@pytest.fixture
def stage(kit: Kit) -> Stage:
    return Stage(kit)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def payload(firing: Firing) -> Mapping[str, Any]:
    return firing.started.event.payload


# -- automation.cron -------------------------------------------------------------------------------------------------


def cron(pattern: str, zone: str = "UTC") -> dict[str, Any]:
    return {"event": "automation.cron@1", "config": {"cronPattern": pattern, "timezone": zone}}


def test_automation_cron_fires_at_its_moments_and_not_for_being_new(stage: Stage) -> None:
    stage.at = at("2027-01-15T07:30:00+00:00")
    stage.automation(cron("0 9 * * *", "Europe/Berlin"))
    assert stage.go(29 * MINUTE) == []
    (fired,) = stage.go(MINUTE)
    assert dict(payload(fired)) == {
        "cronPattern": "0 9 * * *",
        "timezone": "Europe/Berlin",
        "scheduledAt": "2027-01-15T08:00:00.000Z",
        "timestamp": "2027-01-15T08:00:00.000Z",
    }
    assert stage.go(MINUTE) == []
    assert len(stage.go(24 * HOUR)) == 1


def test_automation_cron_missed_moments_fire_once_with_the_newest(stage: Stage) -> None:
    stage.at = at("2027-01-15T07:30:00+00:00")
    stage.automation(cron("0 * * * *"))
    stage.at += 10 * HOUR
    stage.restart()
    (fired,) = stage.go(0)
    assert payload(fired)["scheduledAt"] == "2027-01-15T17:00:00.000Z"
    assert stage.go(0) == []
    (fired,) = stage.go(30 * MINUTE)
    assert payload(fired)["scheduledAt"] == "2027-01-15T18:00:00.000Z"


def test_automation_cron_the_same_moment_has_the_same_id_whoever_sees_it(stage: Stage) -> None:
    stage.at = at("2027-01-15T07:59:00+00:00")
    stage.automation(cron("0 * * * *"))
    before = dict(stage.kept)
    (one,) = stage.go(MINUTE)
    stage.kept = before  # a leader that died before it could keep anything
    stage.restart()
    (other,) = stage.go(1.5)
    assert one.event_id == other.event_id


def test_automation_cron_a_changed_pattern_begins_anew(stage: Stage) -> None:
    stage.at = at("2027-01-15T07:59:00+00:00")
    stage.automation(cron("0 * * * *"))
    stage.automation(cron("30 * * * *"))
    assert stage.go(MINUTE) == []
    assert len(stage.go(30 * MINUTE)) == 1


@pytest.mark.parametrize(
    ("pattern", "after", "moments"),
    [
        ("30 2 * * *", "2026-03-28T00:00Z", ["03-28T01:30", "03-29T01:00", "03-30T00:30"]),
        ("30 2 * * *", "2026-10-24T00:00Z", ["10-24T00:30", "10-25T00:30", "10-26T01:30"]),
        ("30 2 * * *", "2026-10-25T01:10Z", ["10-26T01:30"]),
        ("*/30 * * * *", "2026-10-25T00:00Z", ["10-25T00:30", "10-25T01:00", "10-25T01:30", "10-25T02:00"]),
        ("*/30 * * * *", "2026-03-29T00:30Z", ["03-29T01:00", "03-29T01:30", "03-29T02:00"]),
        ("0 6 * * mon-fri", "2026-11-20T06:00Z", ["11-23T05:00"]),
        ("0 0 1,15 * *", "2026-11-02T00:00Z", ["11-14T23:00"]),
    ],
)
def test_automation_cron_when_clocks_are_set(pattern: str, after: str, moments: list[str]) -> None:
    """In Berlin: nothing is left out in spring, and nothing comes twice in autumn, but what goes by real time."""
    moment, found = at(after), []
    for _ in moments:
        following = next_cron(pattern, "Europe/Berlin", moment)
        assert following is not None
        moment = following
        found.append(moment)
    assert found == [at(f"2026-{each}+00:00") for each in moments]


def test_automation_cron_a_day_that_never_comes() -> None:
    assert next_cron("0 0 31 2 *", "UTC", START) is None
    assert newest_cron("0 0 31 2 *", "UTC", START) is None


# -- automation.interval ---------------------------------------------------------------------------------------------


def interval(seconds: int) -> dict[str, Any]:
    return {"event": "automation.interval@1", "config": {"intervalSeconds": seconds}}


def test_automation_interval_fires_first_after_one_interval(stage: Stage) -> None:
    stage.automation(interval(60))
    assert stage.go(59) == []
    (fired,) = stage.go(1)
    assert payload(fired)["intervalSeconds"] == 60
    assert stage.go(59) == []
    assert len(stage.go(1)) == 1


def test_automation_interval_outlives_a_restart_and_makes_up_for_nothing(stage: Stage) -> None:
    stage.automation(interval(60))
    stage.at += 30
    stage.restart()
    assert stage.go(29) == []
    assert len(stage.go(301)) == 1, "five were missed"
    assert stage.go(59) == [], "and it stays on its grid"
    assert len(stage.go(1)) == 1


@pytest.mark.parametrize("trigger", [cron("0 * * * *"), interval(3600)])
def test_a_clock_that_stepped_back_leaves_nothing_in_the_far_future(stage: Stage, trigger: dict[str, Any]) -> None:
    stage.at = at("2028-01-15T07:30:00+00:00")
    stage.automation(trigger)
    stage.at = at("2027-01-15T07:30:00+00:00")
    stage.restart()
    assert stage.go(0) == []
    assert len(stage.go(HOUR)) == 1


# -- automation.numeric_state ----------------------------------------------------------------------------------------


def numeric(field: str = "health.system.p95_latency_ms", **bounds: Any) -> dict[str, Any]:
    return {"event": "automation.numeric_state@1", "config": {"field": field, **bounds}}


def test_automation_numeric_state_fires_when_it_becomes_true(stage: Stage) -> None:
    stage.automation(numeric(above=100, below=500))
    stage.status = {"shop": {"p95_latency_ms": 100}, "bank": {"p95_latency_ms": 300}, "new": {"p95_latency_ms": None}}
    (fired,) = stage.look()
    assert payload(fired) == {
        "systemId": "bank",
        "field": "health.system.p95_latency_ms",
        "value": 300.0,
        "above": 100,
        "below": 500,
        "timestamp": "2027-01-15T08:00:00.000Z",
    }
    assert fired.started.event.context_key == "bank"
    assert stage.look() == [], "it is so still"
    stage.restart()
    assert stage.look() == []
    stage.status["bank"]["p95_latency_ms"] = 500
    assert stage.look() == [], "bounds are strict"
    stage.at += 1
    stage.status["bank"]["p95_latency_ms"] = 499
    assert len(stage.look()) == 1


def test_automation_numeric_state_of_one_system_by_name(stage: Stage) -> None:
    stage.automation(numeric("health.systems.shop.transitions_in_window", above=3))
    stage.status = {"shop": {"transitions_in_window": 4}, "bank": {"transitions_in_window": 9}}
    assert [payload(f)["systemId"] for f in stage.look()] == [None]


def test_automation_numeric_state_has_to_last(stage: Stage) -> None:
    stage.automation({**numeric(above=100), "for": "5m"})
    stage.status = {"shop": {"p95_latency_ms": 200}}
    assert stage.look() == []
    stage.go(4 * MINUTE)
    stage.status["shop"]["p95_latency_ms"] = 50
    stage.look()
    assert stage.go(2 * MINUTE) == []
    stage.status["shop"]["p95_latency_ms"] = 200
    stage.look()
    assert len(stage.go(5 * MINUTE)) == 1


@pytest.mark.parametrize("value", [True, "300", None, [300], {}])
def test_automation_numeric_state_takes_numbers_only(stage: Stage, value: Any) -> None:
    stage.automation(numeric(above=0))
    stage.status = {"shop": {"p95_latency_ms": value}}
    assert stage.look() == []


# -- health ----------------------------------------------------------------------------------------------------------


def test_healthcheck_system_health_changed(stage: Stage) -> None:
    stage.automation({"id": "down", "event": CHANGED, "filter": "trigger.payload.newStatus == 'unhealthy'"})
    assert stage.change("healthy", "degraded") == []
    (fired,) = stage.change("degraded", "unhealthy")
    assert fired.started.trigger_id == "down"
    assert stage.change("unhealthy", "healthy") == []


def test_healthcheck_system_degraded_is_any_change_for_the_worse(stage: Stage) -> None:
    stage.automation({"event": "healthcheck.system_degraded"})
    assert len(stage.change("healthy", "degraded")) == 1
    assert len(stage.change("degraded", "unhealthy")) == 1
    assert stage.change("unhealthy", "degraded") == []
    assert stage.change("degraded", "healthy") == []
    assert len(stage.change("healthy", "unhealthy")) == 1


def test_healthcheck_system_healthy(stage: Stage) -> None:
    stage.automation({"event": "healthcheck.system_healthy"})
    assert stage.change("healthy", "degraded") == []
    assert len(stage.change("degraded", "healthy")) == 1


def test_healthcheck_check_failed(stage: Stage) -> None:
    stage.automation({"event": "healthcheck.check_failed", "filter": "trigger.payload.configurationId == 'ready'"})
    assert len(stage.tell("healthcheck.check_failed", {"configurationId": "ready"})) == 1
    assert stage.tell("healthcheck.check_failed", {"configurationId": "home"}) == []


def test_an_environment_and_the_system_fire_apart_and_a_filter_may_name_what_is_absent(stage: Stage) -> None:
    stage.automation({"event": CHANGED, "filter": "not trigger.payload.environmentId"})
    assert stage.change("healthy", "unhealthy", environment="production") == []
    assert len(stage.change("healthy", "unhealthy")) == 1


# -- other events ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    ["incident.created", "incident.updated", "incident.resolved", "maintenance.started", "maintenance.completed"],
)
def test_incident_and_maintenance_events(stage: Stage, event: str) -> None:
    stage.automation({"event": event, "filter": "trigger.payload.systemId == 'shop' and not trigger.payload.message"})
    assert len(stage.tell(event, {"systemId": "shop"})) == 1
    assert stage.tell(event, {"systemId": "bank"}) == []


def test_webhook_fires_for_its_hook_and_the_automation_that_it_is_meant_for(stage: Stage) -> None:
    hook = {"event": "webhook@1", "config": {"hook": "deploy", "token": "${{ secrets.T }}"}}
    stage.automation(hook)
    stage.automation(hook, name="b")
    assert [f.automation.name for f in stage.tell("webhook", {"hook": "deploy"}, automation=2)] == ["b"]
    assert stage.tell("webhook", {"hook": "other"}, automation=2) == []


def test_manual_has_no_gate_in_its_way(stage: Stage) -> None:
    stage.automation({"event": CHANGED, "filter": "false"}, conditions=["false"])
    (fired,) = stage.tell("manual", {"any": "thing"}, automation=1, actor="alice")
    assert fired.started.context()["actor"] == "alice"
    assert stage.tell("manual", {}, automation=99) == []


# -- filter and conditions -------------------------------------------------------------------------------------------


def test_a_filter_that_cant_be_evaluated_holds_its_event_back_and_no_other(stage: Stage) -> None:
    stage.automation({"event": CHANGED, "filter": "trigger.payload.nothing.at.all > 3"})
    stage.automation({"event": CHANGED}, name="b")
    assert [f.automation.name for f in stage.change("healthy", "degraded")] == ["b"]
    assert stage.triggers.stopped["filter"] == 1


def test_conditions_are_the_last_gate_and_see_the_health_of_the_moment(stage: Stage) -> None:
    stage.automation({"event": CHANGED, "for": "1m"}, conditions=["health.system.status == 'unhealthy'"])
    stage.change("healthy", "unhealthy")
    stage.status = {"shop": {"status": "degraded"}}
    assert stage.go(MINUTE) == []
    stage.change("degraded", "unhealthy")
    stage.status = {"shop": {"status": "unhealthy"}}
    assert len(stage.go(MINUTE)) == 1


def test_two_triggers_of_an_automation_fire_apart(stage: Stage) -> None:
    stage.automation({"id": "one", "event": CHANGED}, {"id": "two", "event": CHANGED})
    fired = stage.change("healthy", "degraded")
    assert [f.started.trigger_id for f in fired] == ["one", "two"]
    assert len({f.event_id for f in fired}) == 2


def test_what_is_held_back_is_stopped_after_the_filter_and_before_the_window(stage: Stage) -> None:
    window = {"count": 2, "within": "10m"}
    stage.automation({"event": CHANGED, "filter": "trigger.payload.newStatus != 'healthy'", "window": window})
    stage.held_back = True
    stage.change("healthy", "degraded")
    stage.change("degraded", "healthy")
    assert stage.triggers.stopped == {"suppressed": 1, "filter": 1}
    stage.held_back = False
    assert stage.change("healthy", "degraded") == [], "what was held back wasn't counted"
    assert len(stage.change("degraded", "unhealthy")) == 1


def test_a_dwell_that_is_over_while_it_is_held_back(stage: Stage) -> None:
    stage.automation({"event": CHANGED, "for": "5m"})
    stage.change("healthy", "degraded")
    stage.held_back = True
    assert stage.go(5 * MINUTE) == []


# -- window ----------------------------------------------------------------------------------------------------------


def test_window_every_fires_for_each_event_from_the_count_on(stage: Stage) -> None:
    stage.automation({"event": CHANGED, "window": {"count": 3, "within": "10m"}})
    found = []
    for _ in range(5):
        found.append(len(stage.change("healthy", "degraded")))
        stage.go(MINUTE)
    assert found == [0, 0, 1, 1, 1]
    stage.go(10 * MINUTE)
    assert stage.change("healthy", "degraded") == []


def test_window_once_fires_once_until_it_is_empty(stage: Stage) -> None:
    stage.automation({"event": CHANGED, "window": {"count": 2, "within": "10m", "refire": "once"}})
    found = []
    for _ in range(4):
        found.append(len(stage.change("healthy", "degraded")))
        stage.go(9 * MINUTE)
        stage.restart()
    assert found == [0, 1, 0, 0]
    stage.go(2 * MINUTE)
    assert stage.change("healthy", "degraded") == []
    assert len(stage.change("degraded", "healthy")) == 1


def test_window_counts_apart_for_each_part(stage: Stage) -> None:
    window = {"count": 2, "within": "10m", "partitionBy": "trigger.payload.systemId"}
    stage.automation({"event": CHANGED, "window": window})
    assert stage.change("healthy", "degraded") == []
    assert stage.change("healthy", "degraded", system="bank") == []
    assert len(stage.change("healthy", "degraded", system="bank")) == 1


def test_window_remembers_no_more_than_it_needs_and_forgets_when_it_is_empty(stage: Stage) -> None:
    stage.automation({"event": CHANGED, "window": {"count": 3, "within": "10m"}})
    for _ in range(50):
        stage.change("healthy", "degraded")
    (row,) = stage.kept.values()
    assert len(row.value["times"]) == 3
    stage.go(10 * MINUTE)
    assert stage.kept == {}


# -- dwell -----------------------------------------------------------------------------------------------------------

DOWN = {"event": CHANGED, "filter": "trigger.payload.newStatus == 'unhealthy'", "for": "5m"}
NOT_WELL = {"event": CHANGED, "filter": "trigger.payload.newStatus != 'healthy'", "for": "5m"}


def test_dwell_fires_when_it_has_stayed_so(stage: Stage) -> None:
    stage.automation(DOWN)
    assert stage.change("degraded", "unhealthy") == []
    assert stage.go(5 * MINUTE - 1) == []
    stage.restart()
    (fired,) = stage.go(1)
    assert payload(fired)["newStatus"] == "unhealthy"
    assert stage.go(HOUR) == []


def test_dwell_ends_with_the_other_change_of_the_same_context(stage: Stage) -> None:
    stage.automation(DOWN)
    stage.change("degraded", "unhealthy")
    stage.go(4 * MINUTE)
    stage.change("unhealthy", "degraded")
    assert stage.go(HOUR) == []


def test_dwell_of_one_system_or_environment_leaves_others_alone(stage: Stage) -> None:
    stage.automation(DOWN)
    stage.change("degraded", "unhealthy")
    stage.change("unhealthy", "healthy", system="bank")
    stage.change("unhealthy", "healthy", environment="production")
    assert len(stage.go(5 * MINUTE)) == 1


def test_dwell_goes_on_while_its_filter_holds(stage: Stage) -> None:
    stage.automation(NOT_WELL)
    stage.change("healthy", "degraded")
    stage.go(3 * MINUTE)
    stage.change("degraded", "unhealthy")
    (fired,) = stage.go(2 * MINUTE)
    assert payload(fired)["newStatus"] == "degraded", "it is the change that it began with"


def test_dwell_with_a_filter_on_what_it_was_before(stage: Stage) -> None:
    stage.automation({"event": CHANGED, "filter": "trigger.payload.previousStatus == 'healthy'", "for": "5m"})
    stage.change("healthy", "degraded")
    stage.change("degraded", "unhealthy")
    assert len(stage.go(5 * MINUTE)) == 1


def test_dwell_without_a_filter_begins_anew_with_each_change(stage: Stage) -> None:
    stage.automation({"event": CHANGED, "for": "5m"})
    stage.change("healthy", "degraded")
    stage.go(4 * MINUTE)
    stage.change("degraded", "unhealthy")
    assert stage.go(4 * MINUTE) == []
    assert len(stage.go(MINUTE)) == 1


def test_dwell_of_system_degraded_ends_when_it_is_well(stage: Stage) -> None:
    stage.automation({"event": "healthcheck.system_degraded", "for": "5m"})
    stage.change("healthy", "unhealthy")
    stage.change("unhealthy", "degraded")
    assert len(stage.go(5 * MINUTE)) == 1
    stage.change("healthy", "degraded")
    stage.change("degraded", "healthy")
    assert stage.go(HOUR) == []


def test_dwell_of_system_healthy_ends_when_it_isnt(stage: Stage) -> None:
    stage.automation({"event": "healthcheck.system_healthy", "for": "5m"})
    stage.change("degraded", "healthy")
    stage.change("healthy", "degraded")
    assert stage.go(HOUR) == []


def test_dwell_of_an_incident_ends_when_that_is_resolved(stage: Stage) -> None:
    stage.automation({"event": "incident.created", "for": "30m"})
    stage.tell("incident.created", {"incidentId": "i1"})
    stage.tell("incident.created", {"incidentId": "i2"})
    stage.tell("incident.resolved", {"incidentId": "i1"})
    assert [payload(f)["incidentId"] for f in stage.go(30 * MINUTE)] == ["i2"]


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("2m", 120), ("{{ 1 + 1 }}m", 120)])
def test_dwell_may_be_a_template(stage: Stage, text: str, seconds: int) -> None:
    rendered = text if "{{" in text else f"{{{{ '{text}' }}}}"
    stage.automation({"event": CHANGED, "for": rendered})
    stage.change("healthy", "degraded")
    assert stage.go(seconds - 1) == []
    assert len(stage.go(1)) == 1


def test_dwell_that_makes_no_sense_fires_never(stage: Stage) -> None:
    stage.automation({"event": CHANGED, "for": "{{ trigger.payload.systemId }}"})
    stage.change("healthy", "degraded")
    assert stage.go(30 * 24 * HOUR) == []


def test_dwell_comes_after_the_window(stage: Stage) -> None:
    stage.automation({**NOT_WELL, "window": {"count": 2, "within": "1h"}})
    stage.change("healthy", "degraded")
    assert stage.go(10 * MINUTE) == []
    stage.change("degraded", "healthy")
    stage.change("healthy", "degraded")
    assert len(stage.go(5 * MINUTE)) == 1


# -- what is gone ----------------------------------------------------------------------------------------------------


def test_a_removed_automation_fires_no_more_and_is_forgotten(stage: Stage) -> None:
    stage.automation(DOWN, interval(60))
    stage.change("degraded", "unhealthy")
    assert stage.kept
    stage.documents.clear()
    stage.restart()
    assert stage.kept == {}
    assert stage.go(HOUR) == []


def test_a_changed_trigger_forgets_and_its_neighbour_doesnt(stage: Stage) -> None:
    stage.automation(DOWN, interval(3600))
    stage.change("degraded", "unhealthy")
    stage.automation({**DOWN, "for": "6m"}, interval(3600))
    assert stage.go(10 * MINUTE) == []
    assert len(stage.go(50 * MINUTE)) == 1
