"""What has to hold, form by form; one that can't be evaluated counts as failed, and says why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reconciler.automate.conditions import changes_at, expression_holds, judge, judge_all, systems_of
from reconciler.automate.context import Scope
from reconciler.automate.port import Event, Started

SYSTEM = {
    "status": "unhealthy",
    "in_status_since": "2027-01-15T07:50:00.000Z",
    "in_status_for_ms": 600_000,
    "p95_latency_ms": 120.5,
    "transitions_in_window": 3,
    "in_maintenance": False,
    "environments": {"production": {"status": "unhealthy", "in_status_for_ms": 60_000}},
}
NOON = 1_800_000_000.0


class Outside:
    def __init__(self, at: float = NOON, known: bool = True) -> None:
        self.at, self.known = at, known

    def now(self) -> float:
        return self.at

    def health(self, system: str | None) -> dict[str, Any]:
        if not self.known:
            return {}
        healthy = {"status": "healthy", "in_status_for_ms": 5}
        return {"system": SYSTEM if system == "orders-api" else healthy, "systems": {"orders-db": healthy}}


def scope(at: float = NOON, *, known: bool = True, **payload: Any) -> Scope:
    event = Event("e1", "healthcheck.system_health_changed", at, {"newStatus": "unhealthy", **payload}, "orders-api")
    return Scope(Started(event, "down"), Outside(at, known))


HOLDS: dict[str, tuple[Any, bool]] = {
    "expression": ("trigger.payload.newStatus == 'unhealthy'", True),
    "expression-false": ("trigger.payload.newStatus == 'healthy'", False),
    "expression-health": (
        "health.system.p95_latency_ms > 100 and health.systems['orders-db'].status == 'healthy'",
        True,
    ),
    "expression-state": ("state.system['orders-db'].status == 'healthy'", True),
    "and": ({"and": ["true", "1 < 2"]}, True),
    "and-false": ({"and": ["true", "1 > 2"]}, False),
    "or": ({"or": ["false", "1 < 2"]}, True),
    "or-false": ({"or": ["false", "1 > 2"]}, False),
    "not": ({"not": "false"}, True),
    "not-false": ({"not": {"and": ["true"]}}, False),
    "numericState-above": ({"numericState": {"value": "health.system.p95_latency_ms", "above": 120}}, True),
    "numericState-above-strict": ({"numericState": {"value": "120.5", "above": 120.5}}, False),
    "numericState-below-strict": ({"numericState": {"value": "10", "below": 10}}, False),
    "numericState-between": ({"numericState": {"value": "11", "above": 10, "below": 12}}, True),
    "time": ({"time": {"after": "07:00", "before": "09:00", "timezone": "UTC"}}, True),
    "time-weekday": ({"time": {"weekday": [5], "timezone": "UTC"}}, True),
    "time-other-weekday": ({"time": {"weekday": [0, 6], "timezone": "UTC"}}, False),
    "state": ({"state": {"entity": "orders-api", "status": "unhealthy"}}, True),
    "state-other": ({"state": {"entity": "orders-api", "status": "healthy"}}, False),
    "state-for": ({"state": {"entity": "orders-api", "status": "unhealthy", "for": 600_000}}, True),
    "state-for-longer": ({"state": {"entity": "orders-api", "status": "unhealthy", "for": 600_001}}, False),
    "state-environment": ({"state": {"entity": "orders-api::production", "status": "unhealthy", "for": 60_000}}, True),
    "state-environment-for": (
        {"state": {"entity": "orders-api::production", "status": "unhealthy", "for": 61_000}},
        False,
    ),
    "state-of-one-not-named": ({"state": {"entity": "billing", "status": "healthy"}}, True),
    "state-template": ({"state": {"entity": "{{ trigger.payload.who }}", "status": "healthy"}}, True),
}


@pytest.mark.parametrize("name", HOLDS)
def test_condition(name: str) -> None:
    condition, holds = HOLDS[name]
    assert judge(condition, scope(who="orders-db")) == (holds, None)


BROKEN: dict[str, tuple[Any, str]] = {
    "undefined": (
        "trigger.payload.nothing == 1",
        "the condition can't be evaluated: `trigger.payload.nothing` is undef",
    ),
    "and": ({"and": ["true", "nothing.at.all"]}, "the condition.and[1] can't be evaluated: `nothing`"),
    "or": ({"or": ["nothing", "false"]}, "the condition.or[0] can't be evaluated"),
    "not": ({"not": "nothing.at.all"}, "the condition.not can't be evaluated"),
    "not-not": ({"not": {"not": "nothing"}}, "the condition.not.not can't be evaluated"),
    "text": ({"numericState": {"value": "'12'", "above": 1}}, "value is text, not a number; `| float` makes"),
    "null": ({"numericState": {"value": "none", "above": 1}}, "numericState.value is null, not a number"),
    "true": ({"numericState": {"value": "true", "above": 0}}, "is true or false, not a number"),
    "environment": (
        {"state": {"entity": "orders-api::moon", "status": "healthy"}},
        "of the health of orders-api::moon",
    ),
    "nobody": ({"state": {"entity": "{{ '' }}", "status": "healthy"}}, "nothing is known of the health of nothing"),
    "python": ("''.__class__.__mro__", "begins with an underscore"),
    "call": ("range(10)", "templates can't call functions"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_can_not_be_evaluated_counts_as_failed(name: str) -> None:
    condition, why = BROKEN[name]
    outside = scope(known=name != "nobody")
    judged = judge(condition, outside)
    assert not judged.holds
    assert judged.why is not None
    assert why in judged.why


def test_one_that_decides_makes_a_broken_one_harmless() -> None:
    assert judge({"or": ["nothing", "true"]}, scope()) == (True, None)
    assert judge({"and": ["nothing", "false"]}, scope()) == (False, None)
    assert judge_all([], scope()).holds
    assert judge_all(["true", "1 == 1"], scope()).holds
    assert judge_all(["true", "nothing"], scope()).why == (
        "conditions[1] can't be evaluated: `nothing` is undefined (templates see: artifacts, health, now, repeat, "
        "resume, state, trigger, variables)"
    )
    assert expression_holds("trigger.id == 'down'", scope()) == (True, None)


def test_health_that_can_not_be_had_is_empty() -> None:
    outside = scope(known=False)
    assert outside["health"] == {}
    judged = judge("health.system.status == 'healthy'", outside)
    assert not judged.holds
    assert judged.why is not None
    assert judge("(health.system.status | default('unknown')) == 'unknown'", outside) == (True, None)


def berlin(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=fold).timestamp()


def when(**more: Any) -> dict[str, Any]:
    return {"time": {"timezone": "Europe/Berlin", **more}}


NIGHT = when(after="22:00", before="06:00")
TIMES: list[tuple[str, dict[str, Any], str, bool]] = [
    ("after-is-inclusive", when(after="08:00"), "2027-01-15T08:00:00", True),
    ("just-before-after", when(after="08:00"), "2027-01-15T07:59:59", False),
    ("before-is-exclusive", when(before="18:00"), "2027-01-15T18:00:00", False),
    ("just-before-before", when(before="18:00"), "2027-01-15T17:59:59", True),
    ("seconds", when(after="08:00:30", before="08:00:31"), "2027-01-15T08:00:30", True),
    ("overnight-evening", NIGHT, "2027-01-15T22:00:00", True),
    ("overnight-midnight", NIGHT, "2027-01-16T00:00:00", True),
    ("overnight-morning", NIGHT, "2027-01-16T05:59:59", True),
    ("overnight-end", NIGHT, "2027-01-16T06:00:00", False),
    ("overnight-noon", NIGHT, "2027-01-16T12:00:00", False),
    ("sunday-is-0", when(weekday=[0]), "2027-01-17T12:00:00", True),
    ("monday-is-1", when(weekday=[1]), "2027-01-18T00:00:00", True),
    ("saturday-is-6", when(weekday=[6]), "2027-01-16T23:59:59", True),
    (
        "overnight-weekday-is-that-of-the-moment",
        when(after="22:00", before="06:00", weekday=[5]),
        "2027-01-16T02:00:00",
        False,
    ),
    ("winter", when(after="08:00", before="09:00"), "2027-01-15T08:30:00", True),
    ("summer", when(after="08:00", before="09:00"), "2027-07-15T08:30:00", True),
    ("skipped-hour", when(after="02:00", before="03:00"), "2027-03-28T03:00:00", False),
    ("after-within-the-skipped-hour", when(after="02:30"), "2027-03-28T03:00:00", True),
]


@pytest.mark.parametrize(("condition", "moment", "holds"), [pytest.param(*each[1:], id=each[0]) for each in TIMES])
def test_time(condition: dict[str, Any], moment: str, holds: bool) -> None:
    assert judge(condition, scope(berlin(moment))) == (holds, None)


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_comes_twice_is_there_twice(fold: int) -> None:
    assert judge(when(after="02:00", before="03:00"), scope(berlin("2027-10-31T02:30:00", fold))).holds


def test_a_zone_decides_about_the_day() -> None:
    late = datetime(2027, 1, 15, 23, 30, tzinfo=ZoneInfo("UTC")).timestamp()
    assert judge({"time": {"weekday": [5], "timezone": "UTC"}}, scope(late)).holds
    assert judge({"time": {"weekday": [6], "timezone": "Europe/Berlin"}}, scope(late)).holds


@pytest.mark.parametrize(
    ("condition", "moment", "change"),
    [
        (when(after="08:00"), "2027-01-15T07:00:00", "2027-01-15T08:00:00"),
        (when(after="08:00"), "2027-01-15T09:00:00", "2027-01-16T00:00:00"),
        (NIGHT, "2027-01-15T12:00:00", "2027-01-15T22:00:00"),
        (when(weekday=[1]), "2027-01-15T12:00:00", "2027-01-16T00:00:00"),
        (when(after="02:30"), "2027-03-28T01:00:00", "2027-03-28T03:30:00"),
        ({"and": ["true", {"not": when(before="18:00")}]}, "2027-01-15T17:00:00", "2027-01-15T18:00:00"),
    ],
)
def test_when_time_alone_can_change_it(condition: dict[str, Any], moment: str, change: str) -> None:
    found = changes_at(condition, scope(berlin(moment)))
    assert found is not None
    assert found <= berlin(change)
    assert judge(condition, scope(found - 0.001)).holds is judge(condition, scope(berlin(moment))).holds


def test_what_only_events_change_needs_no_clock() -> None:
    assert changes_at("health.system.status == 'healthy'", scope()) is None
    assert changes_at({"state": {"entity": "orders-api", "status": "healthy", "for": 1000}}, scope()) is None
    assert changes_at({"state": {"entity": "orders-api::moon", "status": "healthy", "for": 1000}}, scope()) is None
    lasting = {"state": {"entity": "orders-api", "status": "unhealthy", "for": 660_000}}
    assert changes_at({"or": [lasting, "false"]}, scope()) == NOON + 60
    assert changes_at({"numericState": {"value": "health.system.p95_latency_ms", "below": 9}}, scope()) == NOON + 60


def test_the_systems_an_automation_names(make_spec: Callable[..., dict[str, Any]]) -> None:
    spec = make_spec(
        {
            "usesState": ["a"],
            "conditions": [{"not": {"state": {"entity": "b::production", "status": "healthy"}}}],
            "actions": [
                {"waitUntil": {"condition": {"state": {"entity": "c", "status": "healthy"}}}},
                {"condition": {"state": {"entity": "{{ trigger.payload.systemId }}", "status": "healthy"}}},
            ],
        }
    )
    assert systems_of(spec) == {"a", "b", "c"}
