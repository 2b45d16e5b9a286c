"""One file brought to the head version: which documents change and how, and which have to be left to a person.

What comes out was loaded again: every document that is rewritten gives the resource that migrating in memory gave.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.base.diagnostics import Diagnostic, Fault, Place
from reconciler.flows.locate import Located
from reconciler.flows.migrate_advice import advised
from reconciler.flows.migrate_read import Read, Wanted
from reconciler.kinds.table import V1_KINDS
from reconciler.model.resource import Resource
from reconciler.rewrite.claims import same
from reconciler.rewrite.document import Rewritten, rewrites
from reconciler.rewrite.lean import leanest
from reconciler.rewrite.text import Edits
from reconciler.source.faults import Parsed
from reconciler.source.layout import layouts
from reconciler.versioning.upgrade import Upgraded

LOST = ("left-out", "v1-unknown-key")
"""Codes of what version 2 has nothing for: it stays as a comment, and is told."""


class Note(NamedTuple):
    """Something that happened to a line: a comment that lost its key, an alias that was written out."""

    place: Place
    text: str


@dataclass(slots=True)
class DocumentChange:
    """One document that is rewritten. ``steps`` are sentences."""

    nth: int
    line: int
    kind: str
    name: str
    steps: tuple[str, ...]
    comments: list[Note] = field(default_factory=list)
    expanded: list[Note] = field(default_factory=list)


@dataclass(slots=True)
class FileChange:
    """``new`` is None where nothing changes. ``left``: what a person has to decide; ``failed``: defects; they stop all.

    ``before`` and ``after`` are the resources of the file, read from the old and from the new bytes.
    """

    path: str
    old: bytes
    new: bytes | None = None
    documents: list[DocumentChange] = field(default_factory=list)
    left: list[Diagnostic] = field(default_factory=list)
    failed: list[Diagnostic] = field(default_factory=list)
    before: list[Resource] = field(default_factory=list)
    after: list[Resource] = field(default_factory=list)
    current: int = 0
    """Documents of ours that are at head already."""


@dataclass(slots=True)
class _Doc:
    """One document on its way. ``old`` is what its resource has to stay."""

    parsed: Parsed
    upgraded: Upgraded
    old: Resource
    ways: Iterator[Rewritten]
    way: Rewritten | None = None


def migrate_file(path: str, content: bytes, wanted: Wanted) -> FileChange:
    """Everything about one file. Never raises for what a file can hold."""
    change = FileChange(path, content)
    located = Located(path, content)
    before = Read.of(path, content, wanted)
    change.before = change.after = before.result.resources
    chosen = _chosen(before, located, wanted, change)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:  # told as a fault already
        return change
    found = layouts(content, before.tape) if chosen else {}
    todo: list[_Doc] = []
    for parsed, upgraded, old in chosen:
        layout = found.get(parsed.index)
        if layout is None:
            change.failed.append(_defect(located, parsed, "its text can't be taken apart"))
            continue
        data = _leanest(parsed.value, upgraded, old)
        noted = frozenset(f.path for f in upgraded.faults if f.code in LOST)
        ways = rewrites(layout, parsed.value, data, noted)
        todo.append(_Doc(parsed, upgraded._replace(data=data), old, ways))
    if todo:
        _settle(text, before, todo, located, wanted, change)
    return change


def _leanest(original: dict[str, Any], upgraded: Upgraded, old: Resource) -> dict[str, Any]:
    """What is to be written: the migrated document, less the empty things that change nothing."""
    from reconciler.kinds.validate import validate

    def same_meaning(candidate: Any) -> bool:
        found = validate(upgraded.kind or "", candidate)
        return found.body == old.body and not any(f.severity == "error" for f in found.faults)

    return leanest(original, upgraded.data or {}, same_meaning)


def _chosen(
    before: Read, located: Located, wanted: Wanted, change: FileChange
) -> list[tuple[Parsed, Upgraded, Resource]]:
    """The documents that can be rewritten, with what they mean; what can't goes to ``left``."""
    chosen: list[tuple[Parsed, Upgraded, Resource]] = []
    change.left += [
        located.with_excerpt(Diagnostic(f.code, f.message, Place(change.path, f.line, f.column), f.hint))
        for f in before.faults
    ]
    for parsed, upgraded in before.documents:
        if upgraded.foreign or not _asked(parsed.value, wanted.only):
            continue
        leave = wanted.leave.get((change.path, parsed.index))
        old = before.resource(parsed.index)
        if leave is not None:
            change.left.append(advised(located.diagnostic(parsed.index, leave, original=parsed.value), parsed.value))
        elif old is None:
            _leave(parsed, upgraded, before, located, change)
        elif upgraded.steps:
            told = [located.diagnostic(parsed.index, f) for f in upgraded.faults if f.code in LOST]
            change.left += [advised(diagnostic, parsed.value) for diagnostic in told]
            chosen.append((parsed, upgraded, old))
        else:
            change.current += 1
    return chosen


