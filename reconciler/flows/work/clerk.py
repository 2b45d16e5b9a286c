"""The clerk: a thread that owns the store's connection, so that no run ever waits for the disk.

It goes to the store in turns: what was finished first, then leases, the clock, a new generation, and at last new claims
for whatever room there is. While there is much to do a turn takes many runs at once; when idle it comes at once, when
the next slice is due.

While the store is away nothing is claimed, so no more than what was claimed already can wait here; it is stored when
the store is back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from math import inf
from typing import TYPE_CHECKING

from reconciler.base.errors import GitopsError
from reconciler.flows.subjects import Subjects
from reconciler.flows.work.bell import Bell
from reconciler.flows.work.claims import Claims
from reconciler.flows.work.events import ClockMoved, Dropped, Event, StoreAway, StoreBack, Taken, Unsaved
from reconciler.flows.work.handover import Done, Floor, Outbox
from reconciler.flows.work.healths import Healths
from reconciler.flows.work.keeping import Keeping
from reconciler.flows.work.knobs import Knobs
from reconciler.flows.work.outbound import MOST, Outbound
from reconciler.flows.work.vitals import VitalSigns
from reconciler.store.executing import BEAT_SECONDS, UNSERVED_SECONDS, Claim

if TYPE_CHECKING:
    from reconciler.flows.supply import Hands
    from reconciler.store.executing import Executing, Transition

_JUMP = 0.5
"""Seconds by which the database's clock may drift from ours between two turns before it counts as set anew."""
_BLINK = 0.005
_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_POLL_TOLD = 5.0
"""Seconds between two questions for a new generation, where the store tells of it anyway."""


