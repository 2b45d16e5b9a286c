"""Whose run it is: uids of a slice's key to names, titles, interval and the fields of its environment.

Works on any :class:`Reader`: for a working tree without a store, apply its plan to one in memory and read that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from reconciler.base.canonical import loads
from reconciler.flows.world import display_name
from reconciler.model.resource import Key
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey
from reconciler.sandbox.runners.variables import Subject
from reconciler.store.port import Reader

_NOTHING: Mapping[str, Any] = {}


class Known(NamedTuple):
    """``fields`` are those of the environment, its parents' underneath; empty for a run without one. Read-only."""

    subject: Subject
    fields: Mapping[str, Any]


class _Named(NamedTuple):
    """A resource as subjects need it."""

    id: str
    name: str
    interval: float = 0.0
    fields: Mapping[str, Any] = _NOTHING


def environment_of(reader: Reader, name: str) -> tuple[str | None, dict[str, Any]]:
    """Title (else name) and fields of a current environment, its parents' underneath; None and nothing where there is
    none."""
    bodies: dict[Key, Any] = {}
    subjects, key = Subjects(reader), Key("Environment", name)
    subjects._read({key}, bodies, {})
    if key not in bodies:
        return None, {}
    return display_name(bodies[key]["metadata"]), subjects._fields(key, bodies, {})


class Subjects:
    """Remembers what it read until the generation changes. Belongs to the thread of its reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._generation = -1
        self._known: dict[int, _Named] = {}
        self._whole: dict[SliceKey, Known] = {}

    def of(self, key: SliceKey) -> Known:
        """Of one slice. What is gone meanwhile still has the name it last had; nothing is raised for it."""
        return self.many((key,))[key]

    def many(self, keys: Collection[SliceKey]) -> dict[SliceKey, Known]:
        """Of many slices, with a handful of questions to the store however many are new."""
        with self._reader.snapshot():
            generation = self._reader.generation()
            if generation != self._generation:
                self._generation, self._known, self._whole = generation, {}, {}
            new = [key for key in keys if key not in self._whole]
            self._load({uid for key in new for uid in key if uid != NO_ENVIRONMENT} - self._known.keys())
        for key in new:
            self._whole[key] = self._join(key)
        return {key: self._whole[key] for key in keys}

    def _join(self, key: SliceKey) -> Known:
        check, system = self._known[key.check], self._known[key.system]
        at = None if key.environment == NO_ENVIRONMENT else self._known[key.environment]
        subject = Subject(
            check_id=check.id,
            check_name=check.name,
            interval_seconds=check.interval,
            system_id=system.id,
            system_name=system.name,
            environment_id=at.id if at else None,
            environment_name=at.name if at else None,
        )
        return Known(subject, at.fields if at else _NOTHING)

    def _load(self, uids: Collection[int]) -> None:
        if not uids:
            return
        names = self._reader.names(uids)
        bodies: dict[Key, Any] = {}
        owners: dict[Key, int] = {}
        self._read(set(names.values()), bodies, owners)
        for uid in uids:
            key = names.get(uid)
            if key is None or owners.get(key) != uid:  # gone, and its name may be somebody else's by now
                name = key.name if key is not None else str(uid)
                self._known[uid] = _Named(name, name)
                continue
            body = bodies[key]
            fields = self._fields(key, bodies, owners) if key.kind == "Environment" else _NOTHING
            seconds = body["spec"].get("interval", 0) / 1000 if key.kind == "Check" else 0.0
            self._known[uid] = _Named(key.name, display_name(body["metadata"]), seconds, fields)

    def _read(self, keys: Collection[Key], bodies: dict[Key, Any], owners: dict[Key, int]) -> None:
        for found in self._reader.resources(keys=keys):
            bodies[found.resource.key] = loads(found.resource.body)
            owners[found.resource.key] = found.uid

    def _fields(self, key: Key, bodies: dict[Key, Any], owners: dict[Key, int]) -> dict[str, Any]:
        """Parents underneath. A parent that is gone or refers back can't be planned; here it ends the chain."""
        chain: list[Key] = []
        at: Key | None = key
        while at is not None and at not in chain:
            if at not in bodies:
                self._read({at}, bodies, owners)
            if at not in bodies:
                break
            chain.append(at)
            parent = bodies[at]["spec"].get("extends")
            at = Key("Environment", parent) if parent else None
        fields: dict[str, Any] = {}
        for link in reversed(chain):
            fields |= bodies[link]["spec"].get("fields") or {}
        return fields
