"""Rendered slices against stored ones. Pure; a million comparisons a second."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reconciler.model.plan import Action, Cause, SliceChange
from reconciler.model.slice import SliceKey


def compare_slices(
    wanted: Mapping[SliceKey, tuple[str, bytes]],
    stored: Mapping[SliceKey, str],
    *,
    journal: Mapping[SliceKey, str | None] | None = None,
    broken: Collection[SliceKey] = (),
    renewed: bool = False,
    changed: Collection[int] = (),
) -> list[SliceChange]:
    """What to create, update and delete, in the order of a report.

    ``journal``: slices that were written outside an apply, with the digest they had before (None: they weren't there);
    what only brings that back is drift. ``broken``: their bodies aren't those of their digests. ``renewed``: another
    release reads this; what differs although none of its parts is among the ``changed`` uids is the tool's doing.
    """
    touched = journal or {}
    changes: list[SliceChange] = []
    for key, (digest, body) in wanted.items():
        old = stored.get(key)
        if old == digest and key not in broken:
            continue
        applied = touched.get(key, old)
        if key in touched and applied == digest:
            cause = Cause.DRIFT
        elif renewed and old is not None and not any(uid in changed for uid in key):
            cause = Cause.REWRITE
        else:
            cause = Cause.CHANGE
        action = Action.CREATE if old is None else Action.UPDATE
        changes.append(SliceChange(action, key, old or "", digest, body, cause))
    for key, old in stored.items():
        if key not in wanted:
            inserted = key in touched and touched[key] is None
            changes.append(SliceChange(Action.DELETE, key, old, "", b"", Cause.DRIFT if inserted else Cause.CHANGE))
    changes.sort(key=lambda c: (c.action.rank, c.key))
    return changes
