"""Faults as values: what is wrong, where, and the way out.

Two forms, on purpose. A stage knows a fault by its JSON path inside one document (:class:`Fault`); only the flow that
still has the bytes turns it into a line and a column (:class:`Diagnostic`). So the happy path never pays for positions.
Codes are stable and documented in examples/reference/diagnostics.md; a code is never reused for something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
Path = tuple[str | int, ...]
"""A place inside one document: map keys and list indexes from its root, e.g. ``("spec", "checks", 0, "check")``."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file of the repository. ``line`` and ``column`` count from 1, columns in characters."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at ``path`` of one document (as it was handed to the stage that found it).

    ``at`` says whether the key or its value is meant; ``offset`` points into a string value (characters), as for a
    fault inside a template. A path that doesn't exist (a missing key) means its nearest ancestor that does.
    """

    code: str
    message: str
    path: Path = ()
    hint: str | None = None
    severity: Severity = "error"
    at: Literal["key", "value"] = "value"
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A fault with its place, as people and machines read it. ``excerpt`` is the source line, without its line end."""

    code: str
    message: str
    place: Place | None = None
    hint: str | None = None
    severity: Severity = "error"
    excerpt: str | None = None
    related: tuple[tuple[str, Place], ...] = ()

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Sort key: file, line, column, code, message; what has no place comes first."""
        p = self.place
        return (p.path, p.line, p.column, self.code, self.message) if p else ("", 0, 0, self.code, self.message)
