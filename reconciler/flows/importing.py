"""Another tool's configuration to files of documents: read, composed, validated in memory, and only then written."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.base.canonical import digest
from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import GitopsError, InvalidDocuments, UsageError
from reconciler.flows.importing_file import MOST_BYTES, GivenFile
from reconciler.importers.compose import Composed, composed
from reconciler.importers.port import Imported, Importer, Note, Notes, Unreadable
from reconciler.importers.probe import Channel, Probe
from reconciler.importers.table import importer, importers, reader

if TYPE_CHECKING:
    from reconciler.importers.port import Read

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came of it: texts by path below the folder to write to, and all that a person has to know."""

    title: str
    read: int
    monitors: int
    files: dict[str, str]
    documents: dict[str, Counter[str]]
    """For each file, how many documents of which kind."""
    notes: tuple[Note, ...]


class NothingRead(GitopsError):
    """No file could be read, or there was nothing in them."""


def convert(format_: str, paths: Sequence[Path]) -> Conversion:
    """Read files (folders are searched, ``-`` is standard input) and make documents of them; nothing is written.

    Raises ``UsageError`` for an unknown format or a missing file, :class:`NothingRead`, and ``GitopsError`` where the
    documents wouldn't validate.
    """
    chosen = importer(format_, importers())
    files, notes = list(_given(paths, chosen)), Notes()
    readable = [file for file in files if _is_text(file, notes)]
    imported = _understood(reader(chosen), readable, notes)
    if not imported.probes:
        raise _nothing(chosen, files, notes)
    whole = _valid(imported, notes)
    if not whole.files:
        raise _nothing(chosen, files, notes)
    documents = {path: _kinds(text) for path, text in whole.files.items()}
    told = tuple(note for note in notes.all() if note.name is None or _named(note.name, whole.files))
    return Conversion(chosen.title, len(files), len(imported.probes), whole.files, documents, told)


def _named(secret: str, files: dict[str, str]) -> bool:
    """Whether a document names it: what was left out in the end may have had secrets as well."""
    reference = re.compile(rf"(?:secrets\.|secret: ){re.escape(secret)}(?![A-Za-z0-9_-])")
    return any(reference.search(text) for text in files.values())


def _given(paths: Sequence[Path], chosen: Importer) -> Iterator[GivenFile]:
    for path in paths:
        if str(path) == STDIN:
            yield GivenFile("standard input", sys.stdin.buffer.read(MOST_BYTES + 1), None)
            continue
        try:
            found = _below(path, chosen.suffixes) if path.is_dir() else [path]
            for place in found:
                if place.stat().st_size > MOST_BYTES:
                    raise UsageError(f"{place} is larger than {MOST_BYTES // 1024 // 1024} MB")
                yield GivenFile(str(place), place.read_bytes(), place)
        except OSError as error:
            raise UsageError(f"{error.filename or path} can't be read: {error.strerror}") from error


def _below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found = sorted(p for p in folder.rglob("*") if p.suffix in suffixes and p.is_file())
    if not found:
        raise UsageError(f"{folder} holds no file that ends with {' or '.join(suffixes)}")
    return found


def _is_text(file: GivenFile, notes: Notes) -> bool:
    try:
        return bool(file.text) or True
    except Unreadable as error:
        notes.unread(file, error)
        return False


def _understood(read: Read, files: Sequence[GivenFile], notes: Notes) -> Imported:
    try:
        return read(files, notes)
    except Unreadable as error:
        raise NothingRead(error.message, hint=error.hint) from error


def _nothing(chosen: Importer, files: Sequence[GivenFile], notes: Notes) -> NothingRead:
    told = notes.all()
    where = [f"{note.at}: {note.message}" for note in told if note.kind != "secret"][:20]
    names = ", ".join(file.name for file in files[:3]) + (" and others" if len(files) > 3 else "")
    message = "\n".join([f"nothing in {names} can be imported as {chosen.title}", *(f"  {line}" for line in where)])
    hint = next((note.hint for note in told if note.hint and note.kind != "secret"), "is it the right format?")
    return NothingRead(message, hint=hint)


def _valid(imported: Imported, notes: Notes) -> Composed:
    """The documents without those that nobody could write: each is told with what is wrong about it."""
    while True:
        whole = composed(imported, notes)
        errors = _errors(whole.files)
        if not errors:
            return whole
        culprits = {id(owner): (owner, why) for error in errors for owner, why in _to_blame(whole, error)}
        if not culprits:
            first = errors[0]
            raise GitopsError(
                f"the documents would not be valid; nothing was written: {first.place}: {first.message}",
                hint="this is a mistake of the importer; leave out what it speaks of",
            )
        for owner, error in culprits.values():
            notes.left(owner.at, f"{owner.title} can't be written as a document: {error.message}", error.hint)
        imported.probes = [probe for probe in imported.probes if id(probe) not in culprits]
        imported.channels = [channel for channel in imported.channels if id(channel) not in culprits]
        if not imported.probes:
            return Composed({}, {})


def _to_blame(whole: Composed, error: Diagnostic) -> list[tuple[Probe | Channel, Diagnostic]]:
    """Who is left out, and why: of several that share a document, those that are wrong on their own as well."""
    owners = _owners(whole, error)
    if len(owners) > 1:
        alone = [(owner, _errors(composed(_only(owner), Notes()).files)) for owner in owners]
        if guilty := [(owner, own[0]) for owner, own in alone if own]:
            return guilty
    return [(owner, error) for owner in owners]


def _only(owner: Probe | Channel) -> Imported:
    return Imported([owner], []) if isinstance(owner, Probe) else Imported([], [owner])


def _errors(files: dict[str, str]) -> list[Diagnostic]:
    """What ``gitops validate`` would say of these files alone, warnings left out."""
    from reconciler.flows.offline import offline_plan
    from reconciler.flows.settings import Settings

    try:
        offline_plan(_Written(files), Settings())
    except InvalidDocuments as invalid:
        return [d for d in invalid.diagnostics if d.severity == "error"]
    return []


def _owners(whole: Composed, error: Diagnostic) -> list[Probe | Channel]:
    """The monitors, or the channel, behind the document that a fault is in."""
    if error.place is None:
        return []
    kind, name = "", ""
    for parsed in _documents(whole.files[error.place.path]):
        if parsed.line <= error.place.line:
            kind, name = parsed.value["kind"], parsed.value["metadata"]["name"]
    return whole.owners.get((kind, name), [])


def _documents(text: str) -> list[Any]:
    from reconciler.source.yaml import load

    return load(text.encode())[0]


def _kinds(text: str) -> Counter[str]:
    return Counter(parsed.value["kind"] for parsed in _documents(text))


class _Written:
    """A :class:`~reconciler.source.tree.Tree` of texts that are nowhere yet."""

    name = "import"
    commit: str | None = None

    def __init__(self, files: dict[str, str]) -> None:
        self._files = {path: text.encode() for path, text in sorted(files.items())}
        self.faults: list[Diagnostic] = []
        self.tree = digest(*(part for path, data in self._files.items() for part in (path.encode(), data)))

    def entries(self) -> list[tuple[str, str]]:
        """(path, digest)."""
        return [(path, digest(data)) for path, data in self._files.items()]

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(path, content)."""
        return ((path, self._files[path]) for path in paths)
