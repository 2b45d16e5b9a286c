"""From a tree to a plan: read what wasn't read before, follow what it touches, compare, guard.

The first plan of a repository and the plan of one changed file are the same code. What makes the second one small: the
store knows which file each resource came from and the blob it had, and the edges between resources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import InvalidDocuments, PlanRefused
from reconciler.flows.accounts import accounts, judges_again
from reconciler.flows.journal import Journal
from reconciler.flows.locate import Placer
from reconciler.flows.policies import Policies, policies_of
from reconciler.flows.position import inputs_digest, lasting_orphans
from reconciler.flows.progress import Progress, Silent
from reconciler.flows.reading import Reading, read_tree
from reconciler.flows.resolve import Resolved, Start, resolve
from reconciler.flows.settings import Settings
from reconciler.flows.warnings import pack, unpack
from reconciler.model.plan import Action, BlobChange, Plan, Totals
from reconciler.plan.safety import check_deletions, check_empty
from reconciler.policy.names import is_policy_file
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
    policies: Policies | None = None
    """The rules to hold, whatever the source and the operator say; as for a rule's test cases."""


def make_plan(
    tree: Tree, settings: Settings, reader: Reader, *, options: Options | None = None, progress: Progress | None = None
) -> Plan:
    """The plan that brings the store to what ``tree`` says.

    Raises ``InvalidDocuments`` with every error of the repository, ``PlanRefused`` when a guard holds, ``SourceError``
    and ``StoreError``.
    """
    options, progress = options or Options(), progress or Silent()
    with reader.snapshot():
        policies = options.policies or policies_of(tree, settings)
        now = _Now.of(reader, tree.name, settings).judged_by(policies, tree)
        explicit = bool(settings.include)
        reading = read_tree(tree, now.blobs, explicit=explicit, full=now.full, progress=progress)
        again = set() if now.full else _judged_again(reader, tree.name, reading)
        if again:
            others = {path: blob for path, blob in tree.entries() if path not in again}
            reading.add(read_tree(tree, others, explicit=explicit, full=False, progress=progress))
        totals = _totals(reader, tree.name, reading)
        if not options.force:
            _guard_source(tree, now, reading, totals.documents, options)
        resolved = resolve(_start(tree, settings, reader, now, reading, options), reader, progress)
        lasting, passing = _policed(now.policies, resolved, reading, reader, tree)
        diagnostics = sorted([*reading.diagnostics, *resolved.diagnostics, *lasting], key=lambda d: d.order)
        if any(d.severity == "error" for d in (*diagnostics, *passing)):
            raise InvalidDocuments(sorted([*diagnostics, *passing], key=lambda d: d.order))
        plan = Plan(
            source=tree.name,
            base=reader.generation(),
            kind="apply",
            commit=tree.commit or "",
            tree=tree.tree,
            inputs=now.inputs,
            resources=tuple(resolved.changes),
            slices=tuple(resolved.slices),
            blobs=_with_warnings(reading.blobs, diagnostics),
            forget_blobs=now.full,
            outside=now.outside,
            names=resolved.names,
            orphans=lasting_orphans(reader, resolved.changes),
            warnings=_warnings(reader, tree.name, reading, [*diagnostics, *passing]),
            totals=replace(totals, **totals_after(reader, tree.name, resolved, (now.resources, now.slices))),
            reread=len(reading.blobs),
        )
    if not options.force:
        check_deletions(plan, now.resources, settings.limits)
    return plan


