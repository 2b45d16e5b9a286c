"""What is true once the plan is applied: what was read now, laid over what the store holds.

One way for a first plan and for one changed file: the former finds everything in ``fresh``, the latter asks the store
for the few things that what changed refers to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler.base.canonical import loads
from reconciler.model.plan import Stored
from reconciler.model.resource import Key, Reference, Resource
from reconciler.store.port import Known


class World:
    """``fresh`` was read now; ``previous`` is what the store holds of the same files, which ``fresh`` replaces."""

    def __init__(
        self,
        reader: Known,
        fresh: Mapping[Key, Resource],
        previous: Collection[Stored],
        *,
        failed: Collection[Key] = (),
        failed_names: Collection[str] = (),
    ) -> None:
        self.reader = reader
        self.fresh = fresh
        self.empty = reader.generation() == 0
        self.replaced = {s.uid for s in previous}
        self.gone = {s.resource.key for s in previous} - fresh.keys()
        self._failed, self._failed_names = failed, failed_names
        self._stored: dict[Key, Stored | None] = {}
        self._bodies: dict[Key, Any] = {}
        self._fields: dict[Key, dict[str, Any]] = {}

    def fetch(self, keys: Iterable[Key]) -> None:
        """Ask the store for all of these at once, so that ``find`` needn't one by one."""
        missing = {k for k in keys if k not in self.fresh and k not in self.gone and k not in self._stored}
        if not missing:
            return
        self._stored.update(dict.fromkeys(missing))
        if not self.empty:
            self._stored.update((s.resource.key, s) for s in self.reader.resources(keys=missing))

    def stored(self, key: Key) -> Stored | None:
        """The store's row of something that wasn't read now and isn't gone."""
        if key in self.gone or key in self.fresh:
            return None
        self.fetch((key,))
        return self._stored[key]

    def find(self, key: Key) -> Resource | None:
        """What a reference resolves to; an orphan is nothing that one may refer to."""
        new = self.fresh.get(key)
        if new is not None:
            return new
        old = self.stored(key)
        return old.resource if old is not None and old.status == "active" else None

    def excused(self, key: Key) -> bool:
        """Its own document has a fault, so that a reference which misses it isn't one more."""
        return key in self._failed or key.name in self._failed_names

    def body(self, resource: Resource) -> Any:
        """Its parsed body; read-only."""
        found = self._bodies.get(resource.key)
        if found is None:
            found = self._bodies[resource.key] = loads(resource.body)
        return found

    def referrers(self, keys: Collection[Key], kind: str | None = None) -> list[tuple[int, Key, Reference]]:
        """Active resources that weren't read now and refer to one of ``keys``, by the store's edges."""
        if self.empty or not keys:
            return []
        return [r for r in self.reader.referrers(keys, kind) if r[0] not in self.replaced]

    def whole(self, key: Key) -> bool:
        """Whether an environment and all it extends are there; else nobody knows what fields it has."""
        seen: set[Key] = set()
        while key not in seen:
            seen.add(key)
            resource = self.find(key)
            if resource is None:
                return False
            parent = self.body(resource)["spec"].get("extends")
            if not parent:
                return True
            key = Key("Environment", parent)
        return True

    def environment_fields(self, key: Key) -> dict[str, Any]:
        """The fields of an environment, those of its parents underneath. A cycle or a hole is reported elsewhere."""
        chain: list[Key] = []
        current: Key | None = key
        while current is not None and current not in self._fields and current not in chain:
            chain.append(current)
            resource = self.find(current)
            parent = self.body(resource)["spec"].get("extends") if resource else None
            current = Key("Environment", parent) if parent else None
        inherited = self._fields.get(current, {}) if current is not None else {}
        for link in reversed(chain):
            resource = self.find(link)
            own = self.body(resource)["spec"].get("fields") or {} if resource else {}
            inherited = self._fields[link] = {**inherited, **own}
        return self._fields[key]


def display_name(metadata: Mapping[str, Any]) -> str:
    """What people call it: the title, else the name."""
    return str(metadata.get("title") or metadata["name"])
