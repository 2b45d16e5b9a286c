"""Who is who: what git declares now against what the store holds, by name, by rename, by adoption.

Pure. The caller gathers ``previous`` (what the store holds of the files that were read or are gone), and ``adoptable``
(orphans that a new declaration may take over).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple

from reconciler.model.plan import Action, Cause, ResourceChange, Stored
from reconciler.model.resource import Key, Resource

Deletion = Literal["orphan", "delete"]


class Was(NamedTuple):
    """A resource as it was applied, before somebody wrote to its row."""

    key: Key
    status: str
    digest: str
    body: bytes


def match(
    previous: Iterable[Stored],
    fresh: Mapping[Key, Resource],
    *,
    adoptable: Mapping[Key, Stored],
    deletion: Deletion,
    next_uid: int,
    drifted: Mapping[int, Was] | None = None,
    inserted: Collection[Stored] = (),
    identity: Mapping[Key, int] | None = None,
    rewritten: Collection[str] = (),
) -> list[ResourceChange]:
    """One decision for each resource that is new, differs, moved or is gone; nothing for what is as it was.

    ``drifted``: uids whose row is no longer as it was applied. ``inserted``: rows that no apply made. ``identity``: who
    had these names before, for what comes back. ``rewritten``: paths of files that are byte for byte as they were when
    applied, so that a difference is the tool's doing. New uids are given in the order of the keys.
    """
    drifted, identity = drifted or {}, identity or {}
    alien = {s.uid for s in inserted}
    rows = [_as_applied(s, drifted.get(s.uid)) for s in previous if s.uid not in alien]
    claimed = {identity[key] for key in fresh.keys() & identity.keys()}
    before = {s.resource.key: s for s in rows if s.uid not in claimed}
    by_uid = {s.uid: s for s in rows}
    changes = [ResourceChange(Action.DELETE, s.uid, s, None, Cause.DRIFT, "written by hand") for s in inserted]
    taken: set[int] = set()
    for key in sorted(fresh):
        new = fresh[key]
        old = by_uid.get(identity.get(key, 0)) or _counterpart(new, before, adoptable, fresh)
        if old is None or old.uid in taken:
            uid = identity.get(key, next_uid)
            was = drifted.get(uid)
            undone = was is not None and was.digest == new.digest
            cause, reason = (Cause.DRIFT, "deleted by hand") if undone else (Cause.CHANGE, "new in git")
            changes.append(ResourceChange(Action.CREATE, uid, None, new, cause, reason))
            next_uid += uid == next_uid
            continue
        taken.add(old.uid)
        change = _compare(old, new, drifted.get(old.uid), new.path in rewritten)
        if change is not None:
            changes.append(change)
    for s in rows:
        if s.uid not in taken:
            changes += _gone(s, deletion, drifted.get(s.uid))
    return sorted(changes, key=lambda c: (c.action.rank, c.key))


def _as_applied(row: Stored, was: Was | None) -> Stored:
    """With the name and the status that the row had; what it says stays what it says now."""
    return row if was is None else row._replace(status=was.status, resource=row.resource._replace(key=was.key))


def _counterpart(
    new: Resource, before: Mapping[Key, Stored], adoptable: Mapping[Key, Stored], fresh: Mapping[Key, Resource]
) -> Stored | None:
    old = before.get(new.key) or adoptable.get(new.key)
    if old is None and new.renamed_from:
        former = Key(new.key.kind, new.renamed_from)
        if former not in fresh:
            old = before.get(former) or adoptable.get(former)
    return old


def _compare(old: Stored, new: Resource, drifted: Was | None, rewritten: bool) -> ResourceChange | None:
    was = old.resource
    undone = drifted is not None and (drifted.digest, drifted.status) == (new.digest, "active")
    cause = Cause.DRIFT if undone else Cause.REWRITE if rewritten else Cause.CHANGE
    if was.key != new.key:
        return ResourceChange(Action.MOVE, old.uid, old, new, Cause.CHANGE, f"renamed from {was.key.name}")
    if was.source != new.source:
        reason = f"moved from source {was.source}" if was.source else "taken over, was released"
        return ResourceChange(Action.MOVE, old.uid, old, new, Cause.CHANGE, reason)
    if old.status == "orphaned":
        return ResourceChange(Action.UPDATE, old.uid, old, new, Cause.CHANGE, "declared again, was an orphan")
    if was.digest != new.digest or drifted is not None:
        return ResourceChange(Action.UPDATE, old.uid, old, new, cause, "written by hand" if undone else "")
    if _aside(was) != _aside(new):
        return ResourceChange(Action.KEEP, old.uid, old, new, Cause.CHANGE, "stands elsewhere")
    return None


def _aside(r: Resource) -> tuple[object, ...]:
    """What is stored beside the body. The tool may find other templates in it than an older release did."""
    return r.path, r.nth, r.line, r.references, r.holes, r.secrets, r.protected, r.renamed_from


def _gone(old: Stored, deletion: Deletion, was: Was | None) -> list[ResourceChange]:
    if old.status != "active":
        if was is None:
            return []
        applied = old._replace(resource=old.resource._replace(digest=was.digest, body=was.body))
        return [ResourceChange(Action.ORPHAN, old.uid, applied, None, Cause.DRIFT, "written by hand")]
    if deletion == "orphan":
        return [ResourceChange(Action.ORPHAN, old.uid, old, None, Cause.CHANGE, "gone from git")]
    if old.resource.protected:
        return [ResourceChange(Action.ORPHAN, old.uid, old, None, Cause.CHANGE, "gone from git, but protected")]
    return [ResourceChange(Action.DELETE, old.uid, old, None, Cause.CHANGE, "gone from git")]