@dataclass(frozen=True, slots=True)
class _Now:
    """What the store knows of the source before the plan. ``renewed``: other inputs than when it was last applied.

    ``outside`` counts the writes made outside an apply.
    """

    row: SourceRow | None
    inputs: str
    grants: Sequence[tuple[str, str]]
    blobs: Mapping[str, str]
    outside: int
    renewed: bool
    active: int
    resources: int
    slices: int
    policies: Policies | None = None
    ruled_anew: bool = False
    """The repository's rules aren't those that the stored resources were judged by."""

    @staticmethod
    def of(reader: Reader, source: str, settings: Settings) -> _Now:
        row, grants = reader.source(source), reader.grants(source)
        inputs = inputs_digest(settings, grants)
        renewed = row is not None and row.inputs != inputs
        blobs, outside = reader.blobs(source), reader.outside_count(source)
        resources, slices = reader.counts(source)
        active = resources - sum(o.resource.source == source for o in reader.orphans())
        return _Now(row, inputs, grants, blobs, outside, renewed, active, resources, slices)

    @property
    def full(self) -> bool:
        """Every file has to be read, whatever was read before."""
        return self.row is None or not self.row.tree or self.renewed or self.outside > 0 or self.ruled_anew

    def judged_by(self, policies: Policies | None, tree: Tree) -> _Now:
        """The same, with the rules in force."""
        before = {path: sha for path, sha in self.blobs.items() if is_policy_file(path)}
        ruled_anew = before != {path: sha for path, sha in tree.entries() if is_policy_file(path)}
        return replace(self, policies=policies, ruled_anew=ruled_anew)


def _policed(
    policies: Policies | None, resolved: Resolved, reading: Reading, reader: Reader, tree: Tree
) -> tuple[Sequence[Diagnostic], Sequence[Diagnostic]]:
    """What the rules in force find: what is kept with its file, and what is told now."""
    if policies is None:
        return (), ()
    from reconciler.flows.policing import police

    sound = not any(d.severity == "error" for d in (*reading.diagnostics, *resolved.diagnostics))
    found = police(policies, resolved, reader, tree.name, locate=Placer(tree.name, _reader_of(tree)), sound=sound)
    return found.lasting, found.passing


def _start(tree: Tree, settings: Settings, reader: Reader, now: _Now, reading: Reading, options: Options) -> Start:
    return Start(
        source=tree.name,
        resources=reading.resources,
        previous=list(reader.resources(source=tree.name, paths=None if now.full else reading.paths)),
        deletion=settings.deletion,
        locate=Placer(tree.name, _reader_of(tree)),
        everything=now.full,
        renewed=now.renewed,
        same=reading.same,
        journal=Journal(reader, tree.name) if now.outside > 0 else None,
        failed=reading.failed,
        failed_names=reading.failed_names,
        external=settings.external if options.trust_external else {},
        grants=now.grants,
    )


def _judged_again(reader: Reader, source: str, reading: Reading) -> set[str]:
    """Unchanged files that may be judged otherwise now: they name an account that came, went or is another."""
    before = reader.resources(source=source, paths=reading.paths) if reading.paths else ()
    old = accounts(s.resource for s in before if s.status == "active")
    new = accounts(reading.resources)
    if old == new:
        return set()
    keys = {key for _, key, x in reader.referrers(old.keys() | new.keys()) if judges_again(x, old, new)}
    paths = {s.resource.path for s in reader.resources(keys=keys) if s.resource.source == source}
    return paths - reading.paths


def _guard_source(tree: Tree, now: _Now, reading: Reading, documents: int, options: Options) -> None:
    if not reading.diagnostics:
        check_empty(tree.name, documents, now.active)
    row = now.row
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


def totals_after(reader: Reader, source: str, resolved: Resolved, now: tuple[int, int]) -> dict[str, int]:
    """How many there are once the decisions are carried out, given how many resources and slices there are now."""
    moves = ((c.uid, c.old) for c in resolved.changes if c.action is Action.MOVE)
    adopted = {uid for uid, old in moves if old is not None and old.resource.source != source}
    resources, slices = now[0] + len(adopted), now[1] + (len(reader.slice_digests(adopted)) if adopted else 0)
    for change in resolved.changes:
        resources += (change.action is Action.CREATE) - (change.action is Action.DELETE)
    for each in resolved.slices:
        slices += (each.action is Action.CREATE) - (each.action is Action.DELETE)
    return {"resources": resources, "slices": slices}
