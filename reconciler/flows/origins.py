"""From a slice of a generation to the line in git that declares its check."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.model.plan import Stored
from reconciler.store.port import Reader


class Origin(NamedTuple):
    """``commit`` is empty for a working tree, ``source`` for a resource that was released."""

    source: str
    path: str
    line: int
    commit: str


class _Stood(NamedTuple):
    """Where a check stood from one generation to another, both included."""

    since: int
    upto: int
    source: str
    path: str
    line: int


class Origins:
    """Looks up what is asked for, once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._stood: dict[int, list[_Stood]] = {}
        self._commits: dict[tuple[str, int], str] = {}
        self._history: list[tuple[int, str, str]] | None = None

    def of(self, check: int, generation: int) -> Origin | None:
        """Where the check with this uid stood in a generation; None where it didn't exist."""
        found = self._known(check, generation) or self._now(check, generation) or self._then(check, generation)
        if found is None:
            return None
        return Origin(found.source, found.path, found.line, self._commit(found.source, generation))

    def _known(self, check: int, generation: int) -> _Stood | None:
        return next((s for s in self._stood.get(check, ()) if s.since <= generation <= s.upto), None)

    def _now(self, check: int, generation: int) -> _Stood | None:
        """Most checks stand today where they stood then, and one row is quickly read."""
        name = self._reader.names({check}).get(check)
        rows = () if name is None else self._reader.resources(keys={name})
        self._remember((row for row in rows if row.uid == check), self._reader.generation())
        return self._known(check, generation)

    def _then(self, check: int, generation: int) -> _Stood | None:
        rows = self._reader.resources_at(generation)
        self._remember((row for row in rows if row.resource.key.kind == "Check"), generation)
        return self._known(check, generation)

    def _remember(self, rows: Iterable[Stored], upto: int) -> None:
        for row in rows:
            r = row.resource
            self._stood.setdefault(row.uid, []).append(_Stood(row.since, upto, r.source, r.path, r.line))

    def _commit(self, source: str, generation: int) -> str:
        """The commit of the source that was in force in that generation.

        The newest one may have moved on since: a document that only moved to another line makes no generation.
        """
        key = (source, generation)
        if key not in self._commits:
            self._commits[key] = self._found_commit(source, generation)
        return self._commits[key]

    def _found_commit(self, source: str, generation: int) -> str:
        if generation == self._reader.generation():
            row = self._reader.source(source)
            return row.commit if row is not None else ""
        if self._history is None:
            self._history = [(row.n, row.source, row.commit) for row in self._reader.history()]
        return next((commit for n, name, commit in self._history if n <= generation and name == source), "")
