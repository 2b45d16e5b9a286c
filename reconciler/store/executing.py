"""What executors ask of a store: who runs what when, what came of it, and how healthy that makes things.

One instance belongs to one thread. All times are epoch seconds by the database's clock. Every implementation passes
``tests/contract``.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from reconciler.model.run import Health, Run
from reconciler.model.slice import SliceKey

TRIES = 3
"""Workers that may be lost over one tick of a slice."""


class Claim(NamedTuple):
    """A slice that is due, leased to one worker. ``lease`` fences everything that is done with it.

    ``slot`` is the tick that is run (the newest one missed); ``pace`` is what the lane remembers of the slice, opaque
    to the store; ``expired``: another worker held it and died.
    """

    key: SliceKey
    region: str
    digest: str
    generation: int
    interval_ms: int
    slot: float
    lease: int
    pace: str
    expired: bool = False


class Finished(NamedTuple):
    """A claim with what came of it; ``pace`` replaces what the lane remembers."""

    claim: Claim
    run: Run
    pace: str


class Transition(NamedTuple):
    """A change of health. ``scope``: ``slice``, ``environment`` (all checks of a system there) or ``system``.

    ``check`` and ``environment`` of the key are 0 where the scope has none. ``cause`` is the reason of the run that
    made it (None for a healthy one), ``by`` the slice whose run that was; its ``check`` is 0 where no run made it, but
    a slice that failed is gone.
    """

    id: int
    scope: str
    key: SliceKey
    region: str
    at: float
    was: Health
    now: Health
    cause: str | None
    by: SliceKey


class Reconciled(NamedTuple):
    """What bringing the schedule up to a generation did."""

    generation: int
    added: int
    changed: int
    removed: int


class SliceState(NamedTuple):
    """One row of the schedule as people ask for it. ``runs`` 0: nothing has run yet, and ``health`` is a guess.

    ``running`` is the worker that runs it now. ``paused``: 0, 1 by somebody, 2 set aside as its runs took workers down;
    ``tries`` counts those. ``unseen``: since when it is known that nobody looks, as no live worker serves its region.
    A tuple, as all of them are made whenever somebody asks for the health.
    """

    key: SliceKey
    region: str
    digest: str
    generation: int
    interval_ms: int
    due_at: float
    running: str | None
    health: Health
    since: float
    runs: int
    last_at: float | None
    last_outcome: str | None
    reason: str | None
    paused: int = 0
    tries: int = 0
    unseen: float | None = None


_MOMENT = "%Y-%m-%d %H:%M:%S UTC"
BEAT_SECONDS = 5.0
"""Between two beats of a worker."""
UNSERVED_SECONDS = 3 * BEAT_SECONDS
"""Without a beat of any worker that serves a region, nobody looks at its slices."""


class RegionRow(NamedTuple):
    """A region of the schedule. ``seen``: when a live worker last served it; while none
    ever did (``served`` is false), since when there is something to do there."""

    name: str
    seen: float
    served: bool

    @property
    def unserved(self) -> str:
        """The sentence about its slices, while nobody serves it."""
        what = f"region {self.name}" if self.name else "slices without a region"
        if not self.served:
            return f"unobservable: no worker has served {what} yet"
        return f"unobservable: no worker has served {what} since {time.strftime(_MOMENT, time.gmtime(self.seen))}"


class PauseRow(NamedTuple):
    """A slice that doesn't run for now. ``kind``: ``paused`` by ``actor``, or ``set aside`` as its runs took their
    workers down; ``until`` None: until somebody resumes it, or its configuration changes where it was set aside."""

    key: SliceKey
    region: str
    at: float
    until: float | None
    actor: str
    reason: str
    kind: str


class WorkerRow(NamedTuple):
    """A worker that has registered. ``info`` tells its version, regions, strategies and what its sandbox enforces."""

    id: str
    host: str
    pid: int
    started: float
    seen: float
    stopping: bool
    info: dict[str, Any]


class Vitals(NamedTuple):
    """``overdue`` and ``queued`` are slices of some regions: free ones that are due, and those that wait with an
    engine. ``unseen`` counts by region what nobody looks at. ``connections`` to a server by what they do;
    ``most_connections`` is None where there is no server."""

    overdue: int
    queued: int
    unseen: dict[str, int]
    paused: int
    set_aside: int
    connections: dict[str, int]
    most_connections: int | None


class Aggregate(NamedTuple):
    """The runs of a slice that were due in an hour or a day (``span``: ``hour`` or ``day``, in UTC). ``start`` is its
    first second; ``metrics`` maps ``duration`` and ``<collector>.<field>`` to count, min, max, sum and a sketch, which
    :func:`reconciler.store.metrics.percentiles` reads."""

    key: SliceKey
    region: str
    span: str
    start: float
    healthy: int
    degraded: int
    unhealthy: int
    metrics: dict[str, Any]


class Executing(Protocol):
    """The hands of executors."""

    def now(self) -> float:
        """The database's clock."""

    # -- schedule ------------------------------------------------------------------------------------------------------

    def reconcile(self) -> Reconciled | None:
        """Bring the schedule up to the newest generation, in one transaction; None where it is already.

        New slices get a phase spread over their interval by their key, changed intervals keep the slice's health,
        rows of slices that are gone end (a run in flight then finishes into nothing). Where somebody else is about it
        already, that one does it.
        """

    def claim(
        self, worker: str, limit: int, *, lease: float, regions: Sequence[str] = ("",), grace: float = 0.0
    ) -> list[Claim]:
        """Lease up to ``limit`` due slices for ``lease`` seconds, longest due first, and move them on to their next
        tick; ticks that were missed meanwhile are skipped. Leases that ran out more than ``grace`` seconds ago are
        taken over first, at their old slot. A slice that is leased isn't due, however late it is. ``generation`` of a
        claim is the one that the schedule follows.

        A slice whose run took :data:`TRIES` workers down isn't given to another: it is set aside, with a degraded run
        that says so."""

    def next_due(self, *, regions: Sequence[str] = ("",)) -> float | None:
        """When the next free slice is due; None where there is none."""

    def overdue(self, *, regions: Sequence[str] = ("",)) -> int:
        """How many free slices are due by now."""

    def renew(self, claims: Collection[Claim], *, lease: float) -> set[int]:
        """Extend these leases; returns those still held."""

    def give_back(self, claims: Collection[Claim], *, again: bool) -> None:
        """Nothing is recorded. ``again``: it is due at once, for whoever comes first; else at its next tick."""

    def set_paces(self, paces: Collection[tuple[SliceKey, str, str]]) -> None:
        """(key, region, pace) of slices whose pace changed without a recorded run."""

    def mend_clock(self) -> int:
        """After the clock stepped back: bring ticks and leases that are further off than they can be back to where
        they belong, phase kept. Returns how many there were."""

    def bodies(self, keys: Collection[SliceKey]) -> dict[SliceKey, tuple[str, bytes]]:
        """(digest, body) of current slices."""

    def generation(self) -> int:
        """The newest generation."""

    def listen(self) -> int | None:
        """Begin to hear of new generations: a file descriptor from which there is something to read then, until the
        next question to the store. None where one has to ask for them."""

    def heard(self) -> bool:
        """Whether a new generation was announced since this was asked before."""

    # -- single slices -------------------------------------------------------------------------------------------------

    def pause(
        self, keys: Collection[tuple[SliceKey, str]], *, actor: str, reason: str, until: float | None = None
    ) -> int:
        """Let these (key, region) not be due until then; what runs now may finish. Returns how many there are in the
        schedule."""

    def resume(self, keys: Collection[tuple[SliceKey, str]]) -> int:
        """Let these run again: at once, where a tick was missed. Returns how many of them were paused or set aside."""

    def resume_expired(self) -> int:
        """The same for those whose pause is over. Part of the housekeeping."""

    def paused(self) -> list[PauseRow]:
        """All that are paused or set aside, oldest first."""

    def run_now(self, keys: Collection[tuple[SliceKey, str]]) -> int:
        """Make these due at once, their later ticks as ever; what runs now runs again then. Returns how many there are;
        none of those that are paused."""

    # -- results -------------------------------------------------------------------------------------------------------

    def finish(self, done: Sequence[Finished]) -> list[Transition]:
        """Record these runs, derive health and release the leases, in one transaction. A run whose lease was taken
        over, or whose slice is gone, is left out. Durable when it returns."""

    def record(self, runs: Sequence[Run]) -> list[Transition]:
        """Record runs that nobody scheduled; those of slices that are gone are left out. Health counts them too."""

    def runs(
        self,
        key: SliceKey,
        *,
        region: str | None = None,
        limit: int = 20,
        before: float | None = None,
        since: float | None = None,
    ) -> list[Run]:
        """Newest first."""

    def runs_after(self, position: int, *, limit: int = 1000) -> tuple[int, list[Run]]:
        """Runs recorded after a position, oldest first, and the new position; 0 begins at the first that is kept."""

    def position(self) -> int:
        """The position of the newest run."""

    # -- health --------------------------------------------------------------------------------------------------------

    def states(self, *, system: int | None = None) -> Iterator[SliceState]:
        """Every slice of the schedule, in no order."""

    def transitions(self, *, system: int | None = None, after: int = 0, limit: int = 100) -> list[Transition]:
        """Oldest first, of those with an id above ``after``; with 0 the newest ``limit`` of them."""

    def observe(self, alive_seconds: float, *, limit: int = 1000) -> list[Transition]:
        """Note which slices nobody looks at: those in regions that no live worker has served for so many seconds, of
        which somebody has looked at the whole time. They are degraded at least, until a run of them is finished. Where
        a region is served again before a run was missed, its slices are what they were.

        Asked by every worker every few seconds; one of them does it. Up to ``limit`` slices at a time: as many
        transitions or more say that there are others.
        """

    def regions(self) -> list[RegionRow]:
        """All that are known, by name."""

    def vitals(self, *, regions: Sequence[str] = ("",)) -> Vitals:
        """Of the store as a whole, ``overdue`` and ``queued`` of these regions."""

    # -- keeping -------------------------------------------------------------------------------------------------------

    def condense(self, *, limit: int = 500) -> int:
        """Make aggregates of hours and days that are over, for up to ``limit`` slices; returns how many there were to
        look at, so that 0 says that all is done. Late runs are added to what is made already."""

    def prune(self, *, limit: int = 5000) -> int:
        """Delete what is older than its retention, about ``limit`` rows at most; never runs that aren't condensed.
        Returns how many; fewer than ``limit`` say that all is done."""

    def aggregates(self, key: SliceKey, *, span: str, since: float = 0.0, region: str | None = None) -> list[Aggregate]:
        """Oldest first."""

    # -- workers -------------------------------------------------------------------------------------------------------

    def register(self, worker: str, *, host: str, pid: int, info: dict[str, Any]) -> None:
        """Make or renew the worker's row."""

    def beat(self, worker: str, *, stopping: bool = False) -> None:
        """It lives."""

    def leave(self, worker: str) -> None:
        """It is gone, in good order."""

    def workers(self) -> list[WorkerRow]:
        """All that have registered and neither left nor were silent for a day."""

    def close(self) -> None:
        """Close the connection."""
