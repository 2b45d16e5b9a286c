"""What becomes of things that are gone from git but keep running: deleted, or released from their source."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from reconciler.base.errors import GitopsError, PlanRefused
from reconciler.flows.position import lasting_orphans
from reconciler.model.plan import Action, Cause, Plan, ResourceChange, SliceChange, Stored, Totals
from reconciler.model.resource import Key
from reconciler.store.port import Reader


def plan_delete(reader: Reader, keys: Collection[Key], *, force: bool = False) -> Plan:
    """Delete these orphans of one source, and stop their slices.

    Raises ``GitopsError`` for what is no orphan, ``PlanRefused`` for a protected one unless ``force``.
    """
    with reader.snapshot():
        orphans = _orphans(reader, keys)
        for o in orphans:
            if o.resource.protected and not force:
                raise PlanRefused(
                    "protected",
                    f"{o.resource.key} carries gitops/protect, which outlives its document",
                    hint="if it's meant, pass --force",
                )
        gone = {o.uid for o in orphans}
        slices = [
            SliceChange(Action.DELETE, key, digest, "", b"")
            for key, digest in reader.slice_digests().items()
            if gone.intersection(key)
        ]
        changes = [ResourceChange(Action.DELETE, o.uid, o, None, Cause.CHANGE, "orphan deleted") for o in orphans]
        return _plan(reader, "delete", changes, slices)


def plan_release(reader: Reader, keys: Collection[Key]) -> Plan:
    """Let these orphans go: they keep running, belong to no source, and any source may declare and so adopt them."""
    with reader.snapshot():
        changes = [
            ResourceChange(Action.UPDATE, o.uid, o, o.resource._replace(source=""), Cause.CHANGE, "orphan released")
            for o in _orphans(reader, keys)
        ]
        return _plan(reader, "release", changes, [])


def _orphans(reader: Reader, keys: Collection[Key]) -> list[Stored]:
    found = {o.resource.key: o for o in reader.orphans()}
    missing = [str(k) for k in keys if k not in found]
    if missing:
        raise GitopsError(f"no such orphan: {', '.join(missing)}", hint="gitops orphan list shows what there is")
    owners = {found[k].resource.source for k in keys}
    if len(owners) != 1:
        raise GitopsError(
            f"these orphans come from {len(owners)} sources: {', '.join(sorted(owners))}",
            hint="name those of one source at a time",
        )
    return [found[k] for k in sorted(keys)]


def _plan(reader: Reader, kind: str, changes: list[ResourceChange], slices: list[SliceChange]) -> Plan:
    source = changes[0].old.resource.source if changes[0].old else ""
    row = reader.source(source)
    if row is None:
        raise GitopsError(f"source {source!r} isn't in the store")
    touched = {c.uid for c in changes}
    resources, there = reader.counts(source)
    parted = {c.key for c in slices} | reader.slice_digests(touched).keys()
    uids: Iterable[int] = {uid for c in slices for uid in c.key if uid}
    return Plan(
        source=source,
        base=reader.generation(),
        kind=kind,
        commit=row.commit,
        tree=row.tree,
        inputs=row.inputs,
        resources=tuple(changes),
        slices=tuple(sorted(slices, key=lambda c: c.key)),
        hold=row.held,
        names={uid: key.name for uid, key in reader.names(set(uids)).items()},
        orphans=lasting_orphans(reader, changes),
        totals=replace(Totals(**row.totals), resources=resources - len(changes), slices=there - len(parted)),
        note=", ".join(str(c.key) for c in changes),
    )
