"""From a slice of a generation to the line in git that declares its check."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.store.port import Reader


class Origin(NamedTuple):
    """``commit`` is empty for a working tree, ``source`` for a resource that was released."""

    source: str
    path: str
    line: int
    commit: str


class Origins:
    """Looks up what is asked for, once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._found: dict[tuple[int, int], Origin | None] = {}
        self._commits: dict[tuple[str, int], str] = {}
        self._history: list[tuple[int, str, str]] | None = None
        self._at: dict[int, dict[int, tuple[str, str, int]]] = {}

    def of(self, check: int, generation: int) -> Origin | None:
        """Where the check with this uid stood in a generation; None where it didn't exist."""
        key = (check, generation)
        if key not in self._found:
            place = self._places(generation).get(check)
            self._found[key] = None if place is None else Origin(*place, self._commit(place[0], generation))
        return self._found[key]

    def _places(self, generation: int) -> dict[int, tuple[str, str, int]]:
        """All checks of a generation: one look at the resources answers for every slice of it."""
        if generation not in self._at:
            current = generation == self._reader.generation()
            rows = self._reader.resources() if current else self._reader.resources_at(generation)
            self._at[generation] = {
                s.uid: (s.resource.source, s.resource.path, s.resource.line)
                for s in rows
                if s.resource.key.kind == "Check"
            }
        return self._at[generation]

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
