"""The middle of every plan, whatever it starts from: link, match with the store, render what is touched, compare.

A plan of a commit starts from files, a rollback from an older generation; from here on they are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.base.diagnostics import Diagnostic, Fault
from reconciler.flows import link
from reconciler.flows.accounts import account_faults
from reconciler.flows.affected import Renderer, Work, affected
from reconciler.flows.grants import grant_faults
from reconciler.flows.journal import Journal
from reconciler.flows.progress import Progress
from reconciler.flows.world import World
from reconciler.model.plan import Action, Cause, ResourceChange, SliceChange, Stored
from reconciler.model.resource import Key, Resource
from reconciler.model.slice import SliceKey
from reconciler.plan.compare import compare_slices
from reconciler.plan.match import Deletion, match
from reconciler.store.port import Known


@dataclass(frozen=True, slots=True)
class Start:
    """What a plan starts from. ``previous`` is what the store holds of what ``resources`` replace."""

    source: str
    resources: Sequence[Resource]
    previous: Sequence[Stored]
    deletion: Deletion
    locate: Callable[[Resource, Fault], Diagnostic]
    everything: bool = False
    """All files were read, so that each system of them has to be rendered."""
    renewed: bool = False
    """Another tool read this: differences without a change in git are rewrites."""
    same: Collection[str] = ()
    """Files whose bytes are as they were when last applied."""
    journal: Journal | None = None
    """The writes outside an apply, where there were any."""
    identity: Mapping[Key, int] = field(default_factory=dict)
    """Who had these names before, for what comes back."""
    failed: Collection[Key] = ()
    failed_names: Collection[str] = ()
    external: Mapping[str, Sequence[str]] = field(default_factory=dict)
    grants: Sequence[tuple[str, str]] = ()
    past: bool = False
    """It was applied once already: what accounts may not do any more is told, and doesn't keep anybody from going
    back. It holds when it is done."""
    older: Callable[[Work, Uids, Collection[int]], Mapping[SliceKey, str]] | None = None
    """Tells the slices there were, of the work that was rendered and of these systems whole, where no store does."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Decisions, and everything that is wrong."""

    changes: list[ResourceChange]
    slices: list[SliceChange]
    names: dict[int, str]
    diagnostics: list[Diagnostic]
    world: World
    rendered: Mapping[SliceKey, tuple[str, bytes]]
    """Digest and body of all that was rendered, changed or not."""
    uids: dict[Key, int]
    """Of every part of what was rendered."""


def resolve(start: Start, reader: Known, progress: Progress) -> Resolved:
    """Diagnostics are complete; decisions are to be used only when none of them is an error."""
    fresh, twice = link.index(start.resources)
    diagnostics = list(link.duplicate_faults(twice, start.locate))
    world = World(reader, fresh, start.previous, failed=start.failed, failed_names=start.failed_names)
    journal = start.journal
    others = _others(reader, world, start)
    free = {k: s for k, s in others.items() if _free(s)}
    diagnostics += link.ownership_faults(fresh, [s for k, s in others.items() if k not in free], start.locate)
    diagnostics += grant_faults(start.source, start.resources, start.grants, start.locate)
    changes = match(
        start.previous,
        fresh,
        adoptable=free,
        deletion=start.deletion,
        next_uid=reader.next_uid(),
        drifted=journal.drifted(start.previous) if journal else {},
        inserted=journal.inserted(start.previous, fresh) if journal else (),
        identity={**(journal.lost(start.previous) if journal else {}), **start.identity},
        rewritten=start.same if start.renewed else (),
    )
    rows = list(fresh.values())
    diagnostics += link.reference_faults(world, rows, start.external, start.locate)
    diagnostics += account_faults(start.source, rows, start.grants, world, start.locate, mild=start.past)
    diagnostics += link.broken_by_removal(world, start.external, lambda s, f: start.locate(s.resource, f))
    diagnostics += link.membership_faults(world, fresh.values(), start.external, start.locate)
    diagnostics += link.cycle_faults(world, fresh.values(), start.locate)

    uids = Uids(world, changes, start.previous)
    work = affected(world, changes, everything=start.everything)
    progress.stage("rendering", 0)
    renderer = Renderer(world, uids, start.locate)
    if not any(d.code == "cycle" for d in diagnostics):
        renderer.run(work)
    diagnostics += renderer.diagnostics
    whole = _whole_systems(work, changes, uids)
    stored = start.older(work, uids, whole) if start.older else _stored_slices(reader, world, work, whole, uids)
    slices = compare_slices(
        renderer.slices,
        stored,
        journal=journal.slices if journal else None,
        broken=journal.broken if journal else (),
        renewed=start.renewed,
        changed=_really_changed(changes, work, uids),
    )
    if journal:
        slices += journal.mend(whole, renderer.slices)
        slices.sort(key=lambda c: (c.action.rank, c.key))
    return Resolved(changes, slices, _names(reader, slices, uids), diagnostics, world, renderer.slices, uids.known)


