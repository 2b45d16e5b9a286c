"""A plan as people read it: the same list that an apply executes, with the fields that differ.

Slices are told once per system and check, with the environments side by side; what is equal in all is said once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from reconciler.base.canonical import loads
from reconciler.model.plan import Action, Cause, Plan, ResourceChange, SliceChange
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey
from reconciler.plan.fields import FieldChange, field_changes


class ResourceStory(NamedTuple):
    """One resource and its fields; a create and a delete have none."""

    change: ResourceChange
    fields: tuple[FieldChange, ...]


class SliceField(NamedTuple):
    """One field of a group of slices. ``values`` holds one pair for all (key ``None``) when ``common``."""

    path: str
    common: bool
    values: tuple[tuple[str | None, Any, Any], ...]
    """(environment, old, new)"""


class SliceStory(NamedTuple):
    """The slices of one system and check that share an action and a cause. ``None`` is the run without environment."""

    system: str
    check: str
    action: Action
    cause: Cause
    environments: tuple[str | None, ...]
    fields: tuple[SliceField, ...]


def resource_stories(plan: Plan) -> Iterator[ResourceStory]:
    """In the order of the plan; what is merely kept isn't told."""
    for change in plan.resources:
        if change.action is Action.KEEP:
            continue
        fields: tuple[FieldChange, ...] = ()
        if change.old is not None and change.new is not None:
            fields = tuple(field_changes(loads(change.old.resource.body), loads(change.new.body)))
        yield ResourceStory(change, fields)


def slice_stories(plan: Plan, old: Mapping[SliceKey, bytes]) -> Iterator[SliceStory]:
    """In the order of actions, then of names. ``old``: bodies of the slices that are updated, as stored."""

    def names(c: SliceChange) -> tuple[int, str, str, str]:
        return c.action.rank, _name(plan, c.key.system), _name(plan, c.key.check), c.cause.value

    for _, group in groupby(sorted(plan.slices, key=names), key=names):
        members = sorted(group, key=lambda c: _name(plan, c.key.environment))
        first = members[0]
        yield SliceStory(
            _name(plan, first.key.system),
            _name(plan, first.key.check),
            first.action,
            first.cause,
            tuple(_environment(plan, c) for c in members),
            tuple(_fields(plan, members, old)) if first.action is Action.UPDATE else (),
        )


def _fields(plan: Plan, members: list[SliceChange], old: Mapping[SliceKey, bytes]) -> Iterator[SliceField]:
    found: dict[str, list[tuple[str | None, Any, Any]]] = {}
    for c in members:
        if c.key in old:
            for path, was, now in field_changes(_loads(old[c.key]), _loads(c.body)):
                found.setdefault(path, []).append((_environment(plan, c), was, now))
    for path, values in sorted(found.items()):
        pairs = [(was, now) for _, was, now in values]
        same = len(values) == len(members) and all(p == pairs[0] for p in pairs)
        yield SliceField(path, same, ((None, *pairs[0]),) if same else tuple(values))


def _loads(body: bytes) -> Any:
    try:
        return loads(body)
    except ValueError:  # somebody wrote into the store by hand
        return body.decode("utf-8", "replace")


def _environment(plan: Plan, c: SliceChange) -> str | None:
    return None if c.key.environment == NO_ENVIRONMENT else _name(plan, c.key.environment)


def _name(plan: Plan, uid: int) -> str:
    return plan.names.get(uid, f"#{uid}") if uid else ""
