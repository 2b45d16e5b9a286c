"""What an environment extends: whatever changes there changes in it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from reconciler.model.plan import Plan
from reconciler.model.resource import Key, Resource
from reconciler.plan.focus import Focus
from reconciler.store.port import Known


def with_ancestors(focus: Focus, plan: Plan, reader: Known) -> Focus:
    """The same, with all that its environment extends, before the plan or after it."""
    if focus.environment is None:
        return focus
    parents: defaultdict[Key, set[Key]] = defaultdict(set)
    for change in plan.resources:
        for r in (change.new, change.old.resource if change.old is not None else None):
            if r is not None and r.key.kind == "Environment":
                parents[r.key] |= _parents(r)
    found: set[Key] = set()
    front = {Key("Environment", focus.environment)}
    while front:
        found |= front
        for row in reader.resources(keys=front):
            parents[row.resource.key] |= _parents(row.resource)
        front = {above for key in front for above in parents[key]} - found
    return replace(focus, above=tuple(sorted(key.name for key in found)))


def _parents(r: Resource) -> set[Key]:
    return {Key(x.kind, x.name) for x in r.references if x.kind == "Environment"}
