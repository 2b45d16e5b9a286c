"""A claim while it is on the floor."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from reconciler.execute.lane import Slots
from reconciler.execute.pacing import Pace
from reconciler.flows.work.handover import Ready
from reconciler.model.slice import SliceKey
from reconciler.store.executing import Claim

if TYPE_CHECKING:
    from reconciler.execute.prepare import Prepared

Place = tuple[SliceKey, str]
"""A slice in a region."""
Fate = Literal["gave_way", "lost", "stopped"]
"""Why a run was cancelled."""


@dataclass(slots=True)
class Held:
    """A claim on the floor, from when it arrived until it was handed in again."""

    ready: Ready
    claim: Claim
    prepared: Prepared
    pace: Pace
    pool: Slots[Place]
    task: asyncio.Task[None] | None = None
    fate: Fate | None = None
    in_lane: bool = False
    limit_ms: float = 0.0
    began: float = 0.0
    changed: bool = False
    """The pace differs from the stored one although no run was recorded."""

    @property
    def place(self) -> Place:
        return (self.claim.key, self.claim.region)
