"""A repository brought to the head version on paper: what every file would become, held against what it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.base.diagnostics import Diagnostic, Fault
from reconciler.base.errors import InvalidDocuments, UsageError
from reconciler.flows.forked import map_forked
from reconciler.flows.migrate_advice import advised
from reconciler.flows.migrate_file import FileChange, alike, migrate_file
from reconciler.flows.migrate_read import Wanted
from reconciler.flows.opened import Source
from reconciler.flows.progress import Progress, Silent
from reconciler.flows.resolve import Start, resolve
from reconciler.kinds.table import API_VERSION, KINDS, V1_KINDS, V1_UNSUPPORTED
from reconciler.model.resource import Key, Resource
from reconciler.policy.names import is_policy_file
from reconciler.store.open import open_store

TARGETS = (API_VERSION, "v2", "2")
"""Ways to name the version that documents are brought to; there is one."""


@dataclass(slots=True)
class Rewriting:
    """What a migration would do. ``files``: those that change. ``left`` is sorted by file and line."""

    files: list[FileChange] = field(default_factory=list)
    left: list[Diagnostic] = field(default_factory=list)
    read: int = 0
    current: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything would be written."""
        return bool(self.files)

    @property
    def faulty(self) -> bool:
        """Whether something was left because it can't be read or translated."""
        return any(d.severity == "error" for d in self.left)


def rewriting(
    source: Source,
    paths: Collection[Path] = (),
    *,
    only: Iterable[str] = (),
    to: str | None = None,
    progress: Progress | None = None,
) -> Rewriting:
    """Work out what every file becomes. Raises ``UsageError``, ``SourceError``, and ``InvalidDocuments``."""
    if to is not None and to not in TARGETS:
        raise UsageError(f"documents can't be brought to version {to!r}", hint=f"there is {API_VERSION}")
    progress = progress or Silent()
    tree = source.tree()
    entries = [path for path, _ in tree.entries() if not is_policy_file(path)]
    asked = _asked(source, entries, paths)
    wanted = Wanted(source.name, bool(source.settings.include), tuple(_named(name) for name in only))
    progress.stage("migrating", len(asked))
    contents = list(tree.read(asked))

    def work(item: tuple[str, bytes]) -> FileChange:
        return migrate_file(item[0], item[1], wanted)

    changes = map_forked(work, contents, progress.advance, own=1.02)
    changes = _without_lenient(changes, source, wanted)
    failed = [d for change in changes for d in change.failed]
    if failed:
        raise InvalidDocuments(failed)
    _hold_slices(changes, source)
    left = sorted({d for change in changes for d in change.left} | set(tree.faults), key=lambda d: d.order)
    return Rewriting(
        [change for change in changes if change.new is not None],
        left,
        len(changes),
        sum(change.current for change in changes),
    )


def _asked(source: Source, entries: list[str], paths: Collection[Path]) -> list[str]:
    """The files that the paths name, which are relative to the current folder. All of them where none is given."""
    if not paths:
        return entries
    chosen: set[str] = set()
    for path in paths:
        full = Path.cwd() / path
        folder = source.folder
        near = full.parent.resolve() / full.name if full.name else full.resolve()
        if not near.is_relative_to(folder):
            raise UsageError(f"{path} is outside of {folder}", hint="name files of the repository, or pass -C")
        if not full.exists():
            raise UsageError(f"there is no file or folder {path}")
        inside = near.resolve() if near.is_dir() else near
        below = inside.relative_to(folder).as_posix() if inside.is_relative_to(folder) else ""
        found = [entry for entry in entries if below in (".", entry) or entry.startswith(f"{below}/")]
        if not found:
            raise UsageError(f"{path} holds no documents", hint="the globs in gitops.yaml say which files do")
        chosen.update(found)
    return [entry for entry in entries if entry in chosen]


def _named(name: str) -> tuple[str, str]:
    kind, slash, rest = name.partition("/")
    kinds = {known.lower(): known for known in (*KINDS, *V1_KINDS, *V1_UNSUPPORTED)}
    if not slash or not rest or kind.lower() not in kinds:
        raise UsageError(f"{name!r} names no document", hint="write KIND/NAME, such as Check/orders-http")
    known = kinds[kind.lower()]
    return V1_KINDS.get(known, known), rest


def _without_lenient(changes: list[FileChange], source: Source, wanted: Wanted) -> list[FileChange]:
    """Leave documents alone that name an account nobody declares: version 1 warned, version 2 would refuse them."""
    there = {resource.key for change in changes for resource in change.before}
    there |= {Key(kind, name) for kind, names in source.settings.external.items() for name in names}
    if any(change.new is not None for change in changes):
        there |= _elsewhere(changes, source)
    leave: dict[tuple[str, int], Fault] = {}
    for change in changes:
        rewritten = {document.nth for document in change.documents}
        for resource in change.before:
            for x in resource.references:
                if x.lenient and resource.nth in rewritten and Key(x.kind, x.name) not in there:
                    message = f"there is no {x.kind} named {x.name!r}, which version 2 doesn't tolerate"
                    leave[change.path, resource.nth] = Fault(
                        "unresolved-reference", message, x.path, severity="warning"
                    )
    if not leave:
        return changes
    again = {path for path, _ in leave}
    strict = wanted._replace(leave=leave)
    redone = [migrate_file(c.path, c.old, strict) if c.path in again else c for c in changes]
    for change in redone:
        change.left = [advised(d, None) for d in change.left]
    return redone


def _elsewhere(changes: list[FileChange], source: Source) -> set[Key]:
    """The accounts of files that weren't asked for."""
    from reconciler.flows.load import read_file

    asked = {change.path for change in changes}
    others = [path for path, _ in source.tree().entries() if path not in asked and not is_policy_file(path)]
    return {
        resource.key
        for path, data in source.tree().read(others)
        if b"ServiceAccount" in data
        for resource in read_file(path, "", data, source=source.name, explicit=False).resources
    }


def _hold_slices(changes: list[FileChange], source: Source) -> None:
    """Render everything from the old resources and from the new ones, and compare. Raises ``InvalidDocuments``."""
    before = [r for change in changes for r in change.before]
    after = [r for change in changes for r in change.after]
    wrong = [
        Diagnostic("migration-failed", f"{old.key} would change")
        for old, new in zip(before, after, strict=True)
        if not alike(old, new)
    ]
    if not wrong and any(change.new is not None for change in changes):
        old_slices, new_slices = _slices(before, source), _slices(after, source)
        wrong = [
            Diagnostic("migration-failed", f"the slice {' '.join(key)} would change")
            for key in sorted(old_slices.keys() | new_slices.keys())
            if old_slices.get(key) != new_slices.get(key)
        ]
    if wrong:
        raise InvalidDocuments(wrong)


def _slices(resources: list[Resource], source: Source) -> dict[tuple[str, ...], str]:
    """The digests of all slices by names. What is wrong between documents is as wrong before as after."""
    store = open_store(":memory:")
    try:
        start = Start(
            source=source.name,
            resources=resources,
            previous=(),
            deletion="orphan",
            locate=lambda resource, fault: Diagnostic(fault.code, fault.message),
            everything=True,
            external=source.settings.external,
        )
        with store.snapshot():
            found = resolve(start, store, Silent())
    finally:
        store.close()
    return {tuple(found.names.get(uid, "") for uid in each.key): each.digest for each in found.slices}
