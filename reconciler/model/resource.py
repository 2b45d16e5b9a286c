"""A document brought to the head version, validated and normalised, with the names it refers to."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.base.diagnostics import Path


class Key(NamedTuple):
    """What a reference names: unique over all sources of a store."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Reference(NamedTuple):
    """``path`` is where it stands in the head document.

    ``lenient``: a version 1 document tolerates that it resolves nowhere, with a warning.
    """

    kind: str
    name: str
    path: Path
    lenient: bool = False


class Hole(NamedTuple):
    """A templatable string of the head document that holds a template, and the check its rendered text must pass."""

    path: Path
    source: str
    check: str
    """A name in ``reconciler.kinds.checks.CHECKS``."""


class Resource(NamedTuple):
    """``body`` is the canonical JSON of the normalised head document: ``{"metadata": ..., "spec": ...}``.

    Normalised means: defaults filled in, nulls left out, durations in milliseconds, inner configs at their head
    versions with pins, so that equal meaning gives equal bytes and whoever reads the store needs no models.
    """

    key: Key
    source: str
    path: str
    nth: int
    line: int
    body: bytes
    digest: str
    references: tuple[Reference, ...] = ()
    holes: tuple[Hole, ...] = ()
    secrets: tuple[str, ...] = ()
    protected: bool = False
    renamed_from: str | None = None
