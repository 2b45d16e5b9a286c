"""From a JSON path inside a document to a line and a column, and the source line beside it.

Positions are computed only for documents that have a fault: the happy path of 10,000 documents never pays for them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from reconciler.base.diagnostics import Diagnostic, Fault, Path, Place
from reconciler.model.resource import Resource


class Located:
    """One file: its bytes, and the positions of those of its documents that were asked for."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self._data = data
        self._positions: dict[int, Any] = {}
        self._traces: dict[int, Callable[[Path], Path]] = {}
        self._lines: list[str] | None = None

    def diagnostic(self, nth: int, fault: Fault, *, original: Any = None) -> Diagnostic:
        """Place a fault of the ``nth`` document.

        ``original``: the document as it was written, when the fault's path is one of the migrated document.
        """
        place = self.place(nth, fault, original=original)
        return self.with_excerpt(Diagnostic(fault.code, fault.message, place, fault.hint, fault.severity))

    def place(self, nth: int, fault: Fault, *, original: Any = None) -> Place:
        """Line and column of a fault; the nearest thing that exists where its path doesn't."""
        from reconciler.source.positions import positions

        where = self._positions.get(nth)
        if where is None:
            where = self._positions[nth] = positions(self._data, nth)
        path = fault.path
        if original is not None:
            path = self._trace(nth, original)(path)
        if fault.at == "key":
            line, column = where.key(path)
        elif fault.offset is not None and original is None:
            line, column = where.inside(path, fault.offset)
        else:
            line, column = where.value(path)
        return Place(self.path, line, column)

    def original(self, nth: int) -> Any:
        """The ``nth`` document as it was written, when migrating it changes it; else None."""
        from reconciler.versioning.upgrade import upgrade

        value = _values(self._data).get(nth)
        return value if upgrade(value).steps else None

    def with_excerpt(self, diagnostic: Diagnostic) -> Diagnostic:
        """The same with its source line."""
        if self._lines is None:
            self._lines = self._data.decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
        place = diagnostic.place
        if place is None or not 1 <= place.line <= len(self._lines):
            return diagnostic
        return Diagnostic(
            diagnostic.code,
            diagnostic.message,
            place,
            diagnostic.hint,
            diagnostic.severity,
            self._lines[place.line - 1],
            diagnostic.related,
        )

    def _trace(self, nth: int, original: Any) -> Callable[[Path], Path]:
        if nth not in self._traces:
            from reconciler.versioning.trace import trace

            self._traces[nth] = trace(original)
        return self._traces[nth]


@lru_cache(maxsize=4)
def _values(data: bytes) -> dict[int, Any]:
    """Every document of a file by its number; kept, since the faults of one file come together."""
    from reconciler.source.yaml import load

    return {parsed.index: parsed.value for parsed in load(data)[0]}


class Placer:
    """Places faults of resources, whichever file they came from. ``read`` gives the bytes of a path, or None."""

    def __init__(self, source: str, read: Callable[[str], bytes | None]) -> None:
        self._source = source
        self._read = read
        self._files: dict[str, Located | None] = {}
        self._originals: dict[tuple[str, int], Any] = {}

    def __call__(self, resource: Resource, fault: Fault) -> Diagnostic:
        """The placed fault; only the first line of the document where its bytes can't be had."""
        file = self._file(resource.path) if resource.source == self._source else None
        if file is None:
            place = Place(resource.path, resource.line, 1)
            where = ""
            if resource.source != self._source:
                where = f" (in source {resource.source})" if resource.source else " (released from its source)"
            return Diagnostic(fault.code, fault.message + where, place, fault.hint, fault.severity)
        key = (resource.path, resource.nth)
        if key not in self._originals:
            self._originals[key] = file.original(resource.nth)
        return file.diagnostic(resource.nth, fault, original=self._originals[key])

    def _file(self, path: str) -> Located | None:
        if path not in self._files:
            data = self._read(path)
            self._files[path] = None if data is None else Located(path, data)
        return self._files[path]
