"""Faults between documents: names declared twice or owned elsewhere, references that lead nowhere, circles."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.base.diagnostics import Diagnostic, Fault, Path, Place
from reconciler.flows.world import World
from reconciler.model.plan import Stored
from reconciler.model.resource import Key, Reference, Resource

Locate = Callable[[Resource, Fault], Diagnostic]
"""Turns a fault of a resource's document into a placed diagnostic."""


class Duplicates(NamedTuple):
    """``first`` stays; each of ``again`` is a fault."""

    first: Resource
    again: list[Resource]


def index(resources: Iterable[Resource]) -> tuple[dict[Key, Resource], list[Duplicates]]:
    """By key, and what was declared more than once, in the order of files and lines."""
    found: dict[Key, Resource] = {}
    twice: dict[Key, Duplicates] = {}
    for r in sorted(resources, key=lambda r: (r.path, r.nth)):
        first = found.setdefault(r.key, r)
        if first is not r:
            twice.setdefault(r.key, Duplicates(first, [])).again.append(r)
    return found, list(twice.values())


def duplicate_faults(duplicates: Sequence[Duplicates], locate: Locate) -> Iterator[Diagnostic]:
    """One fault for each document that declares a name again."""
    for first, again in duplicates:
        for r in again:
            yield _with_related(
                locate(r, Fault("duplicate-name", f"{r.key} is declared twice", ("metadata", "name"))),
                "first declared here",
                Place(first.path, first.line, 1),
            )


def ownership_faults(fresh: Mapping[Key, Resource], others: Iterable[Stored], locate: Locate) -> Iterator[Diagnostic]:
    """``others``: active rows of the same names that none of the files read now declared before."""
    for other in others:
        mine, theirs = fresh[other.resource.key], other.resource
        if mine.source == theirs.source:
            fault = Fault("duplicate-name", f"{mine.key} is declared twice", ("metadata", "name"))
            yield _with_related(locate(mine, fault), "first declared here", Place(theirs.path, theirs.line, 1))
        else:
            fault = Fault(
                "owned-elsewhere",
                f"{mine.key} belongs to source {theirs.source} ({theirs.path}:{theirs.line})",
                ("metadata", "name"),
                hint="choose another name, or remove it there first: an orphan can be taken over",
            )
            yield locate(mine, fault)


def reference_faults(
    world: World, resources: Sequence[Resource], external: Mapping[str, Sequence[str]], locate: Locate
) -> Iterator[Diagnostic]:
    """References of these resources that resolve nowhere. ``external``: names to take as given."""
    world.fetch({Key(x.kind, x.name) for r in resources for x in r.references})
    for r in resources:
        for x in r.references:
            key = Key(x.kind, x.name)
            if world.find(key) is None and x.name not in external.get(x.kind, ()) and not world.excused(key):
                yield locate(r, _dangling(world, x))


def _dangling(world: World, x: Reference) -> Fault:
    old = world.stored(Key(x.kind, x.name))
    if old is not None and old.status == "orphaned":
        message = f"{x.kind} {x.name!r} is an orphan: it is gone from git"
        hint: str | None = "declare it again, or drop this"
    else:
        known = [k.name for k in world.fresh if k.kind == x.kind]
        near = difflib.get_close_matches(x.name, known, 1)
        message = f"there is no {x.kind} named {x.name!r}"
        hint = f"did you mean {near[0]!r}?" if near else None
    if x.lenient:
        return Fault("unresolved-reference", message, x.path, hint, "warning")
    return Fault("unresolved-reference", message, x.path, hint)


