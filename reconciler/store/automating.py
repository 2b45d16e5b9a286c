"""What automations ask of a store: what happened, what waits for it, which runs there are, and who goes on with one.

One instance belongs to one thread. All times are epoch seconds by the database's clock. Whoever holds the leadership
evaluates triggers, and :meth:`Automating.settle` does all that comes of it in one transaction: an event is marked
handled together with the runs it started and the waits it ended, or not at all. A run belongs to whoever leased it;
the lease fences all that is kept of it. Every implementation passes ``tests/contract``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from reconciler.model.remembered import Key, Remembered
from reconciler.store.executing import Transition

Mode = Literal["single", "parallel", "queued", "restart"]
Then = Literal["on", "waiting", "released", "success", "failed"]
EVERY = 0
"""Stands for no automation in particular."""


class AutomationRow(NamedTuple):
    """A current automation that isn't orphaned. ``body`` is its document as canonical JSON."""

    uid: int
    name: str
    source: str
    generation: int
    digest: str
    body: bytes


class EventRow(NamedTuple):
    """A row of the inbox. ``automation`` is the only one it is meant for, :data:`EVERY` for all."""

    id: int
    name: str
    context_key: str | None
    automation: int
    payload: dict[str, Any]
    actor: str
    at: float


class Start(NamedTuple):
    """A run that is to begin, as far as ``mode`` lets it. ``lane``: among which runs of the automation it is counted.

    ``event`` is what it was started by, to be handed back when it is claimed; of two with the same ``event_id`` the
    second is passed over. ``refused``: why it can't begin whatever the mode; it is recorded as ``skipped`` then.
    """

    automation: int
    generation: int
    digest: str
    trigger_id: str | None
    event: Mapping[str, Any]
    event_name: str
    event_id: str
    context_key: str | None
    mode: Mode
    lane: str
    most: int
    refused: str | None = None


class Decided(NamedTuple):
    """What came of a start. ``run`` is None where its event was known already; ``cancelled`` runs made way for it."""

    run: int | None
    status: Literal["pending", "queued", "skipped", "known"]
    reason: str | None = None
    cancelled: tuple[int, ...] = ()


class Wake(NamedTuple):
    """A run that is to look again. With a ``path`` the wait there is over, by an event with this ``payload``."""

    run: int
    path: str | None = None
    payload: Mapping[str, Any] | None = None


class Settled(NamedTuple):
    """All that came of some events and ticks. ``events`` and ``transitions`` are marked as handled."""

    events: Collection[int] = ()
    transitions: Collection[int] = ()
    states: Sequence[Remembered] = ()
    dropped: Collection[Key] = ()
    starts: Sequence[Start] = ()
    wakes: Sequence[Wake] = ()


class EventWait(NamedTuple):
    """A run that waits: for an event of this name and context (None: any), or (``event`` None) until something holds.

    ``run_context`` is the context key of the run itself.
    """

    run: int
    automation: int
    digest: str
    path: str
    event: str | None
    context_key: str | None
    run_context: str | None
    armed_at: float


class StepRow(NamedTuple):
    """A step as it is kept."""

    seq: int
    path: str
    block: str
    action: str | None
    step_id: str | None
    status: str
    at: float
    ended: float | None
    attempts: int
    result: Mapping[str, Any]
    error: str | None


class WaitRow(NamedTuple):
    """A wait as it is kept. ``resumed_at``: when its event came, whose ``payload`` is there then."""

    path: str
    kind: str
    event: str | None
    context_key: str | None
    due_at: float | None
    armed_at: float
    resumed_at: float | None = None
    payload: Mapping[str, Any] | None = None


class ArtifactRow(NamedTuple):
    """What a step produced, for later runs of the same automation and context; the newest of each type is kept."""

    type: str
    step_id: str
    value: Mapping[str, Any]
    context_key: str
    run: int
    at: float


class RunRow(NamedTuple):
    """A run as people ask for it. ``worker`` is who leases it now; ``queued`` says that it waits for its turn."""

    id: int
    automation: int
    generation: int
    digest: str
    trigger_id: str | None
    event_name: str
    event: dict[str, Any]
    event_id: str
    context_key: str | None
    status: str
    reason: str | None
    created: float
    started: float | None
    ended: float | None
    ready_at: float | None
    worker: str | None
    queued: bool


class Claimed(NamedTuple):
    """A run, leased to one worker. ``snapshot`` is None where it never began; ``expired``: its worker died.

    ``body`` is the document it was started with, None where that isn't kept any more; ``steps`` are how many it has,
    ``tries`` how many workers were lost over it since something of it was kept.
    """

    run: int
    lease: int
    automation: int
    generation: int
    digest: str
    body: bytes | None
    trigger_id: str | None
    event: dict[str, Any]
    context_key: str | None
    created: float
    snapshot: bytes | None
    waits: list[WaitRow]
    artifacts: list[ArtifactRow]
    steps: int
    expired: bool
    tries: int


class Kept(NamedTuple):
    """What is to be kept of a run, all of it or nothing. ``snapshot`` None: it is what it was, and so are the waits.

    ``then``: it goes ``on``, is put aside until a wait is over (``waiting``), is there for others at once
    (``released``), or has ended.
    """

    run: int
    automation: int
    lease: int
    then: Then = "on"
    reason: str | None = None
    steps: Sequence[StepRow] = ()
    waits: Sequence[WaitRow] = ()
    snapshot: bytes | None = None
    artifacts: Sequence[tuple[str, str, Mapping[str, Any]]] = ()


