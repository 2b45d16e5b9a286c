"""What a worker counts. Plain numbers, as they are changed with every run; Prometheus' form is made when it asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.model.run import Outcome

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


class Spread:
    """How often values fell up to each bound."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """As Prometheus wants its buckets."""
        found, so_far = [], 0
        for bound, count in zip((*(f"{b:g}" for b in self.bounds), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((bound, float(so_far)))
        return found


@dataclass(slots=True)
class Tally:
    """Belongs to the event loop's thread. ``late``: seconds from when a run was due to its start, without the lane's.

    A run is counted when it is durable.
    """

    runs: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    took: dict[str, Spread] = field(default_factory=dict)
    late: Spread = field(default_factory=Spread)
    batches: Spread = field(default_factory=lambda: Spread(SIZES))
    deferred: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    claimed: int = 0
    takeovers: int = 0
    given_back: int = 0
    gave_way: int = 0
    store_errors: int = 0

    def ran(self, strategy: str, outcome: Outcome, seconds: float, late: float | None) -> None:
        """A run was stored."""
        self.runs[strategy, outcome] += 1
        spread = self.took.get(strategy)
        if spread is None:
            spread = self.took[strategy] = Spread()
        spread.add(seconds)
        if late is not None:
            self.late.add(late)