class Clerk(threading.Thread):
    """``opened`` opens the store, in the clerk's thread and again after each failure; ``post`` has something called
    on the event loop's thread; ``tell`` is called there too."""

    _floor: Floor

    def __init__(
        self,
        worker: str,
        knobs: Knobs,
        opened: Callable[[], Hands],
        *,
        post: Callable[..., object],
        tell: Callable[[Event], None],
        register: Callable[[Executing], None],
    ) -> None:
        super().__init__(name="gitops-clerk", daemon=True)
        self._worker, self._knobs = worker, knobs
        self._opened, self._post, self._tell, self._register = opened, post, tell, register
        self._wake = Bell()
        self._ear: int | None = None
        self._poll = knobs.poll
        self._claims = Claims(worker, knobs)
        self._outbound = Outbound(self._claims.release, self._stored, self._unsaved)
        self._opened_hands: tuple[Hands, Subjects] | None = None
        self.healths = Healths(enabled=knobs.metrics is not None)
        self.vitals = VitalSigns(knobs.regions, enabled=knobs.metrics is not None)
        self._keeping = Keeping()
        self._claiming, self._leaving, self._announced = True, False, False
        self._next_due: float | None = None
        self._behind = False
        self._failures, self._away_since, self._away, self._back = 0, 0.0, 0.0, -1e9
        self._polled = self._beaten = self._turned = -1e9
        self.claimed = 0
        """Claims handed to the floor so far; compared with what it has received."""
        self.generation = 0
        self.offset: float | None = None
        """The database's clock less ours; None before it was asked."""
        self.answered = time.monotonic()
        """When the store last did all that it was asked for."""
        self.complaint: str | None = None
        """What it said when it last failed; None when it didn't."""

    # -- called on the event loop's thread -----------------------------------------------------------------------------

    def serve(self, floor: Floor) -> None:
        """Begin."""
        self._floor = floor
        self.start()

    def hand_in(self, change: Callable[[Outbox], object]) -> None:
        """Put something into the outbox."""
        self._outbound.add(change)
        self._wake.set()

    def announce(self) -> None:
        """What the worker's row tells has changed."""
        self._announced = False
        self._wake.set()

    def stop_claiming(self) -> None:
        """No more claims; everything else goes on."""
        self._claiming = False
        self._wake.set()

    def leave(self, timeout: float) -> int:
        """Store what is there and end; returns how many results could not be stored within ``timeout`` seconds."""
        self._leaving = True
        self._wake.set()
        self.join(timeout)
        return self._outbound.results

    # -- the clerk's own thread ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Take turns until told to leave."""
        while True:
            leaving = self._leaving
            try:
                self._turn()
            except Exception as error:  # whatever it is, results are kept, and the next turn may succeed
                self._failed(error)
                if leaving and self._failures > 1:
                    break
            else:
                if leaving:
                    break
            self._rest()
        self._end()

    def _turn(self) -> None:
        now = time.monotonic()
        self._turned = now
        hands, subjects = self._opened_hands or self._open()
        executing = hands.executing
        self._look_at_clock(executing, now)
        self._outbound.send(executing)
        self._renew(executing, now)
        self._take_over(hands, now)
        if self._claiming:
            self._claim(hands, subjects)
        if not self._announced:
            self._announced = True
            self._register(executing)
        if now - self._beaten >= BEAT_SECONDS:
            executing.beat(self._worker, stopping=not self._claiming)
            self._beaten = now
            self._observe(executing)
        self.vitals.refresh(executing)
        self._keeping.step(executing, busy=self._busy())
        self._works()

    def _open(self) -> tuple[Hands, Subjects]:
        hands = self._opened()
        self._opened_hands = hands, Subjects(hands.reader)
        self._ear = hands.executing.listen()
        self._poll = self._knobs.poll if self._ear is None else max(self._knobs.poll, _POLL_TOLD)
        self._announced = False
        self._polled = self._beaten = -1e9
        return self._opened_hands

    def _look_at_clock(self, executing: Executing, now: float) -> None:
        offset = executing.now() - time.monotonic()
        before, self.offset = self.offset, offset
        if before is None or abs(offset - before) > _JUMP:
            mended = executing.mend_clock()
            if before is not None:
                self._claims.renew_soon()
                self._say(ClockMoved(offset - before, mended))

    def _renew(self, executing: Executing, now: float) -> None:
        lost = self._claims.renew(executing, now)
        if lost:
            self._post(self._floor.lose, lost)
            self._say(Dropped(len(lost)))

    def _take_over(self, hands: Hands, now: float) -> None:
        if not hands.executing.heard() and now - self._polled < self._poll:
            return
        self._polled = now
        taken, before = hands.executing.reconcile(), self.generation
        self.generation = hands.executing.generation()
        if self.generation != before:
            self._post(self._floor.refresh)
        if taken is not None:
            self._say(Taken(taken.generation, taken.added, taken.changed, taken.removed))
        self.healths.refresh(hands.executing, hands.reader, self.generation)

    def _observe(self, executing: Executing) -> None:
        """Notice regions that nobody serves any more; of very many slices the rest at the next turn."""
        found = executing.observe(UNSERVED_SECONDS, limit=MOST)
        if len(found) >= MOST:
            self._beaten = -1e9
        self._say_all(self.healths.changed(found))

    def _claim(self, hands: Hands, subjects: Subjects) -> None:
        """As many as there is room for."""
        executing, room = hands.executing, min(MOST, self._floor.room())
        claims = self._claims.take(executing, room, grace=self._patience()) if room > 0 else []
        self._behind = len(claims) >= room
        if claims:
            self._hand_over(hands, subjects, claims)
        due = executing.next_due(regions=self._knobs.regions)
        self._next_due = None if due is None else due - (self.offset or 0.0)

    def _hand_over(self, hands: Hands, subjects: Subjects, claims: list[Claim]) -> None:
        try:
            ready, gone = self._claims.equip(hands.executing, subjects, claims)
        except BaseException:
            self.hand_in(lambda out: out.again.extend(claims))
            raise
        if gone:
            self.hand_in(lambda out: out.skipped.extend(gone))
        self.claimed += len(ready)
        self._post(self._floor.receive, ready)

    # -- between turns -------------------------------------------------------------------------------------------------

    def _busy(self) -> bool:
        """Whether something is due now or very soon."""
        soon = self._next_due is not None and self._next_due < time.monotonic() + 0.05
        return bool(self._outbound) or (soon and self._claiming)

    def _rest(self) -> None:
        """Until there is something to do, and at least as long as makes batches worth while."""
        if self._failures:
            self._wake.clear()
            pause = min(_LONGEST_PAUSE, _PAUSE * 2.0 ** min(self._failures, 10))
            deadline = time.monotonic() + pause
            while time.monotonic() < deadline and not self._leaving:
                self._wake.wait(deadline - time.monotonic())
                self._wake.clear()
            return
        now = time.monotonic()
        until = now + min(self._poll, self._knobs.lease / 3)
        if self._claiming and self._next_due is not None and self._floor.room() > 0:
            until = min(until, self._next_due)
        self._wake.wait(max(0.0, until - now), self._ear)
        self._gather()
        self._wake.clear()

    def _gather(self) -> None:
        """Let a batch come together. Where more is due than there was room for, no slot should be idle meanwhile."""
        ends = self._turned + self._knobs.batch
        enough = self._knobs.concurrency if self._behind else inf
        while (left := ends - time.monotonic()) > 0 and not self._leaving and self._floor.room() < enough:
            time.sleep(min(left, _BLINK) if self._behind else left)

    def _patience(self) -> float:
        """While the store was away nobody could extend a lease. Others that come back a moment later still have what
        they had, and results to store."""
        if self._failures:
            return time.monotonic() - self._away_since + self._knobs.lease
        return self._away + _LONGEST_PAUSE if time.monotonic() - self._back < self._knobs.lease else 0.0

    def _works(self) -> None:
        self.answered, self.complaint = time.monotonic(), None
        if self._failures:
            self._back, self._away = self.answered, self.answered - self._away_since
            self._say(StoreBack(self._away))
            self._failures = 0

    def _failed(self, error: Exception) -> None:
        self.complaint = error.message if isinstance(error, GitopsError) else f"{type(error).__name__}: {error}"
        self._failures += 1
        if self._failures == 1:
            self._away_since = time.monotonic()
        if self._failures in (1, 2):  # once as it happens, once more when it lasts
            self._say(StoreAway(self.complaint, self._outbound.results))
        self._post(self._floor.store_failed)
        self._close()

    def _end(self) -> None:
        if self._opened_hands is not None:
            executing = self._opened_hands[0].executing
            try:
                self._claims.give_back(executing)
                executing.leave(self._worker)
            except GitopsError as error:
                self.complaint = error.message
        self._close()
        self._wake.close()

    def _close(self) -> None:
        self._ear = None
        opened, self._opened_hands = self._opened_hands, None
        if opened is not None:
            try:
                opened[0].close()
            except GitopsError as error:
                self.complaint = error.message

    # -- what is to be said on the event loop's thread -----------------------------------------------------------------

    def _say(self, event: Event) -> None:
        self._post(self._tell, event)

    def _say_all(self, events: Iterable[Event]) -> None:
        """At once: each call on the loop's thread is a byte in its pipe, and hundreds of them while it is busy would
        leave no room there for a signal."""
        listed = list(events)
        if listed:
            self._post(self._tell_each, listed)

    def _tell_each(self, events: Iterable[Event]) -> None:
        for event in events:
            self._tell(event)

    def _stored(self, done: list[Done], transitions: list[Transition]) -> None:
        self._post(self._floor.stored, done)
        self._say_all(self.healths.changed(transitions, (each.finished.run for each in done)))

    def _unsaved(self, error: Exception) -> None:
        self._post(self._floor.unsaved)
        self._say(Unsaved(f"a result can't be stored: {type(error).__name__}: {error}"))
