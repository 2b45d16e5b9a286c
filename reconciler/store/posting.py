"""Putting events into the inbox of automations, from within any transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.model.run import Run
from reconciler.store.database import Database
from reconciler.store.progress import progress

FAILED = "healthcheck.check_failed"
LISTENING = "failures are told"
"""The counter that says whether anybody wants to know of each failed run."""

_PUT = "insert into event (name, context_key, automation, payload, actor, at) values (?, ?, ?, ?, ?, ?)"


def post_event(
    db: Database,
    name: str,
    payload: Mapping[str, Any],
    *,
    context_key: str | None = None,
    actor: str = "",
    automation: int = 0,
) -> int:
    """Post one; its id. Needs a transaction, so that what happened and the word of it are kept together or not at all.

    ``name`` has no version. ``automation``: the uid of the only one it is meant for, 0 for all.
    """
    values = (name, context_key, automation, dumps(dict(payload)).decode(), actor, db.clock())
    return int(db.rows(f"{_PUT} returning id", values)[0][0])


def post_failures(db: Database, runs: Sequence[Run]) -> None:
    """Post these failed runs, where an automation wants to know of them. Needs a transaction.

    Names and results are put in when it is read: most are of no interest to any filter.
    """
    if not runs or not progress(db, LISTENING):
        return
    now = db.clock()
    db.many(_PUT, ((FAILED, None, 0, dumps(_payload(run)).decode(), "", now) for run in runs))


def _payload(run: Run) -> dict[str, Any]:
    return {
        "system": run.key.system,
        "check": run.key.check,
        "environment": run.key.environment,
        "region": run.region,
        "slot": run.slot,
        "at": run.at,
        "outcome": run.outcome,
        "ms": run.duration_ms,
        "reason": run.reason,
    }
