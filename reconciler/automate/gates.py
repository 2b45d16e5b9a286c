"""Between an event and a run: how often it has to come (window), and how long it has to stay (dwell)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.automate.context import Scope
from reconciler.automate.definitions import CHANGED, DEGRADED, HEALTH, HEALTHY, Trigger
from reconciler.automate.port import Event
from reconciler.base.durations import parse_duration
from reconciler.render.template import TemplateFault, compile_expression, compile_template

MONTH = 30 * 86_400.0
_ENDS = {
    "incident.created": ("incident.resolved", "incidentId"),
    "incident.updated": ("incident.resolved", "incidentId"),
    "maintenance.started": ("maintenance.completed", "maintenanceId"),
}
"""Event to what ends that it stays, and the key of the payload by which they belong together."""
_NOW_KEYS = ("newStatus", "healthyChecks", "totalChecks")


def through_window(
    window: Mapping[str, Any], value: Mapping[str, Any], at: float
) -> tuple[bool, dict[str, Any], float]:
    """Count an event of ``at`` in. Whether it passes, what is to be remembered, and when that is empty again."""
    within = window["within"] / 1000.0
    times = [t for t in value.get("times", ()) if t > at - within]
    fired = bool(value.get("fired")) and bool(times)
    times = sorted([*times, at])[-int(window["count"]) :]
    passes = len(times) >= window["count"]
    if window.get("refire") == "once":
        passes, fired = passes and not fired, fired or passes
    return passes, {"times": times, "fired": fired}, times[-1] + within


def partition(window: Mapping[str, Any], scope: Scope) -> str | None:
    """What the event is counted under; None where that can't be told, and the event doesn't pass then."""
    source = window.get("partitionBy")
    if source is None:
        return ""
    try:
        return compile_expression(source, clock=scope.clock).text(scope)[:500]
    except TemplateFault:
        return None


def dwell_seconds(dwell: int | str, scope: Scope) -> float | None:
    """How long it has to stay; None where the template can't be rendered to that."""
    if isinstance(dwell, int):
        return dwell / 1000.0
    try:
        text = compile_template(dwell, clock=scope.clock).render(scope).strip()
    except TemplateFault:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parse_duration(text) / 1000.0
        except ValueError:
            return None
    return seconds if 0.0 <= seconds <= MONTH else None


def part_of(event: Event) -> str:
    """What has to stay as it is for the time of a dwell: the same for all events that tell of it."""
    if event.name in HEALTH:
        return f"health/{event.payload.get('systemId')}/{event.payload.get('environmentId') or ''}"
    for begins, (ends, key) in _ENDS.items():
        if event.name in (begins, ends):
            return f"{key}/{event.payload.get(key)}"
    return f"{event.name}/{event.context_key or ''}"


def stays(trigger: Trigger, began: Mapping[str, Any], event: Event) -> bool | None:
    """After another event of the same part: whether what the trigger waits for is still so. None: the filter has to
    tell, about :func:`as_it_is_now`."""
    if trigger.event in HEALTH:
        if event.name != CHANGED:
            return True
        status = event.payload.get("newStatus")
        if trigger.event == DEGRADED:
            return None if status != "healthy" else False
        if trigger.event == HEALTHY:
            return status == "healthy"
        return None if trigger.filter is not None else False
    ends = _ENDS.get(trigger.event)
    return not (ends is not None and event.name == ends[0])


def as_it_is_now(began: Mapping[str, Any], event: Event) -> dict[str, Any]:
    """The payload a dwell began with, as it would be now: what it was before stays what it was before."""
    return {**began, **{key: event.payload[key] for key in _NOW_KEYS if key in event.payload}}
