"""What rendering found wrong: each fault of a template once, with all the environments that it is wrong in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from reconciler.base.diagnostics import Diagnostic, Fault, Place
from reconciler.flows.world import World
from reconciler.model.resource import Key, Resource
from reconciler.render.slices import HoleFault

ANY = ""
"""No environment's name: what is wrong in all of them."""

_TOLD = 5
"""So many environments are named, and shown as places."""
_FIELD = re.compile(r"\benvironment\.([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(slots=True)
class _One:
    """A fault of one template; ``system`` is the first that it was met on."""

    check: Resource
    system: Resource
    found: HoleFault
    environments: list[str | None] = field(default_factory=list)


class Wrong:
    """Collects; ``locate`` places a fault in the document of a resource."""

    def __init__(self, world: World, locate: Callable[[Resource, Fault], Diagnostic]) -> None:
        self._world = world
        self._locate = locate
        self._met: dict[tuple[object, ...], _One] = {}

    def add(self, system: Resource, check: Resource, environment: str | None, faults: Sequence[HoleFault]) -> None:
        """The faults of one slice, or of all slices of a check on a system (``ANY``)."""
        for each in faults:
            hole, fault = each
            form = environment if environment in (ANY, None) else "named"
            key = (check.key.name, hole.path, fault.code, fault.message, fault.offset, form)
            one = self._met.get(key)
            if one is None:
                one = self._met[key] = _One(check, system, each)
            if environment not in one.environments:
                one.environments.append(environment)

    def located(self, check: Resource, found: HoleFault) -> Diagnostic:
        """A fault that no environment has a part in."""
        hole, fault = found
        return self._locate(check, Fault(fault.code, fault.message, hole.path, fault.hint, offset=fault.offset))

    def diagnostics(self) -> Iterator[Diagnostic]:
        """All that was met, in the order of meeting."""
        for one in self._met.values():
            hole, fault = one.found
            where, hint = self._where(one)
            told = Fault(fault.code, f"{fault.message} ({where})", hole.path, hint, offset=fault.offset)
            found = self._locate(one.check, told)
            yield replace(found, related=(*found.related, *self._related(one)))

    def _where(self, one: _One) -> tuple[str, str | None]:
        system, check, fault = one.system, one.check, one.found.fault
        watched = f"system {system.key.name}"
        if system.source != check.source:
            watched += f" of source {system.source}" if system.source else ", which was released"
        first = one.environments[0]
        if first == ANY:
            return f"on {watched}", fault.hint
        if first is not None:
            return f"in {_listed([name for name in one.environments if name])}, on {watched}", fault.hint
        hint = "put the system into an environment, or use | default(...)"
        where = f"check {check.key.name} runs without an environment on {watched}"
        return where, fault.hint or (hint if fault.code == "template-undefined" else None)

    def _related(self, one: _One) -> Iterator[tuple[str, Place]]:
        """Of each environment the field that the template reads, or where it would stand."""
        names = _FIELD.findall(one.found.hole.source[one.found.fault.offset :]) or _FIELD.findall(one.found.hole.source)
        for environment in [name for name in one.environments if name][:_TOLD]:
            key: Key | None = Key("Environment", environment)
            at = Fault("", "", ("spec", "fields"), at="key")
            owner = self._world.find(Key("Environment", environment))
            while key is not None and names and (resource := self._world.find(key)) is not None:
                spec = self._world.body(resource)["spec"]
                if names[0] in (spec.get("fields") or {}):
                    owner, at = resource, Fault("", "", ("spec", "fields", names[0]))
                    break
                parent = spec.get("extends")
                key = Key("Environment", parent) if parent and parent != key.name else None
            place = self._locate(owner, at).place if owner is not None else None
            if place is not None:
                yield f"environment {environment}", place


def _listed(names: Sequence[str]) -> str:
    """``environment a``, ``environments a, b and 3 more``."""
    if len(names) == 1:
        return f"environment {names[0]}"
    if len(names) > _TOLD:
        return f"environments {', '.join(names[:_TOLD])} and {len(names) - _TOLD} more"
    return f"environments {', '.join(names[:-1])} and {names[-1]}"
