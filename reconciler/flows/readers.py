"""Whether those who will run what an apply writes can read it."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.base.errors import PlanRefused
from reconciler.model.plan import Plan
from reconciler.store.port import Reader
from reconciler.store.users import alive, told

KNOWS = "knows"
"""Where a worker tells in its row which versions of which configs it can read."""


def check_workers(reader: Reader, plan: Plan) -> None:
    """Refuse a plan that writes slices which a live worker is too old to read.

    Raises ``PlanRefused``. A worker that doesn't tell what it knows is of a release before it could be asked.
    """
    bodies = [c.body for c in plan.slices if c.body]
    now = reader.clock()
    # One that stops takes nothing any more.
    live = [w for w in alive(reader.workers(), now) if not w.stopping] if bodies else []
    if not live:
        return
    from reconciler.versioning.stored import needs

    written = needs(bodies)
    old = [(worker, lacks) for worker in live if (lacks := _lacks(worker.info.get(KNOWS), written))]
    if not old:
        return
    worker, lacks = old[0]
    more = f", and so {'is another' if len(old) == 2 else f'are {len(old) - 1} others'}" if len(old) > 1 else ""
    raise PlanRefused(
        "old-workers",
        f"{told(worker, now)} is too old to read what would be written{more}: {lacks}",
        hint="update the workers first; with --allow-old-workers those slices are degraded until they are",
    )


def _lacks(knows: object, written: Mapping[str, int]) -> str:
    """What a worker can't read, in words; empty where it can read everything."""
    known = knows if isinstance(knows, dict) else {}
    for subject, version in sorted(written.items()):
        up_to = known.get(subject, 0)
        if not isinstance(up_to, int) or up_to < version:
            has = f"it knows {subject} up to version {up_to}" if up_to else f"it doesn't know {subject}"
            return f"{has}, and this is version {version}"
    return ""