def _leave(parsed: Parsed, upgraded: Upgraded, before: Read, located: Located, change: FileChange) -> None:
    """A document with faults stays as it is; a step that broke down stops everything."""
    for fault in upgraded.faults:
        diagnostic = advised(located.diagnostic(parsed.index, fault), parsed.value)
        (change.failed if fault.code == "migration-failed" else change.left).append(diagnostic)
    following = (later.line for later, _ in before.documents if later.index > parsed.index)
    end = min(following, default=sys.maxsize)
    inside = [d for d in before.result.diagnostics if d.place is not None and parsed.line <= d.place.line < end]
    told = {d.place for d in change.left}
    change.left += [d for d in inside if d.severity == "error" and d.place not in told]


def _settle(text: str, before: Read, todo: list[_Doc], located: Located, wanted: Wanted, change: FileChange) -> None:
    """Try the ways of all documents at once; of those that don't hold, the next one, until all hold or have none."""
    for doc in todo:
        doc.way = next(doc.ways, None)
    while True:
        active = [doc for doc in todo if doc.way is not None]
        new = _edited(text, active)
        after = before.again(new, wanted)
        wrong = [doc for doc in active if not _holds(doc, after, located, change)]
        if not wrong:
            break
    for doc in todo:
        if doc.way is None and doc.upgraded.data is not None:
            what = "no edit of its text gives what migrating it in memory gives"
            change.failed.append(_defect(located, doc.parsed, what))
    old, changed = before.result.resources, after.result.resources
    if len(old) != len(changed) or not all(map(alike, old, changed)):
        change.failed.append(_defect(located, todo[0].parsed, "what stands beside it would change"))
    elif active:
        change.after, change.new = changed, new
        change.documents = [_told(doc, text, change.path) for doc in active]


def _edited(text: str, docs: list[_Doc]) -> bytes:
    edits = Edits()
    for doc in docs:
        if doc.way is not None:
            edits.extend(doc.way.edits)
    new = edits.apply(text, 0, len(text))
    if text[-1:] not in ("\r", "\n") and new[-1:] in ("\r", "\n"):  # the last line went, and with it the open end
        new = new[:-2] if new.endswith("\r\n") else new[:-1]
    return new.encode()


def _holds(doc: _Doc, after: Read, located: Located, change: FileChange) -> bool:
    """Whether the new text of a document says the same. If not, its next way is up; faults of its own leave it."""
    nth = doc.parsed.index
    upgraded = next((each for parsed, each in after.documents if parsed.index == nth), None)
    new = after.resource(nth)
    if upgraded is not None and not upgraded.steps and same(upgraded.data, doc.upgraded.data):
        if new is not None and alike(doc.old, new):
            return True
        reasons = _stricter(doc, located)
        if reasons:
            change.left += reasons
            doc.way = None
            doc.upgraded = doc.upgraded._replace(data=None)
            return False
    doc.way = next(doc.ways, None)
    return False


def _stricter(doc: _Doc, located: Located) -> list[Diagnostic]:
    """What version 2 refuses where version 1 only warned: a person has to mend it first."""
    from reconciler.kinds.validate import validate

    faults = validate(doc.upgraded.kind or "", doc.upgraded.data or {}).faults
    return [
        advised(located.diagnostic(doc.parsed.index, fault, original=doc.parsed.value), doc.parsed.value)
        for fault in faults
        if fault.severity == "error"
    ]


def alike(old: Resource, new: Resource) -> bool:
    """Whether two resources mean the same: all but their place, and how lenient their references are."""
    return _meaning(old) == _meaning(new)


def _meaning(r: Resource) -> tuple[Any, ...]:
    references = tuple((x.kind, x.name, x.path) for x in r.references)
    return (r.key, r.source, r.nth, r.body, r.digest, references, r.holes, r.secrets, r.protected, r.renamed_from)


def _told(doc: _Doc, text: str, path: str) -> DocumentChange:
    place = _places(text, path)
    data = doc.upgraded.data or {}
    told = DocumentChange(
        doc.parsed.index, doc.parsed.line, doc.upgraded.kind or "", str(data["metadata"]["name"]), doc.upgraded.steps
    )
    if doc.way is not None:
        told.comments = [Note(place(comment.at), comment.text) for comment in doc.way.comments]
        told.expanded = [Note(place(at), name) for at, name in doc.way.expanded]
    return told


def _places(text: str, path: str) -> Callable[[int], Place]:
    def place(at: int) -> Place:
        lines = text[:at].replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff").split("\n")
        return Place(path, len(lines), len(lines[-1]) + 1)

    return place


def _asked(value: Any, only: Collection[tuple[str, str]]) -> bool:
    if not only:
        return True
    metadata = value.get("metadata") if isinstance(value, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    kind = value.get("kind") if isinstance(value, dict) else None
    return any(n == name and k in (kind, V1_KINDS.get(str(kind))) for k, n in only)


def _defect(located: Located, parsed: Parsed, what: str) -> Diagnostic:
    fault = Fault(
        "migration-failed",
        f"this document can't be rewritten: {what}",
        (),
        "this is a defect of the tool; please report it",
    )
    return located.diagnostic(parsed.index, fault)
