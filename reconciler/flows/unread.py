"""What the files say that a change doesn't touch, asked for by name: only files that may know of a name are read.

It stands where a store stands in a plan, so that linking and rendering are the same code for both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING

from reconciler.model.plan import Stored
from reconciler.model.resource import Key, Reference, Resource
from reconciler.model.slice import SliceKey
from reconciler.source.delta import Delta, names_in, words_of

if TYPE_CHECKING:
    from reconciler.flows.load import FileResult

_FIRST = 1 << 40
"""Uids of what is read on demand begin here, so that they never meet those which matching gives."""

_CUNNING = re.compile(
    rb"""name["']?\s*:\s*(?:[&!]\S+\s+)*[*#>|]   # the name is an alias, or comes lines later
       | (?:^|[\[{,:?-])\s*\?\s                  # a key on a line of its own
       | \\(?:[xuU]|\r?\n)                       # spelt by its code points, or cut
    """,
    re.MULTILINE | re.VERBOSE,
)
"""Where a file may declare a name and the pattern above doesn't see it."""


class Unread:
    """See :class:`~reconciler.store.port.Known`. ``failed`` and ``failed_names`` grow with the files that are read."""

    def __init__(self, delta: Delta, load: Callable[[str, bytes], FileResult]) -> None:
        self.delta, self._load = delta, load
        self.failed: set[Key] = set()
        self.failed_names: set[str] = set()
        self.read = 0
        """Documents of unchanged files that had to be read."""
        self._texts: dict[str, tuple[bytes, set[bytes], bool]] = {}
        self._searched: set[str] = set()
        self._files: dict[str, FileResult] = {}
        self._rows: dict[Key, list[Stored]] = {}
        self._hidden: frozenset[Key] = frozenset()
        self._uids = count(_FIRST)

    def add(self, resources: Iterable[Resource]) -> None:
        """Take these as known too: what stands in changed files and says the same as before."""
        for resource in resources:
            self._rows.setdefault(resource.key, []).append(self.row(resource))

    def row(self, resource: Resource) -> Stored:
        """The resource with a uid of its own."""
        return Stored(next(self._uids), resource, "active", 0)

    def hide(self, keys: Iterable[Key]) -> None:
        """These are touched: who they are now, and were before, is told elsewhere."""
        self._hidden = frozenset(keys)

    def declarers(self, keys: Collection[Key]) -> dict[Key, list[Stored]]:
        """Everything that declares one of the keys, the first by file and line first."""
        names = {key.name for key in keys}
        self.search(names)
        words = {name.encode() for name in names}
        for path, (data, held, cunning) in list(self._texts.items()):
            if cunning or (not held.isdisjoint(words) and not words.isdisjoint(names_in(data))):
                self._read(path)
        found = {key: self._rows[key] for key in keys if key in self._rows}
        return {key: sorted(rows, key=_order) for key, rows in found.items()}

    def search(self, names: Collection[str]) -> None:
        """Find the files that know of these names; once for each name, so that it may be done ahead of time."""
        new = {name for name in names if name and name not in self._searched}
        if not new:
            return
        self._searched |= new
        for path, data in self.delta.holding(new).items():
            if path not in self._texts:
                self._texts[path] = (data, words_of(data), _CUNNING.search(data) is not None)

    def generation(self) -> int:
        """Something is known, always."""
        return 1

    def next_uid(self) -> int:
        """Below all that are given here."""
        return 1

    def resources(self, *, keys: Collection[Key]) -> Iterator[Stored]:
        """What was met already isn't looked for again: who else declares it is a fault that was there before."""
        asked = [key for key in keys if key not in self._hidden]
        found = {key: self._rows[key] for key in asked if key in self._rows}
        found |= self.declarers([key for key in asked if key not in found])
        for rows in found.values():
            yield _first(rows)

    def referrers(self, keys: Collection[Key], kind: str | None = None) -> Iterator[tuple[int, Key, Reference]]:
        """By reading every file that mentions one of the names."""
        names = {key.name for key in keys}
        self.search(names)
        words = {name.encode() for name in names}
        for path, (_, held, cunning) in list(self._texts.items()):
            if cunning or not held.isdisjoint(words):
                self._read(path)
        for key, rows in self._rows.items():
            if kind not in (None, key.kind) or key in self._hidden:
                continue
            row = _first(rows)
            yield from ((row.uid, key, x) for x in row.resource.references if Key(x.kind, x.name) in keys)

    def names(self, uids: Collection[int] | None = None) -> dict[int, Key]:
        """Of everything that was read."""
        known = {s.uid: s.resource.key for rows in self._rows.values() for s in rows}
        return known if uids is None else {uid: known[uid] for uid in uids if uid in known}

    def slice_digests(self, systems: Collection[int] | None = None) -> dict[SliceKey, str]:
        """Nothing was rendered before."""
        return {}

    def _read(self, path: str) -> None:
        if path in self._files:
            return
        result = self._files[path] = self._load(path, self._texts[path][0])
        self.read += result.documents
        self.failed |= result.failed
        self.failed_names |= result.loose_names
        self.add(result.resources)


def _first(rows: Iterable[Stored]) -> Stored:
    return min(rows, key=_order)


def _order(row: Stored) -> tuple[str, int]:
    return row.resource.path, row.resource.nth
