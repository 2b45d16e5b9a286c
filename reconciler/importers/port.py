"""What an importer is given and what it gives back. Other distributions add importers by the same shapes.

An importer only understands its tool: it turns what stands in the files into :class:`~reconciler.importers.probe.Probe`
objects and tells :class:`Notes` what it couldn't. Names, environments, files and YAML are made for all of them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from reconciler.base.diagnostics import Path
from reconciler.importers.probe import At, Channel, Probe

GROUP = "gitops.importers"
"""The entry point group. An entry point names an :class:`Importer`."""


class Unreadable(Exception):
    """A file isn't what the importer reads. ``line`` counts from 1."""

    def __init__(self, message: str, line: int | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.line, self.hint = message, line, hint


class File(Protocol):
    """One file of the other tool."""

    @property
    def name(self) -> str:
        """As the user named it."""

    @property
    def text(self) -> str:
        """Its content."""

    def yaml(self) -> Any:
        """Its first document as plain values; None for an empty one. Raises :class:`Unreadable`."""

    def json(self) -> Any:
        """Its JSON as plain values. Raises :class:`Unreadable`."""

    def at(self, path: Path = ()) -> At:
        """The place of what is at ``path`` in its YAML or JSON."""

    def above(self, path: Path) -> tuple[str, ...]:
        """The comment that stands above what is at ``path``, line by line, without its marks."""

    def beside(self, path: Path) -> str | None:
        """The comment at the end of the line on which the value at ``path`` begins."""

    def matching(self, pattern: str) -> Sequence[File]:
        """The files that a glob in this file names, relative to its folder, sorted by name."""


class Note(NamedTuple):
    """Something a person has to know or do.

    ``left``: it has no equal here and wasn't carried over. ``changed``: it was carried over, but means something a
    little different. ``secret``: a secret that has to be set; ``name`` is its name. ``unread``: a file, or a part of
    one, that isn't what the tool itself could read.
    """

    kind: Literal["left", "changed", "secret", "unread"]
    at: At
    message: str
    hint: str | None = None
    name: str | None = None


class Notes:
    """Collects what didn't map, while an importer reads."""

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}

    def left(self, at: At, message: str, hint: str | None = None) -> None:
        """Not carried over; ``hint`` says what to do by hand."""
        self._notes[Note("left", at, message, hint)] = None

    def changed(self, at: At, message: str, hint: str | None = None) -> None:
        """Carried over, with a difference."""
        self._notes[Note("changed", at, message, hint)] = None

    def unread(self, file: File, error: Unreadable) -> None:
        """A whole file."""
        self._notes[Note("unread", At(file.name, "", error.line), error.message, error.hint)] = None

    def secret(self, name: str, at: At, message: str) -> None:
        """A secret that the documents name; ``message`` says what it has to hold, never its value."""
        self._notes[Note("secret", at, message, f"gitops secret set {name}", name)] = None

    def all(self) -> tuple[Note, ...]:
        """In the order of the files and their lines."""
        files = list(dict.fromkeys(note.at.file for note in self._notes))
        return tuple(sorted(self._notes, key=lambda note: (files.index(note.at.file), note.at.line or 0)))


@dataclass(slots=True)
class Imported:
    """What an importer understood."""

    probes: list[Probe] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)


Read = Callable[[Sequence[File], Notes], Imported]


class Importer(NamedTuple):
    """``read`` is ``package.module:function``; ``suffixes`` say which files of a folder are taken."""

    title: str
    read: str
    suffixes: tuple[str, ...]