class Look(NamedTuple):
    """Whether there is anything to do. ``generation``: the newest; ``tick_at``: of the first trigger; ``ready_at``: of
    the first run, free or left by a worker that died."""

    now: float
    generation: int
    happened: bool
    tick_at: float | None
    ready_at: float | None


class SystemState(NamedTuple):
    """How a system is (``environment`` empty), or one environment of it. ``changes`` and the latencies (ms) are those
    since the asked-for moment; ``p95`` is None where nothing ran, or where it wasn't asked for. ``uid`` and ``place``
    are the uids of the two."""

    uid: int
    place: int
    system: str
    environment: str
    status: str
    since: float | None
    changes: int
    p95: float | None


class NotLeading(Exception):
    """Somebody else leads by now: nothing of it was done."""


class Automating(Protocol):
    """The hands of automations."""

    def now(self) -> float:
        """The database's clock."""

    def generation(self) -> int:
        """The newest generation."""

    def automations(self) -> list[AutomationRow]:
        """All that may fire now, by name."""

    def body(self, automation: int, digest: str) -> bytes | None:
        """The document of an automation as some generation had it."""

    def catch_up(self) -> None:
        """After a generation: what goes on about a system that was renamed goes on under its new name, and runs of
        automations that are gone needn't wait any longer to be ended."""

    # -- what happened -------------------------------------------------------------------------------------------------

    def post(
        self,
        name: str,
        payload: Mapping[str, Any],
        *,
        context_key: str | None = None,
        actor: str = "",
        automation: int = EVERY,
    ) -> int:
        """Put an event into the inbox; its id."""

    def look(self) -> Look:
        """One cheap question, for whoever has nothing to do."""

    def happened(self, limit: int) -> tuple[list[EventRow], list[Transition]]:
        """What isn't handled, oldest first, up to ``limit`` of each."""

    def states(self) -> list[Remembered]:
        """All that triggers remember."""

    def waits(self, events: Collection[str], *, until: bool) -> list[EventWait]:
        """Runs that wait for one of these events; with ``until`` those too that wait until something holds."""

    def health(self, systems: Collection[str], *, since: float, latency: bool) -> list[SystemState]:
        """How these systems are, each with its environments; what isn't there is left out. With ``latency`` the runs
        since then are read as well."""

    def checks(self, system: int) -> list[tuple[int, str, int]]:
        """(environment, health, how many slices) of a system by its uid."""

    def systems(self) -> list[str]:
        """The names of all systems that are checked, in order."""

    def failed(self, event: EventRow) -> dict[str, Any] | None:
        """The run that ``healthcheck.check_failed`` tells of, as its ``detail``; None where it isn't kept any more."""

    def listen(self, *, failures: bool) -> None:
        """Say whether anybody wants to know of each run that failed; ``healthcheck.check_failed`` is posted then."""

    # -- leadership ----------------------------------------------------------------------------------------------------

    def lead(self, worker: str, *, lease: float) -> int | None:
        """Lead, or go on leading, for ``lease`` seconds; the fence, None where another leads and lives."""

    def abdicate(self, worker: str) -> None:
        """Let another lead at once."""

    def settle(self, worker: str, fence: int, done: Settled) -> list[Decided]:
        """Do all of it in one transaction. Raises :class:`NotLeading`."""

    # -- runs ----------------------------------------------------------------------------------------------------------

    def claim(self, worker: str, limit: int, *, lease: float) -> list[Claimed]:
        """Lease up to ``limit`` runs that can go on, longest ready first; those whose worker died come before them."""

    def renew(self, runs: Collection[tuple[int, int]], *, lease: float) -> set[int]:
        """Extend these (run, lease); returns the runs still held."""

    def keep(self, changes: Sequence[Kept]) -> list[bool]:
        """Keep these, durably, in one transaction; False where the run belongs to somebody else or was cancelled.

        A wait that an event ended meanwhile stays so: a run put aside is ready at once then.
        """

    def cancel(self, run: int, *, reason: str) -> bool:
        """End a run that hasn't; its waits are gone, and whoever is at it learns of it. False where it has ended."""

    def mend_clock(self, *, lease: float) -> None:
        """After the clock stepped back: no lease lasts longer than ``lease`` seconds, what waits looks again, and what
        was armed in what is the future by now waits as long from now on."""

    def prune(self, *, limit: int = 5000) -> int:
        """Delete runs that ended 30 days ago and events handled 7 days ago; fewer than ``limit``: all is done."""

    # -- looking -------------------------------------------------------------------------------------------------------

    def runs(
        self,
        *,
        automation: int | None = None,
        status: Collection[str] = (),
        context_key: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[RunRow]:
        """Newest first; with ids below ``before``."""

    def run(self, run: int) -> RunRow | None:
        """One of them."""

    def steps(self, run: int) -> list[StepRow]:
        """In the order in which they began."""

    def run_waits(self, run: int) -> list[WaitRow]:
        """What it waits for."""

    def artifacts(self, automation: int, context_key: str | None = None) -> list[ArtifactRow]:
        """Of an automation, or of one context of it."""

    def counts(self) -> dict[str, int]:
        """Runs that haven't ended, by status; ``queued`` apart."""

    def close(self) -> None:
        """Close the connection."""
