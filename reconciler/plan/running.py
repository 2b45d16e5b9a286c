"""What a plan does to the schedule: which checks begin to run where, which end, and which run more or less often."""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.base.canonical import loads
from reconciler.model.plan import Action, Plan
from reconciler.model.slice import NO_ENVIRONMENT


class Turn(NamedTuple):
    """A check on a system that begins or ends. ``None`` among the environments is the run without one."""

    system: str
    check: str
    environments: tuple[str | None, ...]


class Pace(NamedTuple):
    """A check whose interval changes, in milliseconds."""

    check: str
    old: int
    new: int


class Running(NamedTuple):
    """All three, sorted by name."""

    starts: tuple[Turn, ...]
    stops: tuple[Turn, ...]
    paces: tuple[Pace, ...]


def running(plan: Plan) -> Running:
    """By the slices of the plan and the checks that it changes."""
    paces = []
    for c in plan.resources:
        if c.key.kind == "Check" and c.old is not None and c.new is not None:
            old, new = (_interval(body) for body in (c.old.resource.body, c.new.body))
            if old != new:
                paces.append(Pace(c.key.name, old, new))
    return Running(_turns(plan, Action.CREATE), _turns(plan, Action.DELETE), tuple(sorted(paces)))


def _turns(plan: Plan, action: Action) -> tuple[Turn, ...]:
    found: dict[tuple[str, str], list[str | None]] = {}
    for c in plan.slices:
        if c.action is action:
            system, check, environment = (plan.names.get(uid, f"#{uid}") for uid in c.key)
            place = None if c.key.environment == NO_ENVIRONMENT else environment
            found.setdefault((system, check), []).append(place)
    return tuple(Turn(*key, tuple(sorted(places, key=str))) for key, places in sorted(found.items()))


def _interval(body: bytes) -> int:
    try:
        spec: Any = loads(body)["spec"]
        return int(spec["interval"])
    except (ValueError, KeyError, TypeError):  # somebody wrote it by hand
        return 0