def broken_by_removal(
    world: World, external: Mapping[str, Sequence[str]], locate: Callable[[Stored, Fault], Diagnostic]
) -> Iterator[Diagnostic]:
    """Resources that stay and refer to something that goes, in this source or in another."""
    broken = world.referrers(world.gone)
    world.fetch(key for _, key, _ in broken)
    for _, key, x in sorted(broken, key=lambda b: (b[1], b[2].path)):
        referrer = world.stored(key)
        if referrer is None or referrer.status != "active" or x.lenient or world.excused(Key(x.kind, x.name)):
            continue
        if x.name in external.get(x.kind, ()):
            continue
        message = f"{key} still refers to {x.kind} {x.name!r}, which is gone"
        yield locate(referrer, Fault("unresolved-reference", message, x.path, hint="declare it again, or drop this"))


def membership_faults(
    world: World, resources: Iterable[Resource], external: Mapping[str, Sequence[str]], locate: Locate
) -> Iterator[Diagnostic]:
    """Warnings about assignments that name an environment which the system isn't in.

    Where one of the system's own environments isn't there, its name may be the one that is wrong, and that is told.
    """
    for r in resources:
        if r.key.kind != "System":
            continue
        members = {x.name for x in r.references if x.path[:2] == ("spec", "environments")}
        given = external.get("Environment", ())
        if any(world.find(Key("Environment", name)) is None and name not in given for name in members):
            continue
        checks = {x.path[2]: x.name for x in r.references if x.kind == "Check" and len(x.path) == 4}
        for x in r.references:
            if len(x.path) == 5 and x.path[1] == "checks" and x.kind == "Environment" and x.name not in members:
                if world.find(Key("Environment", x.name)) is None and x.name not in given:
                    continue  # that is told
                fault = Fault(
                    "outside-membership",
                    f"system {r.key.name} isn't in environment {x.name!r}, so {checks[x.path[2]]} doesn't run there",
                    x.path,
                    hint="add it to the system's environments, or leave it out here",
                    severity="warning",
                )
                yield locate(r, fault)


def cycle_faults(world: World, changed: Iterable[Resource], locate: Locate) -> Iterator[Diagnostic]:
    """Circles of ``extends`` and of dependencies that run through something that changed. Each is told once."""
    for kind in ("Environment", "System"):
        starts = sorted((r for r in changed if r.key.kind == kind and _next(r)), key=lambda r: r.key)
        yield from _cycles_of(world, starts, locate)


def _next(r: Resource) -> list[Reference]:
    return [x for x in r.references if x.kind == r.key.kind and x.path[1] in ("extends", "dependencies")]


def _cycles_of(world: World, starts: Sequence[Resource], locate: Locate) -> Iterator[Diagnostic]:
    done: set[Key] = set()
    for start in starts:
        trail: list[tuple[Resource, Iterator[Reference]]] = []
        on_trail: dict[Key, int] = {}
        if start.key not in done:
            trail.append((start, iter(_next(start))))
            on_trail[start.key] = 0
        while trail:
            resource, rest = trail[-1]
            x = next(rest, None)
            if x is None:
                trail.pop()
                del on_trail[resource.key]
                done.add(resource.key)
                continue
            target = Key(x.kind, x.name)
            if target in on_trail:
                circle = [r for r, _ in trail[on_trail[target] :]]
                if len(circle) > 1:  # something that needs itself is told by its own model
                    names = " → ".join([*(r.key.name for r in circle), target.name])
                    mine, path = _last_fresh(world, circle)
                    yield locate(mine, Fault("cycle", f"a circle: {names}", path))
            elif target not in done:
                found = world.find(target)
                if found is not None:
                    on_trail[target] = len(trail)
                    trail.append((found, iter(_next(found))))


def _last_fresh(world: World, circle: Sequence[Resource]) -> tuple[Resource, Path]:
    """The last member of a circle that was read now, and where it names the next: what its author can mend."""
    steps = zip(circle, [*circle[1:], circle[0]], strict=True)
    mine = [(r, x.path) for r, after in steps for x in _next(r) if x.name == after.key.name and r.key in world.fresh]
    return mine[-1]


def _with_related(d: Diagnostic, message: str, place: Place) -> Diagnostic:
    return Diagnostic(d.code, d.message, d.place, d.hint, d.severity, d.excerpt, (*d.related, (message, place)))
