"""What a focus names: that it is there at all, and what an environment extends, which changes it too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.flows.named import unknown_name
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


def ensure_known(focus: Focus, plan: Plan, reader: Known, external: Mapping[str, Sequence[str]]) -> None:
    """A name with a slip in it would show that nothing changes.

    Raises ``GitopsError`` for what was neither there before nor is now; ``external`` is taken as given.
    """
    asked = [focus.target] if focus.target is not None else []
    asked += [Key("Environment", focus.environment)] if focus.environment is not None else []
    changed = {key for c in plan.resources for key in (c.key, c.old.resource.key if c.old is not None else c.key)}
    for key in asked:
        if key in changed or key.name in external.get(key.kind, ()) or any(reader.resources(keys=[key])):
            continue
        near = {known for known in (*changed, *reader.names().values()) if known.kind == key.kind}
        names = {known.name for known in near}
        raise unknown_name(key.kind, key.name, names, otherwise="without this option everything is shown")


def _parents(r: Resource) -> set[Key]:
    return {Key(x.kind, x.name) for x in r.references if x.kind == "Environment"}