class Uids:
    """Uid by key, of what is there after the plan."""

    def __init__(self, world: World, changes: Sequence[ResourceChange], previous: Sequence[Stored]) -> None:
        self._world = world
        self.known = {s.resource.key: s.uid for s in previous}
        self.known.update((c.key, c.uid) for c in changes)

    def __call__(self, key: Key) -> int:
        found = self.known.get(key)
        if found is None:
            old = self._world.stored(key)
            found = self.known[key] = old.uid if old is not None else 0
        return found


def _others(reader: Known, world: World, start: Start) -> dict[Key, Stored]:
    """Rows of the fresh names, and of what they were called before, that none of the read files declared."""
    if world.empty:
        return {}
    mine = {s.resource.key for s in start.previous}
    keys = {k for k in world.fresh if k not in mine}
    former = {Key(k.kind, r.renamed_from) for k, r in world.fresh.items() if r.renamed_from}
    found = {s.resource.key: s for s in reader.resources(keys=keys | (former - mine))}
    # An old name that is still declared somewhere isn't adopted, nor a fault.
    return {k: s for k, s in found.items() if k in keys or _free(s)}


def _free(row: Stored) -> bool:
    """An orphan, or what was released: a new declaration may take it over with its history."""
    return row.status == "orphaned" or not row.resource.source


def _whole_systems(work: Work, changes: Sequence[ResourceChange], uids: Uids) -> set[int]:
    """Of which all slices are looked at."""
    gone = {c.uid for c in changes if c.key.kind == "System" and c.action is Action.DELETE}
    return {uids(key) for key in work.systems} | gone


def _stored_slices(
    reader: Known, world: World, work: Work, whole: Collection[int], uids: Uids
) -> Mapping[SliceKey, str]:
    """What the store holds of slices that were rendered, or that nobody wants any more."""
    if world.empty:
        return {}
    partial = {uids(key) for key in work.partial}
    checks = {uids(Key("Check", n)) for n in work.checks}
    environments = {uids(Key("Environment", n)) for n in work.environments}
    return {
        key: digest
        for key, digest in reader.slice_digests({*whole, *partial}).items()
        if key.system in whole or key.check in checks or key.environment in environments
    }


def _really_changed(changes: Sequence[ResourceChange], work: Work, uids: Uids) -> set[int]:
    """Uids whose slices differ because git did, not because of the tool."""
    found = {c.uid for c in changes if c.cause is Cause.CHANGE and c.action is not Action.KEEP}
    if any(c.uid in found and c.key.kind == "Environment" for c in changes):
        found |= {uids(Key("Environment", n)) for n in work.environments}
    return found


def _names(reader: Known, slices: Sequence[SliceChange], uids: Uids) -> dict[int, str]:
    wanted = {uid for c in slices for uid in c.key if uid}
    names = {uid: key.name for key, uid in uids.known.items() if uid in wanted}
    missing = wanted - names.keys()
    if missing:
        names.update((uid, key.name) for uid, key in reader.names(missing).items())
    return names
