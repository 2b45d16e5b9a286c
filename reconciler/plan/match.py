"""Who is who: what git declares now against what the store holds, by name, by rename, by adoption.

Pure. The caller gathers ``previous`` (what the store holds of the files that were read or are gone), and ``adoptable``
(orphans that a new declaration may take over).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from reconciler.model.plan import Action, Cause, ResourceChange, Stored
from reconciler.model.resource import Key, Resource

Deletion = Literal["orphan", "delete"]


def match(
    previous: Iterable[Stored],
    fresh: Mapping[Key, Resource],
    *,
    adoptable: Mapping[Key, Stored],
    deletion: Deletion,
    next_uid: int,
    drifted: Mapping[int, str | None] | None = None,
    rewritten: Collection[str] = (),
) -> list[ResourceChange]:
    """One decision for each resource that is new, differs, moved or is gone; nothing for what is as it was.

    ``drifted``: uids whose row was written outside an apply, with the digest that was applied. ``rewritten``: paths of files that are byte for byte as
    they were when applied, so that a difference is the tool's doing. New uids are given in the order of the keys.
    """
    before = {s.resource.key: s for s in previous}
    changes: list[ResourceChange] = []
    taken: set[int] = set()
    for key in sorted(fresh):
        new = fresh[key]
        old = _counterpart(new, before, adoptable, fresh)
        if old is None:
            cause = Cause.CHANGE
            changes.append(ResourceChange(Action.CREATE, next_uid, None, new, cause, "new in git"))
            next_uid += 1
            continue
        taken.add(old.uid)
        change = _compare(old, new, drifted or {}, new.path in rewritten)
        if change is not None:
            changes.append(change)
    changes += (_gone(s, deletion) for s in before.values() if s.uid not in taken and s.status == "active")
    return sorted(changes, key=lambda c: (c.action.rank, c.key))


def _counterpart(
    new: Resource, before: Mapping[Key, Stored], adoptable: Mapping[Key, Stored], fresh: Mapping[Key, Resource]
) -> Stored | None:
    old = before.get(new.key) or adoptable.get(new.key)
    if old is None and new.renamed_from:
        former = Key(new.key.kind, new.renamed_from)
        if former not in fresh:
            old = before.get(former) or adoptable.get(former)
    return old


def _compare(
    old: Stored, new: Resource, drifted: Mapping[int, str | None], rewritten: bool
) -> ResourceChange | None:
    was = old.resource
    undone = old.uid in drifted and drifted[old.uid] == new.digest
    cause = Cause.DRIFT if undone else Cause.REWRITE if rewritten else Cause.CHANGE
    if was.key != new.key:
        return ResourceChange(Action.MOVE, old.uid, old, new, Cause.CHANGE, f"renamed from {was.key.name}")
    if was.source != new.source:
        reason = f"moved from source {was.source}" if was.source else "taken over, was released"
        return ResourceChange(Action.MOVE, old.uid, old, new, Cause.CHANGE, reason)
    if old.status == "orphaned":
        return ResourceChange(Action.UPDATE, old.uid, old, new, Cause.CHANGE, "declared again, was an orphan")
    if was.digest != new.digest or undone:
        return ResourceChange(Action.UPDATE, old.uid, old, new, cause, "")
    if (was.path, was.nth, was.line, was.references, was.protected) != (
        new.path,
        new.nth,
        new.line,
        new.references,
        new.protected,
    ):
        return ResourceChange(Action.KEEP, old.uid, old, new, Cause.CHANGE, "stands elsewhere")
    return None


def _gone(old: Stored, deletion: Deletion) -> ResourceChange:
    if deletion == "orphan":
        return ResourceChange(Action.ORPHAN, old.uid, old, None, Cause.CHANGE, "gone from git, keeps running")
    if old.resource.protected:
        return ResourceChange(Action.ORPHAN, old.uid, old, None, Cause.CHANGE, "gone from git, but protected")
    return ResourceChange(Action.DELETE, old.uid, old, None, Cause.CHANGE, "gone from git")
