"""Two environments of one commit side by side: what each system and check comes to in them once it is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from reconciler.base.canonical import loads
from reconciler.flows.named import unknown_name
from reconciler.flows.offline import offline_plan
from reconciler.flows.opened import Source
from reconciler.flows.progress import Progress
from reconciler.model.plan import Plan
from reconciler.model.resource import Key, Resource
from reconciler.plan.fields import FieldChange, field_changes


class SliceDifference(NamedTuple):
    """``only`` is the environment that alone has the slice; else ``fields`` differ, the first's values as the old."""

    system: str
    check: str
    only: str | None
    fields: tuple[FieldChange, ...]
    place: tuple[str, int]
    """File and line of the check."""


@dataclass(frozen=True, slots=True)
class EnvironmentsCompared:
    """``fields`` are those of the environments themselves, with what they inherit; ``slices`` is what isn't equal."""

    source: str
    commit: str
    names: tuple[str, str]
    fields: tuple[FieldChange, ...]
    slices: tuple[SliceDifference, ...]
    equal: int

    def only_in(self, name: str) -> int:
        """How many slices the other one hasn't got."""
        return sum(s.only == name for s in self.slices)

    @property
    def differing(self) -> int:
        """How many both have, and differ."""
        return sum(s.only is None for s in self.slices)


def compare_environments(
    source: Source, one: str, other: str, *, target: Key | None = None, progress: Progress | None = None
) -> EnvironmentsCompared:
    """All systems and checks, or those of ``target`` (a system or a check).

    Raises ``InvalidDocuments``, ``SourceError``, and ``GitopsError`` for an environment that isn't there.
    """
    plan = offline_plan(source.tree(), source.settings, progress=progress)
    resources = {c.new.key: c.new for c in plan.resources if c.new is not None}
    environments = {key.name for key in resources if key.kind == "Environment"}
    for name in (one, other):
        if name not in environments:
            raise unknown_name("environment", name, environments)
    first, second = (_bodies(plan, name, target) for name in (one, other))
    differences = [
        _difference(pair, first.get(pair), second.get(pair), (one, other), resources)
        for pair in sorted(first.keys() | second.keys())
        if first.get(pair) != second.get(pair)
    ]
    fields = field_changes(*(_fields(resources, name) for name in (one, other)))
    equal = sum(first[pair] == second[pair] for pair in first.keys() & second.keys())
    return EnvironmentsCompared(
        source.name, plan.commit, (one, other), tuple(fields), tuple(sorted(differences, key=_order)), equal
    )


Pair = tuple[str, str]
"""System and check."""


def _bodies(plan: Plan, environment: str, target: Key | None) -> dict[Pair, bytes]:
    found = {}
    for c in plan.slices:
        if c.key.environment and plan.names[c.key.environment] == environment:
            system, check = plan.names[c.key.system], plan.names[c.key.check]
            if target in (None, Key("System", system), Key("Check", check)):
                found[system, check] = c.body
    return found


def _difference(
    pair: Pair, first: bytes | None, second: bytes | None, names: tuple[str, str], resources: Mapping[Key, Resource]
) -> SliceDifference:
    system, check = pair
    declared = resources.get(Key("Check", check))
    place = (declared.path, declared.line) if declared is not None else ("", 0)
    if first is None or second is None:
        return SliceDifference(system, check, names[1] if first is None else names[0], (), place)
    return SliceDifference(system, check, None, tuple(field_changes(loads(first), loads(second))), place)


def _order(s: SliceDifference) -> tuple[bool, str, str]:
    """What only one has comes first."""
    return s.only is None, s.system, s.check


def _fields(resources: Mapping[Key, Resource], name: str) -> dict[str, Any]:
    """Of an environment and, underneath, of those it extends; none of them is a circle, or there were no plan."""
    resource = resources.get(Key("Environment", name))
    if resource is None:
        return {}
    spec = loads(resource.body)["spec"]
    above = _fields(resources, spec["extends"]) if spec.get("extends") else {}
    return {**above, **(spec.get("fields") or {})}
