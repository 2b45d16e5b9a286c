"""What becomes of an apply: whether all that it changed has run since, and is no worse than it was.

Workers do the running; this only looks. One failed run is no verdict where a slice's thresholds want more of them, so a
slice is settled by a healthy run, by health that got worse, or by having been no better before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from reconciler.flows.health import SILENT_AFTER
from reconciler.flows.once import regions
from reconciler.model.plan import Action, Plan
from reconciler.model.run import Health, Run
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey, SliceName
from reconciler.store.executing import PauseRow, SliceState, WorkerRow

RANK: dict[Health, int] = {"healthy": 0, "degraded": 1, "unhealthy": 2}
_POLL = 0.25
Place = tuple[SliceKey, str]
"""A slice in one region."""


class Hands(Protocol):
    """The part of the store's hands that runs are watched with."""

    def now(self) -> float:
        """The database's clock."""

    def generation(self) -> int:
        """The newest generation."""

    def position(self) -> int:
        """The position of the newest run."""

    def runs_after(self, position: int, *, limit: int = 1000) -> tuple[int, list[Run]]:
        """Runs recorded after a position, and the new position."""

    def states(self, *, system: int | None = None) -> Iterator[SliceState]:
        """The schedule."""

    def bodies(self, keys: Collection[SliceKey]) -> dict[SliceKey, tuple[str, bytes]]:
        """(digest, body) of current slices."""

    def workers(self) -> list[WorkerRow]:
        """All that registered."""

    def paused(self) -> list[PauseRow]:
        """All that are paused or set aside."""


class Seen(NamedTuple):
    """A slice that is no better for the apply. ``was`` is None for a new one, ``run`` None where it never ran."""

    name: SliceName
    region: str
    was: Health | None
    now: Health
    run: Run | None


@dataclass(frozen=True, slots=True)
class Settled:
    """``failing`` got worse, or are new and fail; ``missing`` didn't run in time. ``replaced`` by another apply."""

    changed: int
    failing: tuple[Seen, ...] = ()
    missing: tuple[Seen, ...] = ()
    replaced: int = 0
    idle: bool = False
    """No worker is alive."""
    unserved: tuple[str, ...] = ()
    """Regions of what is missing that no live worker serves."""
    seconds: float = 0.0

    @property
    def well(self) -> bool:
        """Everything ran, and nothing is worse."""
        return not self.failing and not self.missing


@dataclass(slots=True)
class Progress:
    """Counts, told while it is waited."""

    changed: int
    ran: int
    failing: int


@dataclass(frozen=True, slots=True)
class Before:
    """How things were just before the apply: take it before, or it can't be told what got worse."""

    position: int
    healths: Mapping[Place, Health]

    @staticmethod
    def of(hands: Hands) -> Before:
        """Of every slice that ever ran."""
        position = hands.position()
        return Before(position, {(s.key, s.region): s.health for s in hands.states() if s.runs})


def settle(
    hands: Hands,
    plan: Plan,
    before: Before,
    *,
    generation: int,
    patience: float,
    sleep: Callable[[float], None],
    told: Callable[[Progress], None] = lambda progress: None,
) -> Settled:
    """Wait up to ``patience`` seconds for each slice that the plan made or changed.

    Says at once where nobody is alive to run them. What is paused isn't waited for.
    """
    began = hands.now()
    wanted = {c.key: c for c in plan.slices if c.action in (Action.CREATE, Action.UPDATE)}
    watch = _Watch(hands, plan, before, {key: c.digest for key, c in wanted.items()})
    paused = {(p.key, p.region) for p in hands.paused()}
    watch.open = {(key, region) for key, c in wanted.items() for region in regions(c.body)} - paused
    if not watch.open:
        return Settled(0)
    if not any(began - w.seen <= SILENT_AFTER and not w.stopping for w in hands.workers()):
        return watch.settled(idle=True)
    while True:
        watch.look(generation)
        told(Progress(len(watch.digests), len(watch.ran), len(watch.failing)))
        waited = hands.now() - began
        if not watch.open or waited >= patience:
            return watch.settled(seconds=waited)
        sleep(min(_POLL, max(0.0, patience - waited)))


@dataclass(slots=True)
class _Watch:
    hands: Hands
    plan: Plan
    before: Before
    digests: dict[SliceKey, str]
    open: set[Place] = field(default_factory=set)
    latest: dict[Place, Run] = field(default_factory=dict)
    failing: dict[Place, Health] = field(default_factory=dict)
    replaced: set[SliceKey] = field(default_factory=set)
    _position: int = -1

    @property
    def ran(self) -> set[SliceKey]:
        return {key for key, _ in self.latest}

    def look(self, generation: int) -> None:
        """Take in what has run since, and judge what ran."""
        position = self.before.position if self._position < 0 else self._position
        failed: set[Place] = set()
        while True:
            position, runs = self.hands.runs_after(position)
            for run in runs:
                place = (run.key, run.region)
                if place in self.open and run.digest == self.digests[run.key]:
                    self.latest[place] = run
                    (failed.discard if run.outcome == "healthy" else failed.add)(place)
            if not runs:
                break
        self._position = position
        self.open -= {place for place, run in self.latest.items() if run.outcome == "healthy"}
        self._judge(failed & self.open)
        if self.open and self.hands.generation() != generation:
            self._drop_replaced()

    def _judge(self, failed: Collection[Place]) -> None:
        """Those that failed: worse by now, no worse than they were, or to be seen."""
        systems = {key.system for key, _ in failed}
        now = {(s.key, s.region): s.health for uid in systems for s in self.hands.states(system=uid)}
        for place in failed:
            was, health = self.before.healths.get(place), now.get(place, "healthy")
            if RANK[health] > RANK[was or "healthy"]:
                self.failing[place] = health
                self.open.discard(place)
            elif was is not None and RANK[was] >= RANK[self.latest[place].outcome]:
                self.open.discard(place)

    def _drop_replaced(self) -> None:
        """What another apply changed or took away meanwhile will never run as it was."""
        keys = {key for key, _ in self.open}
        current = self.hands.bodies(keys)
        gone = {key for key in keys if key not in current or current[key][0] != self.digests[key]}
        self.replaced |= gone
        self.open = {place for place in self.open if place[0] not in gone}

    def settled(self, *, idle: bool = False, seconds: float = 0.0) -> Settled:
        """The end. What failed without a verdict fails, as nobody saw it healthy."""
        undecided = {place for place in self.open if place in self.latest}
        now = self.hands.now()
        live = [w for w in self.hands.workers() if now - w.seen <= SILENT_AFTER]
        served = {region for w in live for region in w.info.get("regions") or ()}
        failing = {**self.failing, **{p: self.before.healths.get(p, "healthy") for p in undecided}}
        return Settled(
            len(self.digests),
            self._seen(failing),
            self._seen({p: self.before.healths.get(p, "healthy") for p in self.open - undecided}),
            len(self.replaced),
            idle,
            tuple(sorted({region for _, region in self.open - undecided} - served)),
            seconds,
        )

    def _seen(self, places: Mapping[Place, Health]) -> tuple[Seen, ...]:
        found: Sequence[Seen] = [
            Seen(self._name(place[0]), place[1], self.before.healths.get(place), health, self.latest.get(place))
            for place, health in places.items()
        ]
        return tuple(sorted(found, key=lambda s: (s.name.order, s.region)))

    def _name(self, key: SliceKey) -> SliceName:
        names = self.plan.names
        environment = None if key.environment == NO_ENVIRONMENT else names.get(key.environment, "")
        return SliceName(names.get(key.system, ""), names.get(key.check, ""), environment)
