"""Conditions: and, or, not, expressions, numbers, times, states.

A condition that can't be evaluated neither holds nor doesn't: it counts as failed, ``not`` can't turn it into success,
and only an ``or`` with another that holds, or an ``and`` with another that doesn't, can do without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.automate import daytime, rendering
from reconciler.automate.context import Scope
from reconciler.automate.rendering import Broken


class Judged(NamedTuple):
    """``why`` says why it counts as failed, where it could not be evaluated."""

    holds: bool
    why: str | None = None


def judge(condition: Any, scope: Scope, what: str = "the condition") -> Judged:
    """Whether a condition of a stored body (an expression, or a map) holds. ``what`` names it in ``why``."""
    try:
        return Judged(_holds(condition, scope, what))
    except Broken as broken:
        return Judged(False, str(broken))


def judge_all(conditions: Sequence[Any], scope: Scope, what: str = "conditions") -> Judged:
    """Whether all of them hold; without any, nothing stands in the way."""
    try:
        return Judged(_all(conditions, scope, what))
    except Broken as broken:
        return Judged(False, str(broken))


def expression_holds(source: str, scope: Scope, what: str = "the filter") -> Judged:
    """Whether a bare expression is true, such as the filter of a trigger."""
    return judge(source, scope, what)


def changes_at(condition: Any, scope: Scope) -> float | None:
    """When the condition may hold by the passing of time alone, at the earliest; None: only when something happens.

    Expressions that read the time, or numbers that slide with it, are looked at again every minute.
    """
    moments = [each for each in _changes(condition, scope) if each is not None]
    return min(moments, default=None)


def systems_of(spec: Mapping[str, Any]) -> frozenset[str]:
    """The systems that an automation names: those of ``usesState``, and those of its ``state`` conditions."""
    named = set(spec.get("usesState") or ())
    for state in _states([spec.get("conditions"), spec.get("actions")]):
        if "{{" not in state["entity"]:
            named.add(state["entity"].partition("::")[0])
    return frozenset(named)


def _holds(condition: Any, scope: Scope, what: str) -> bool:
    if isinstance(condition, str):
        return bool(rendering.evaluate(condition, scope, what))
    ((key, value),) = condition.items()
    return _TABLE[key](value, scope, what)


def _all(conditions: Sequence[Any], scope: Scope, what: str) -> bool:
    return _first(False, conditions, scope, what)


def _and(value: Any, scope: Scope, what: str) -> bool:
    return _all(value, scope, f"{what}.and")


def _or(value: Any, scope: Scope, what: str) -> bool:
    return _first(True, value, scope, f"{what}.or")


def _not(value: Any, scope: Scope, what: str) -> bool:
    return not _holds(value, scope, f"{what}.not")


def _first(wanted: bool, conditions: Sequence[Any], scope: Scope, what: str) -> bool:
    """``wanted`` as soon as one comes out so; else the opposite, unless one could not be evaluated."""
    broken: Broken | None = None
    for index, each in enumerate(conditions):
        try:
            if _holds(each, scope, f"{what}[{index}]") is wanted:
                return wanted
        except Broken as error:
            broken = broken or error
    if broken is not None:
        raise broken
    return not wanted


def _numeric(value: Mapping[str, Any], scope: Scope, what: str) -> bool:
    number = rendering.evaluate(value["value"], scope, f"{what}.numericState.value")
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        from reconciler.render.bounds import kind

        hint = "; `| float` makes a number of a text" if isinstance(number, str) else ""
        raise Broken(f"{what}.numericState.value is {kind(number)}, not a number{hint}")
    above, below = value.get("above"), value.get("below")
    return (above is None or number > above) and (below is None or number < below)


def _time(value: Mapping[str, Any], scope: Scope, what: str) -> bool:
    return daytime.within(value, scope.at)


def _state(value: Mapping[str, Any], scope: Scope, what: str) -> bool:
    known = _known(value, scope, what)
    return known["status"] == value["status"] and _left(value, known) <= 0


def _known(value: Mapping[str, Any], scope: Scope, what: str) -> Mapping[str, Any]:
    entity = rendering.text(value["entity"], scope, f"{what}.state.entity")
    name, _, environment = entity.partition("::")
    known = scope.system(name)
    if known is not None and environment:
        known = (known.get("environments") or {}).get(environment)
    if known is None or "status" not in known:
        raise Broken(f"{what}.state can't be judged: nothing is known of the health of {entity[:130] or 'nothing'}")
    return known


def _left(value: Mapping[str, Any], known: Mapping[str, Any]) -> float:
    """Milliseconds until the status has held for long enough."""
    return float(value.get("for") or 0) - float(known.get("in_status_for_ms") or 0)


_TABLE: dict[str, Callable[[Any, Scope, str], bool]] = {
    "and": _and,
    "or": _or,
    "not": _not,
    "numericState": _numeric,
    "time": _time,
    "state": _state,
}

_SLIDING = re.compile(r"\bnow\b|\bduration_since\b|\bolder_than\b|_ms\b|_since\b|\btransitions_in_window\b")
"""What an expression mentions when its value can change without anything happening."""


def _changes(condition: Any, scope: Scope) -> Iterable[float | None]:
    if isinstance(condition, str):
        yield scope.at + 60 if _SLIDING.search(condition) else None
        return
    ((key, value),) = condition.items()
    if key in ("and", "or"):
        for each in value:
            yield from _changes(each, scope)
    elif key == "not":
        yield from _changes(value, scope)
    elif key == "numericState":
        yield from _changes(value["value"], scope)
    elif key == "time":
        yield daytime.next_change(value, scope.at)
    else:
        yield _state_change(value, scope)


def _state_change(value: Mapping[str, Any], scope: Scope) -> float | None:
    try:
        known = _known(value, scope, "")
    except Broken:
        return None
    left = _left(value, known)
    return scope.at + left / 1000 if known["status"] == value["status"] and left > 0 else None


def _states(value: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(value, dict):
        state = value.get("state")
        if isinstance(state, dict) and isinstance(state.get("entity"), str) and "status" in state:
            yield state
        for each in value.values():
            yield from _states(each)
    elif isinstance(value, list):
        for each in value:
            yield from _states(each)
