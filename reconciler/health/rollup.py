"""The health of many: the worst of them, with counts.

Each slice is judged by its own runs first, and then they are joined. Judging the runs of two environments as one list
would let the healthy ones of the one interrupt the failures of the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.model.run import Health

_RANK: dict[Health, int] = {"healthy": 0, "degraded": 1, "unhealthy": 2}


class Rollup(NamedTuple):
    """``failing`` of ``slices`` aren't healthy: "2 of 3 failing". Of nothing at all: healthy, 0 of 0."""

    health: Health = "healthy"
    slices: int = 0
    failing: int = 0

    def join(self, other: Rollup) -> Rollup:
        """Both together."""
        return Rollup(worst((self.health, other.health)), self.slices + other.slices, self.failing + other.failing)


def worst(healths: Iterable[Health]) -> Health:
    """Unhealthy before degraded before healthy; of none: healthy."""
    return max(healths, key=_RANK.__getitem__, default="healthy")


def rollup(healths: Iterable[Health]) -> Rollup:
    """Of these slices."""
    listed = list(healths)
    return Rollup(worst(listed), len(listed), sum(h != "healthy" for h in listed))
