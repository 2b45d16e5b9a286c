"""What a change touched: the files that differ between two states of a source, and a way to look into the others.

The others are most of them. They are searched for names, and only those that may hold one are read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

from reconciler.base.diagnostics import Diagnostic
from reconciler.source.tree import Tree

_TOKEN = re.compile(rb"[A-Za-z0-9-]+")
_NAME = re.compile(rb"""name["']?\s*:\s*(?:[&!]\S+\s+)*["']?([A-Za-z0-9-]+)""")
_METADATA = re.compile(rb"""^[ \t{"',]*metadata""", re.MULTILINE)
_NEAR = 500
_ESCAPED = re.compile(rb"\\(?:[xuU]|\r?\n)")
"""In double quotes these may spell any word, so such a file may hold all of them."""


class Delta(Protocol):
    """``base`` is the commit that is compared with; ``total`` counts the files there are now."""

    @property
    def base(self) -> str:
        """The commit in hexadecimal digits."""

    @property
    def total(self) -> int:
        """How many files there are now, changed or not."""

    @property
    def paths(self) -> Collection[str]:
        """All files, of either state."""

    @property
    def changed(self) -> Sequence[str]:
        """Files that are new or differ, sorted."""

    @property
    def gone(self) -> Sequence[str]:
        """Files that only ``base`` has, sorted."""

    @property
    def faults(self) -> list[Diagnostic]:
        """Changed files that can't be read."""

    def now(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(path, content) of files there are now, changed or not. Raises ``SourceError``."""

    def before(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(path, content) in ``base``, of those of the paths that it has. Raises ``SourceError``."""

    def expect(self) -> None:
        """Look ahead of time for the names that the changed files declare, if that helps. Raises ``SourceError``."""

    def holding(self, words: Collection[str]) -> dict[str, bytes]:
        """Unchanged files that hold one of the words as a token of its own, or may; by path, with their contents."""


def may_hold(data: bytes, words: Collection[bytes]) -> bool:
    """Whether one of the words can be a scalar of this file."""
    return not words_of(data).isdisjoint(words) or _ESCAPED.search(data) is not None


def words_of(data: bytes) -> set[bytes]:
    """What can be a name in a file."""
    return set(_TOKEN.findall(data))


def names_in(data: bytes) -> set[bytes]:
    """What a file declares, as far as that can be told without parsing it."""
    return set(_NAME.findall(data))


def titles_in(data: bytes) -> set[bytes]:
    """The first name after each ``metadata``: most likely what the documents are called. A guess, to save time by."""
    found = (_NAME.search(data, match.end(), match.end() + _NEAR) for match in _METADATA.finditer(data))
    return {match[1] for match in found if match is not None}


class TreeDelta:
    """Between any two trees: everything is read. For what git can't compare by itself."""

    def __init__(self, before: Tree, now: Tree) -> None:
        self._before, self._now = before, now
        self._old, self._new = dict(before.entries()), dict(now.entries())
        self.base = before.commit or ""
        self.total = len(self._new)
        self.paths = self._old.keys() | self._new.keys()
        self.changed = [path for path, blob in sorted(self._new.items()) if self._old.get(path) != blob]
        self.gone = sorted(self._old.keys() - self._new.keys())
        known = {(d.place, d.message) for d in before.faults}
        self.faults = [d for d in now.faults if (d.place, d.message) not in known]
        self._unchanged: list[tuple[str, bytes, set[bytes] | None]] | None = None

    def now(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See the protocol."""
        return self._now.read(paths)

    def before(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See the protocol."""
        return self._before.read(path for path in paths if path in self._old)

    def expect(self) -> None:
        """Nothing: the first question reads everything, whatever it is."""

    def holding(self, words: Collection[str]) -> dict[str, bytes]:
        """See the protocol. The words of a file are kept; None stands for a file that may hold any."""
        if self._unchanged is None:
            paths = sorted(self._new.keys() - set(self.changed))
            self._unchanged = [
                (path, data, None if _ESCAPED.search(data) else words_of(data)) for path, data in self._now.read(paths)
            ]
        wanted = {word.encode() for word in words}
        return {path: data for path, data, held in self._unchanged if held is None or not held.isdisjoint(wanted)}
