"""Whether anybody looks at a slice: who serves its region, and whether somebody paused it.

What workers noted in the store counts; where none of them is left to note anything, it is seen on reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from reconciler.model.slice import SliceKey
from reconciler.store.executing import UNSERVED_SECONDS, PauseRow, RegionRow, SliceState, WorkerRow


class Asked(Protocol):
    """The part of the store's hands that knows it."""

    def now(self) -> float:
        """The database's clock."""

    def workers(self) -> list[WorkerRow]:
        """All that registered."""

    def regions(self) -> list[RegionRow]:
        """All that are known."""

    def paused(self) -> list[PauseRow]:
        """All that are paused or set aside."""


class Observed(NamedTuple):
    """At one moment, by the database's clock. ``alive`` are ids of workers."""

    at: float
    workers: tuple[WorkerRow, ...] = ()
    alive: frozenset[str] = frozenset()
    regions: Mapping[str, RegionRow] = {}
    pauses: Mapping[tuple[SliceKey, str], PauseRow] = {}

    @staticmethod
    def of(asked: Asked) -> Observed:
        """As the store says now."""
        at, workers = asked.now(), tuple(asked.workers())
        return Observed(
            at,
            workers,
            frozenset(w.id for w in workers if at - w.seen <= UNSERVED_SECONDS),
            {r.name: r for r in asked.regions()},
            {(p.key, p.region): p for p in asked.paused()},
        )

    def pause(self, state: SliceState) -> PauseRow | None:
        """By whom it is paused, or that it was set aside."""
        return self.pauses.get((state.key, state.region)) if state.paused else None

    def unserved(self, state: SliceState) -> str | None:
        """Why nobody looks at it: a sentence, or None. Without any worker there ever was, nobody can tell; and what
        somebody ran by hand since the last one left was looked at."""
        region = self.regions.get(state.region)
        if region is None or state.paused or not state.interval_ms:  # of which the schedule doesn't know yet
            return None
        silent = self.at - region.seen > UNSERVED_SECONDS
        if state.unseen is not None and not silent:
            where = f"region {region.name} is" if region.name else "slices without a region are"
            return f"unobservable until its next run: {where} served again"
        if state.unseen is not None:
            return region.unserved
        by_hand = state.last_at is not None and state.last_at > region.seen + UNSERVED_SECONDS
        return region.unserved if silent and region.served and not by_hand else None
