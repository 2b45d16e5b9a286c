"""Which slices a change can touch, and their rendered bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.base.canonical import digest, dumps, loads
from reconciler.base.diagnostics import Diagnostic, Fault
from reconciler.flows.world import World, display_name
from reconciler.flows.wrong import ANY, Wrong
from reconciler.model.plan import Action, ResourceChange
from reconciler.model.resource import Key, Resource
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey
from reconciler.render.slices import CheckPieces, HoleFault, Memo, compile_check


@dataclass(slots=True)
class Work:
    """What has to be rendered: whole systems, and in the others what names one of ``checks`` or ``environments``."""

    systems: dict[Key, Resource] = field(default_factory=dict)
    partial: dict[Key, Resource] = field(default_factory=dict)
    checks: set[str] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)

    def names(self) -> Iterator[Key]:
        """What rendering asks for; of a system that is looked at for one check's sake, not the other checks."""
        for system in self.systems.values():
            yield from (Key(x.kind, x.name) for x in system.references if x.kind in ("Check", "Environment"))
        for system in self.partial.values():
            for x in system.references:
                if x.kind == "Environment" or (x.kind == "Check" and (self.environments or x.name in self.checks)):
                    yield Key(x.kind, x.name)


def affected(world: World, changes: Iterable[ResourceChange], *, everything: bool) -> Work:
    """Follow the changes through references: check and environment to systems, environment to those that extend it.

    ``everything``: another tool or other settings read this, so that each system has to be looked at.
    """
    work = Work()
    for change in changes:
        if change.new is None or change.action is Action.KEEP:
            continue
        kind, name = change.new.key
        if kind == "System":
            work.systems[change.new.key] = change.new
        elif kind == "Check":
            work.checks.add(name)
        elif kind == "Environment":
            work.environments.add(name)
    if everything:
        work.systems.update((k, r) for k, r in world.fresh.items() if k.kind == "System")
    _descend(world, work)
    keys = {Key("Check", n) for n in work.checks} | {Key("Environment", n) for n in work.environments}
    found = {key for _, key, _ in world.referrers(keys, "System")}
    found |= {
        k for k, r in world.fresh.items() if k.kind == "System" and any((x.kind, x.name) in keys for x in r.references)
    }
    world.fetch(found)
    for key in found - work.systems.keys():
        system = world.find(key)
        if system is not None:
            work.partial[key] = system
    return work


def _descend(world: World, work: Work) -> None:
    children: dict[str, list[str]] = {}
    for key, r in world.fresh.items():
        if key.kind == "Environment":
            for x in r.references:
                children.setdefault(x.name, []).append(key.name)
    front = set(work.environments)
    while front:
        keys = {Key("Environment", n) for n in front}
        below = {key.name for _, key, _ in world.referrers(keys, "Environment")}
        below |= {child for n in front for child in children.get(n, ())}
        front = below - work.environments
        work.environments |= front


class _Place(NamedTuple):
    """An environment as slices see it; ``uid`` is None when there is no such environment."""

    uid: int | None
    fields: dict[str, Any]


class Renderer:
    """Renders the slices of a :class:`Work`. ``uid`` gives the uid of every key that can be part of a slice."""

    def __init__(
        self, world: World, uid: Callable[[Key], int], locate: Callable[[Resource, Fault], Diagnostic]
    ) -> None:
        self._world = world
        self._uid = uid
        self._pieces: dict[str, CheckPieces | None] = {}
        self._seen: dict[str, dict[str, Any]] = {}
        self._places: dict[str | None, _Place] = {}
        self._memo: Memo = {}
        self._wrong = Wrong(world, locate)
        self.diagnostics: list[Diagnostic] = []
        self.slices: dict[SliceKey, tuple[str, bytes]] = {}

    def run(self, work: Work) -> None:
        """Render everything; results in ``slices`` (digest and body by key) and ``diagnostics``."""
        self._world.fetch(work.names())
        for system in work.systems.values():
            self._system(system, None)
        for system in work.partial.values():
            self._system(system, work)
        for name in work.checks:
            self._pieces_of(name)  # a check that no system runs has its templates looked at all the same
        self.diagnostics += self._wrong.diagnostics()

    def _system(self, system: Resource, only: Work | None) -> None:
        body = loads(system.body)
        spec = body["spec"]
        members: Sequence[str] = spec.get("environments") or ()
        seen = {"id": system.key.name, "name": display_name(body["metadata"]), "fields": spec.get("fields") or {}}
        for assignment in spec.get("checks") or ():
            name = assignment["check"]
            whole = only is None or name in only.checks
            if not whole and only is not None and not only.environments.intersection(members):
                continue
            pieces = self._pieces_of(name)
            check = self._world.find(Key("Check", name))
            if pieces is None or check is None:
                continue
            rest = dumps({k: v for k, v in assignment.items() if k not in ("check", "environments")})
            bound = pieces.bind(rest, self._seen[name], seen)
            self._wrong.add(system, check, ANY, bound.faults)
            uids = (self._uid(system.key), self._uid(check.key))
            for environment in _environments(assignment, members):
                if environment is None and not self._there((*members, *(assignment.get("environments") or ()))):
                    continue  # it would be in one of them, were the name right
                if not whole and only is not None and environment not in only.environments:
                    continue
                place = self._places.get(environment) or self._place(environment)
                if place.uid is None:
                    continue  # told as an unresolved reference, or taken as given
                text, faults = bound.render(environment, place.fields, self._memo)
                self._wrong.add(system, check, environment, faults)
                if not faults and not bound.faults:
                    self.slices[SliceKey(uids[0], uids[1], place.uid)] = (digest(text), text)

    def _there(self, environments: Sequence[str]) -> bool:
        return all(self._world.find(Key("Environment", name)) is not None for name in environments)

    def _place(self, environment: str | None) -> _Place:
        if environment is None:
            place = _Place(NO_ENVIRONMENT, {})
        else:
            key = Key("Environment", environment)
            resource = self._world.find(key)
            if resource is None or not self._world.whole(key):
                place = _Place(None, {})
            else:
                title = display_name(self._world.body(resource)["metadata"])
                fields = {**self._world.environment_fields(key), "id": environment, "name": title}
                place = _Place(self._uid(key), fields)
        self._places[environment] = place
        return place

    def _pieces_of(self, name: str) -> CheckPieces | None:
        if name not in self._pieces:
            check = self._world.find(Key("Check", name))
            pieces: CheckPieces | None = None
            faults: list[HoleFault] = []
            if check is not None:
                body = loads(check.body)
                metadata, spec = body["metadata"], body["spec"]
                self._seen[name] = {
                    "id": name,
                    "name": display_name(metadata),
                    "intervalSeconds": _seconds(spec.get("interval", 0)),
                }
                pieces, faults = compile_check(check, spec)
            self._pieces[name] = pieces
            if check is not None:
                self.diagnostics += [self._wrong.located(check, each) for each in faults]
        return self._pieces[name]


def _environments(assignment: Mapping[str, Any], members: Sequence[str]) -> Sequence[str | None]:
    """Null: all the system is in. A list: these, within membership, in its order. None left: one run without."""
    named = assignment.get("environments")
    if named is None:
        return members or (None,)
    return [m for m in members if m in named] or (None,)


def _seconds(ms: int) -> float | int:
    return ms // 1000 if ms % 1000 == 0 else ms / 1000
