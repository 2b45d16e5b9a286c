"""Who may run now: a number of slots, of which slow checks can take only a few, the lane.

The rules, all of them:

1. A run that needs the lane (:class:`~reconciler.execute.pacing.Pace`) takes a slot *and* a place in the lane. Some
   may wait for one; where that line is full too, one is deferred to its next tick and nothing is recorded. Who was
   turned away for longest comes first, so that each of them gets its turn.
2. Everything else takes a slot, in the order in which it was due.
3. Slices that were never healthy are unproven. While slots are free they just run. When all are taken and others
   wait, unproven runs that may be repeated give way, oldest first and as many as wait, once they took 250 ms, or four
   times what runs take here (a busy worker is slow with all of them): they are stopped, nothing is recorded, and they
   need the lane from then on, where they get their whole time. An unproven run that may not be repeated (a script, a
   POST) can't be stopped half way, and so needs the lane too unless at least half of the slots are free.

So a healthy majority shows itself within seconds, however many black holes there are among them. Everything here is
pure: time is handed in, and the caller starts and gives back what it is told to.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice, takewhile
from math import inf
from typing import Generic, Literal, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

Reason = Literal["lane_full", "line_full", "in_flight"]
"""Why a run was deferred. ``in_flight``: the slice runs already (its lease ran out meanwhile)."""

PATIENCE, LONGEST_PATIENCE = 0.25, 2.0
"""Seconds that an unproven run has before it may be stopped: at least, and at most."""
_OFTEN = 4.0
_WEIGHT = 0.05
_REMEMBERED = 50_000


class Entry(NamedTuple, Generic[K]):
    """A run that wants a slot."""

    key: K
    needs_lane: bool = False
    unproven: bool = False
    repeatable: bool = True


class Deferred(NamedTuple, Generic[K]):
    """Not now, and not at this tick."""

    key: K
    reason: Reason


class Start(NamedTuple, Generic[K]):
    """Run this one."""

    key: K
    in_lane: bool


@dataclass(slots=True)
class Told(Generic[K]):
    """What the caller has to do."""

    start: list[Start[K]] = field(default_factory=list)
    deferred: list[Deferred[K]] = field(default_factory=list)


@dataclass(slots=True)
class _Running(Generic[K]):
    entry: Entry[K]
    since: float
    in_lane: bool


class _Line(Generic[K]):
    """Those who wait, longest first."""

    def __init__(self) -> None:
        self._order: list[tuple[float, int, Entry[K]]] = []
        self._keys: set[K] = set()
        self._count = count()

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, key: K) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[K]:
        return (entry.key for _, _, entry in self._order)

    def add(self, entry: Entry[K], since: float) -> None:
        insort(self._order, (since, next(self._count), entry))
        self._keys.add(entry.key)

    def pop(self, *, last: bool = False) -> Entry[K]:
        entry = self._order.pop(-1 if last else 0)[2]
        self._keys.remove(entry.key)
        return entry

    def since(self) -> float:
        """When the first of them began to wait."""
        return self._order[0][0] if self._order else inf

    def drop(self, key: K) -> None:
        if key in self._keys:
            self._keys.remove(key)
            self._order = [waiting for waiting in self._order if waiting[2].key != key]


class Slots(Generic[K]):
    """``size`` runs at once, ``lane`` of them slow ones. ``line`` may wait for a slot, ``lane_line`` for the lane."""

    def __init__(
        self, size: int, *, lane: int | None = None, line: int | None = None, lane_line: int | None = None
    ) -> None:
        self.size = size
        self.lane = min(size, max(1, size // 4) if lane is None else lane)
        self.line = size if line is None else line
        self.lane_line = self.line if lane_line is None else lane_line
        self._usual = 0.0
        self._running: dict[K, _Running[K]] = {}
        self._yielding: dict[K, float] = {}  # since when, in the order in which they began
        self._in_lane = 0
        self._for_slot: _Line[K] = _Line()
        self._for_lane: _Line[K] = _Line()
        self._for_either: _Line[K] = _Line()  # the lane, or a slot while half of them are free
        self._turned_away: OrderedDict[K, float] = OrderedDict()

    # -- to look at ----------------------------------------------------------------------------------------------------

    def __contains__(self, key: K) -> bool:
        return key in self._running or any(key in line for line in self._lines())

    @property
    def running(self) -> int:
        """Runs in flight."""
        return len(self._running)

    @property
    def in_lane(self) -> int:
        """Those of them that are in the lane."""
        return self._in_lane

    @property
    def waiting(self) -> int:
        """Runs that wait, for a slot or for the lane."""
        return sum(len(line) for line in self._lines())

    @property
    def room(self) -> int:
        """How many more would find a slot or a place in the line for one."""
        return max(0, self.size + self.line - len(self._running) - len(self._for_slot))

    @property
    def patience(self) -> float:
        """Seconds that an unproven run has by now."""
        return min(LONGEST_PATIENCE, max(PATIENCE, _OFTEN * self._usual))

    def waiting_keys(self) -> list[K]:
        """Of those that wait, for a slot or for the lane."""
        return [key for line in self._lines() for key in line]

    def patience_ends(self) -> float | None:
        """When :meth:`give_way` may next have something to say; None while nobody waits."""
        if not self._for_slot:
            return None
        return next((since + self.patience for since in self._yielding.values()), None)

    # -- what happens --------------------------------------------------------------------------------------------------

    def offer(self, entry: Entry[K], now: float, told: Told[K]) -> None:
        """A slice is due."""
        if entry.key in self:
            told.deferred.append(Deferred(entry.key, "in_flight"))
        else:
            self._line_of(entry).add(entry, self._turned_away.get(entry.key, now))
            self._settle(now, told)

    def ended(self, key: K, now: float, told: Told[K]) -> None:
        """A run is over, or whoever waits is given back; its slot goes to the next."""
        gone = self._leave(key)
        if gone is None:
            for line in self._lines():
                line.drop(key)
        elif not gone.in_lane:
            self._usual += _WEIGHT * (min(now - gone.since, LONGEST_PATIENCE) - self._usual)
        self._settle(now, told)

    def give_way(self, now: float) -> list[K]:
        """Runs that have to be stopped now, for others that wait. Answer each with :meth:`stopped`."""
        if not self._for_slot or len(self._running) < self.size:
            return []
        patience = self.patience
        old = takewhile(lambda run: now - run[1] >= patience, self._yielding.items())
        return [key for key, _ in islice(old, len(self._for_slot))]

    def stopped(self, key: K, now: float, told: Told[K]) -> None:
        """A run that gave way was stopped unfinished; it asks for the lane now."""
        gone = self._leave(key)
        if gone is None:
            raise KeyError(key)
        self._for_lane.add(gone.entry._replace(needs_lane=True), self._turned_away.get(key, now))
        self._settle(now, told)

    # -- how -----------------------------------------------------------------------------------------------------------

    def _lines(self) -> tuple[_Line[K], ...]:
        return self._for_slot, self._for_lane, self._for_either

    def _line_of(self, entry: Entry[K]) -> _Line[K]:
        if entry.needs_lane:
            return self._for_lane
        return self._for_either if entry.unproven and not entry.repeatable else self._for_slot

    def _settle(self, now: float, told: Told[K]) -> None:
        """Free slots go to those who wait; who comes last leaves a line that is too long."""
        while len(self._running) < self.size:
            if self._for_either and 2 * len(self._running) <= self.size:
                self._start(self._for_either.pop(), now, told, in_lane=False)
            elif self._in_lane < self.lane and (self._for_lane or self._for_either):
                first = min(self._for_lane, self._for_either, key=_Line.since)
                self._start(first.pop(), now, told, in_lane=True)
            elif self._for_slot:
                self._start(self._for_slot.pop(), now, told, in_lane=False)
            else:
                break
        self._shorten(self._for_slot, self.line, "line_full", now, told)
        self._shorten(self._for_lane, self.lane_line, "lane_full", now, told)
        self._shorten(self._for_either, self.lane_line, "lane_full", now, told)

    def _shorten(self, line: _Line[K], most: int, reason: Reason, now: float, told: Told[K]) -> None:
        """Who is turned away is remembered for it."""
        while len(line) > most:
            key = line.pop(last=True).key
            self._turned_away.setdefault(key, now)
            if len(self._turned_away) > _REMEMBERED:
                self._turned_away.popitem(last=False)
            told.deferred.append(Deferred(key, reason))

    def _start(self, entry: Entry[K], now: float, told: Told[K], *, in_lane: bool) -> None:
        self._running[entry.key] = _Running(entry, now, in_lane)
        self._in_lane += in_lane
        if entry.unproven and entry.repeatable and not in_lane:
            self._yielding[entry.key] = now
        self._turned_away.pop(entry.key, None)
        told.start.append(Start(entry.key, in_lane))

    def _leave(self, key: K) -> _Running[K] | None:
        gone = self._running.pop(key, None)
        if gone is not None:
            self._yielding.pop(key, None)
            self._in_lane -= gone.in_lane
        return gone
