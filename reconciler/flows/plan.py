"""From a tree to a plan: read what wasn't read before, follow what it touches, compare, guard.

The first plan of a repository and the plan of one changed file are the same code. What makes the second one small: the
store knows which file each resource came from and the blob it had, and the edges between resources.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import InvalidDocuments, PlanRefused
from reconciler.flows.locate import Placer
from reconciler.flows.position import inputs_digest
from reconciler.flows.progress import Progress, Silent
from reconciler.flows.reading import Reading, read_tree
from reconciler.flows.resolve import Resolved, Start, resolve
from reconciler.flows.settings import Settings
from reconciler.flows.warnings import pack, unpack
from reconciler.model.plan import Action, BlobChange, Plan, ResourceChange, Stored, Totals
from reconciler.plan.safety import check_deletions, check_empty
from reconciler.store.port import Reader, SourceRow

if TYPE_CHECKING:
    from reconciler.source.tree import Tree


@dataclass(frozen=True, slots=True)
class Options:
    """How to plan, beside the settings."""

    force: bool = False
    """Lift the guards: deletions, empty source, held commit."""
    trust_external: bool = False
    """Take the names in ``external`` as given: there is no store to ask."""
    moved_past: Callable[[str], bool] = lambda held: True
    """Whether the tree is newer than the commit that a rollback turned away from."""


def make_plan(
    tree: Tree, settings: Settings, reader: Reader, *, options: Options | None = None, progress: Progress | None = None
) -> Plan:
    """The plan that brings the store to what ``tree`` says.

    Raises ``InvalidDocuments`` with every error of the repository, ``PlanRefused`` when a guard holds, ``SourceError``
    and ``StoreError``.
    """
    options, progress = options or Options(), progress or Silent()
    with reader.snapshot():
        row = reader.source(tree.name)
        grants = reader.grants(tree.name)
        inputs = inputs_digest(settings, grants)
        outside = reader.outside_count(tree.name)
        renewed = row is not None and row.inputs != inputs
        full = row is None or not row.tree or renewed or outside > 0
        known = reader.blobs(tree.name)
        reading = read_tree(tree, known, explicit=bool(settings.include), full=full, progress=progress)
        held_now, slices_now = reader.counts(tree.name)
        totals = _totals(reader, tree.name, reading)
        if not options.force:
            _guard_source(tree, row, reading, totals.documents, held_now, options)
        start = Start(
            source=tree.name,
            resources=reading.resources,
            previous=_previous(reader, tree.name, reading, full=full),
            deletion=settings.deletion,
            locate=Placer(tree.name, _reader_of(tree)),
            everything=full,
            renewed=renewed,
            same=reading.same,
            drifted=outside > 0,
            failed=reading.failed,
            failed_names=reading.failed_names,
            external=settings.external if options.trust_external else {},
            grants=grants,
        )
        resolved = resolve(start, reader, progress)
        diagnostics = sorted([*reading.diagnostics, *resolved.diagnostics], key=lambda d: d.order)
        if any(d.severity == "error" for d in diagnostics):
            raise InvalidDocuments(diagnostics)
        plan = Plan(
            source=tree.name,
            base=reader.generation(),
            kind="apply",
            commit=tree.commit or "",
            tree=tree.tree,
            inputs=inputs,
            resources=tuple(resolved.changes),
            slices=tuple(resolved.slices),
            blobs=_with_warnings(reading.blobs, diagnostics),
            forget_blobs=full,
            outside=outside,
            names=resolved.names,
            orphans=tuple(_lasting_orphans(reader, resolved.changes)),
            warnings=_warnings(reader, tree.name, reading, diagnostics),
            totals=replace(totals, **totals_after(resolved, held_now, slices_now)),
            reread=len(reading.blobs),
        )
    if not options.force:
        check_deletions(plan, held_now, settings.limits)
    return plan


def _guard_source(
    tree: Tree, row: SourceRow | None, reading: Reading, documents: int, held: int, options: Options
) -> None:
    if not reading.diagnostics:
        check_empty(tree.name, documents, held)
    if row is not None and row.held and not options.moved_past(row.held):
        raise PlanRefused(
            "held",
            f"source {tree.name} was rolled back from commit {row.held[:12]}, "
            f"and {(tree.commit or '')[:12]} is no newer",
            hint="commit what mends it, or pass --force",
        )


def _reader_of(tree: Tree) -> Callable[[str], bytes | None]:
    there = {path for path, _ in tree.entries()}
    return lambda path: next((data for _, data in tree.read([path])), None) if path in there else None


def _previous(reader: Reader, source: str, reading: Reading, *, full: bool) -> list[Stored]:
    return list(reader.resources(source=source, paths=None if full else reading.paths))


def _lasting_orphans(reader: Reader, changes: Sequence[ResourceChange]) -> list[Stored]:
    touched = {c.uid for c in changes}
    return [o for o in reader.orphans() if o.uid not in touched]


def _warnings(
    reader: Reader, source: str, reading: Reading, diagnostics: Sequence[Diagnostic]
) -> tuple[Diagnostic, ...]:
    """Of the files read now, and of those that weren't."""
    read = reading.paths
    kept = unpack(text for path, _, _, text in reader.blob_notes(source) if path not in read)
    return tuple(sorted({*kept, *diagnostics}, key=lambda d: d.order))


def _with_warnings(blobs: Sequence[BlobChange], warnings: Sequence[Diagnostic]) -> tuple[BlobChange, ...]:
    """Each file keeps its warnings, those between documents too, for the plans that don't read it again."""
    by_path: dict[str, list[Diagnostic]] = {}
    for d in warnings:
        if d.place is not None:
            by_path.setdefault(d.place.path, []).append(d)
    return tuple(b._replace(warnings=pack(by_path[b.path])) if b.path in by_path else b for b in blobs)


def _totals(reader: Reader, source: str, reading: Reading) -> Totals:
    _, documents, passed = reader.count_documents(source)
    _, documents_gone, passed_gone = reader.count_documents(source, reading.paths)
    return Totals(
        files=reading.files,
        documents=documents - documents_gone + sum(b.documents for b in reading.blobs),
        passed_over=passed - passed_gone + sum(b.passed_over for b in reading.blobs),
    )


def totals_after(resolved: Resolved, resources: int, slices: int) -> dict[str, int]:
    """How many there are once the decisions are carried out, given how many there are now."""
    for change in resolved.changes:
        resources += (change.action is Action.CREATE) - (change.action is Action.DELETE)
    for each in resolved.slices:
        slices += (each.action is Action.CREATE) - (each.action is Action.DELETE)
    return {"resources": resources, "slices": slices}
