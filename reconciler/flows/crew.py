"""Who works, and which regions nobody serves."""

from __future__ import annotations

from typing import Literal, NamedTuple

from reconciler.flows.observed import Asked, Observed
from reconciler.store.executing import UNSERVED_SECONDS, RegionRow, WorkerRow

State = Literal["alive", "stopping", "lost"]


class Member(NamedTuple):
    """``lost``: it neither left nor was heard of lately."""

    row: WorkerRow
    state: State


class Crew(NamedTuple):
    """At one moment, by the database's clock. ``unserved``: regions with work that no live worker serves."""

    at: float
    members: tuple[Member, ...]
    unserved: tuple[RegionRow, ...]


def crew(asked: Asked) -> Crew:
    """As the store says now. Those that are silent for a day are forgotten."""
    now = Observed.of(asked)
    lost = (r for r in now.regions.values() if now.at - r.seen > UNSERVED_SECONDS)
    return Crew(now.at, tuple(Member(w, _state(w, now)) for w in now.workers), tuple(lost))


def _state(worker: WorkerRow, now: Observed) -> State:
    if worker.id not in now.alive:
        return "lost"
    return "stopping" if worker.stopping else "alive"
