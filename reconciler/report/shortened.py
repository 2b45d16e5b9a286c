"""What of a large plan is put into words at all: comparing ten thousand bodies that nobody is shown would be waste."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from reconciler.model.plan import Action, Cause, Plan, ResourceChange, SliceChange

_LOST = 200
_OTHERS = 30


class Shortened(NamedTuple):
    """``plan`` holds what is shown, the rest is counted by cause and action. For people, never to be applied."""

    plan: Plan
    more_resources: Counter[tuple[Cause, Action]]
    more_slices: Counter[tuple[Cause, Action]]


def whole(plan: Plan) -> Shortened:
    """Everything."""
    return Shortened(plan, Counter(), Counter())


def shorten(plan: Plan) -> Shortened:
    """The first of each kind. Slices that the line of a created resource counts are left out."""
    resources, more_resources = _first_resources(plan.resources)
    slices, more_slices = _first_slices(plan)
    return Shortened(replace(plan, resources=resources, slices=slices), more_resources, more_slices)


def _limit(action: Action) -> int:
    return _LOST if action in (Action.DELETE, Action.ORPHAN) else _OTHERS


def _first_resources(
    changes: Iterable[ResourceChange],
) -> tuple[tuple[ResourceChange, ...], Counter[tuple[Cause, Action]]]:
    seen: Counter[tuple[Cause, Action]] = Counter()
    shown = []
    for c in changes:
        seen[c.cause, c.action] += 1
        if seen[c.cause, c.action] <= _limit(c.action):
            shown.append(c)
    return tuple(shown), Counter({key: n - _limit(key[1]) for key, n in seen.items() if n > _limit(key[1])})


def _first_slices(plan: Plan) -> tuple[tuple[SliceChange, ...], Counter[tuple[Cause, Action]]]:
    created = {c.uid for c in plan.resources if c.action is Action.CREATE}
    told = [c for c in plan.slices if c.action is not Action.CREATE or created.isdisjoint(c.key)]
    groups: dict[tuple[Cause, Action], set[tuple[int, int]]] = {}
    for c in told:
        groups.setdefault((c.cause, c.action), set()).add((c.key.system, c.key.check))
    shown = {
        key: set(sorted(pairs, key=lambda p: tuple(plan.names.get(uid, "") for uid in p))[: _limit(key[1])])
        for key, pairs in groups.items()
    }
    kept, more = [], Counter[tuple[Cause, Action]]()
    for c in told:
        if (c.key.system, c.key.check) in shown[c.cause, c.action]:
            kept.append(c)
        else:
            more[c.cause, c.action] += 1
    return tuple(kept), more
