"""What is asked of an engine that hands slices out to workers on many hosts.

It takes what is due from the schedule, gives each of it to one worker, and to another where the first falls silent. The
schedule's own columns say the rest: ``lease`` is not 0 while a slice is with the engine, and whose lease it is may
write a result. An engine that keeps its queue in the store's database works within its transactions; another would
have to make sure itself that nothing is lost between the two.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol


class Offer(NamedTuple):
    """A slice that was moved from the schedule into the queue: the columns of its row that a claim needs."""

    job: int
    row: tuple[Any, ...]


class Job(NamedTuple):
    """What the engine handed out. ``place`` is the slice's in the schedule."""

    id: int
    place: int


class Engine(Protocol):
    """One connection's, for one thread."""

    def install(self) -> None:
        """Make the engine's tables, or bring them up to what this release of the engine needs. Needs a transaction, and
        the rights of whoever owns the tables."""

    def offer(self, worker: str, regions: Sequence[str], limit: int, *, lease: float) -> list[Offer]:
        """Move up to so many due slices into the queue, longest due first, for ``worker`` if it takes them at once,
        for ``lease`` seconds. A slice that is there already is left out. Needs a transaction."""

    def consume(self, worker: str, regions: Sequence[str], limit: int, *, silent: float) -> list[Job]:
        """Up to so many jobs: new ones, and those whose worker was silent for so many seconds."""

    def waiting(self, regions: Sequence[str], *, silent: float) -> bool:
        """Whether there are any, of either kind."""

    def still(self, jobs: Collection[Job], worker: str) -> set[int]:
        """The ids of those that are with this worker by now."""

    def hold(self, held: Collection[tuple[int, int]]) -> set[int]:
        """Say that their workers live, by (place, lease); returns the leases that are still held."""

    def drop(self, places: Collection[int]) -> None:
        """These slices are with nobody any more: done, given back, or gone. Needs a transaction, in which the caller
        has found that they are its own."""

    def mend_clock(self) -> None:
        """After the clock stepped back: nobody was heard of in the future."""

    def prune(self) -> None:
        """Forget what the engine has logged, now and then: it grows with each run, and nothing here reads it."""

    def depth(self, regions: Sequence[str]) -> int:
        """How much waits in the queue, with no worker."""

    def stop(self) -> None:
        """Nothing more is asked for."""
