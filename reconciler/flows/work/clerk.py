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
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from reconciler.base.errors import GitopsError
from reconciler.flows.subjects import Known, Subjects
from reconciler.flows.work.events import ClockMoved, Dropped, Event, StoreAway, StoreBack, Taken, Unsaved
from reconciler.flows.work.handover import Done, Floor, Outbox, Ready, Recipes
from reconciler.flows.work.healths import Healths
from reconciler.flows.work.keeping import Keeping
from reconciler.flows.work.knobs import Knobs
from reconciler.store.executing import Claim

if TYPE_CHECKING:
    from reconciler.store.executing import Executing
    from reconciler.store.port import Reader

_MOST = 500
"""Claims and results in one transaction."""
_BEAT = 5.0
_JUMP = 0.5
"""Seconds by which the database's clock may drift from ours between two turns before it counts as set anew."""
_PAUSE, _LONGEST_PAUSE = 0.1, 1.0


class Hands(Protocol):
    """Both sides of a store, for one thread."""

    executing: Executing
    reader: Reader

    def close(self) -> None:
        """Close the connections."""


class Clerk(threading.Thread):
    """``opened`` opens the store, in the clerk's thread and again after each failure; ``post`` has something called
    on the event loop's thread; ``tell`` is called there too."""

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
        self._floor: Floor | None = None
        self._room: Callable[[], int] = lambda: 0
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._outbox = Outbox()
        self._sending = Outbox()
        self._held: dict[int, tuple[Claim, float]] = {}
        self._recipes = Recipes()
        self._most = _MOST
        self._hands: Hands | None = None
        self._subjects: Subjects | None = None
        self.healths = Healths(enabled=knobs.metrics is not None)
        self._keeping = Keeping()
        self._claiming, self._leaving, self._announced = True, False, False
        self._next_due: float | None = None
        self._failures, self._away_since = 0, 0.0
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

    def serve(self, floor: Floor, room: Callable[[], int]) -> None:
        """Begin. ``room``: how many more claims the floor can take, those on their way included."""
        self._floor, self._room = floor, room
        self.start()

    def hand_in(self, add: Callable[[Outbox], object]) -> None:
        """Put something into the outbox."""
        with self._lock:
            add(self._outbox)
        self._wake.set()

    def wake(self) -> None:
        """There may be something to do."""
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
        with self._lock:
            return len(self._outbox.done) + len(self._sending.done)

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

    def _give_back_all(self, executing: Executing) -> None:
        """What is still held when the worker leaves: claims that met a floor that was closed already."""
        executing.give_back([claim for claim, _ in self._held.values()], again=True)
        self._held.clear()

    def _turn(self) -> None:
        now = time.monotonic()
        self._turned = now
        hands = self._hands or self._open()
        executing = hands.executing
        self._look_at_clock(executing, now)
        self._send(executing)
        self._renew(executing, now)
        self._take_over(hands, now)
        if self._claiming:
            self._claim(hands)
        if not self._announced:
            self._announced = True
            self._register(executing)
        if now - self._beaten >= _BEAT:
            executing.beat(self._worker, stopping=not self._claiming)
            self._beaten = now
        self._keeping.step(executing, busy=self._busy())
        self._works()

    def _open(self) -> Hands:
        hands = self._opened()
        self._hands, self._subjects = hands, Subjects(hands.reader)
        self._announced = False
        self._polled = self._beaten = -1e9
        return hands

    def _look_at_clock(self, executing: Executing, now: float) -> None:
        offset = executing.now() - time.monotonic()
        before, self.offset = self.offset, offset
        if before is None or abs(offset - before) > _JUMP:
            mended = executing.mend_clock()
            if before is not None:
                self._held = {lease: (claim, -1e9) for lease, (claim, _) in self._held.items()}  # renew all of them
                self._say(ClockMoved(offset - before, mended))

    def _send(self, executing: Executing) -> None:
        """Store what the floor handed in; what failed to be stored comes first the next time."""
        out = self._collect()
        while out.done:
            part = out.done[: self._most]
            try:
                transitions = executing.finish([done.finished for done in part])
            except GitopsError:
                raise
            except Exception as error:  # nothing is wrong with the store, but something with one of these runs
                if len(part) > 1:
                    self._most = 1
                    continue
                transitions = []
                out.skipped.append(part[0].finished.claim)
                self._say(Unsaved(f"{type(error).__name__}: {error}"))
            with self._lock:
                del out.done[: len(part)]
            self._release(done.finished.claim for done in part)
            self._post(self._stored, part, self.healths.changed(transitions))
        self._most = _MOST
        for claims, again in ((out.again, True), (out.skipped, False)):
            if claims:
                executing.give_back(claims, again=again)
                self._release(claims)
                claims.clear()
        if out.paces:
            executing.set_paces(out.paces)
            out.paces.clear()

    def _collect(self) -> Outbox:
        with self._lock:
            new, self._outbox = self._outbox, Outbox()
            old = self._sending
            old.done += new.done
            old.again += new.again
            old.skipped += new.skipped
            old.paces += new.paces
        return old

    def _release(self, claims: Any) -> None:
        for claim in claims:
            self._held.pop(claim.lease, None)

    def _renew(self, executing: Executing, now: float) -> None:
        lease = self._knobs.lease
        due = [claim for claim, renewed in self._held.values() if now - renewed >= lease / 3]
        if not due:
            return
        kept = executing.renew(due, lease=lease)
        lost = {claim.lease for claim in due} - kept
        for claim in due:
            if claim.lease in kept:
                self._held[claim.lease] = (claim, now)
            else:
                self._held.pop(claim.lease, None)
        if lost and self._floor is not None:
            self._post(self._floor.lose, lost)
            self._say(Dropped(len(lost)))

    def _take_over(self, hands: Hands, now: float) -> None:
        if now - self._polled < self._knobs.poll:
            return
        self._polled = now
        taken, before = hands.executing.reconcile(), self.generation
        self.generation = hands.executing.generation()
        if self.generation != before:
            self._post(self._refresh)
        if taken is not None:
            self._say(Taken(taken.generation, taken.added, taken.changed, taken.removed))
        self.healths.refresh(hands.executing, hands.reader, self.generation)

    def _claim(self, hands: Hands) -> None:
        """Claim as many as there is room for, longest due first."""
        executing, regions = hands.executing, self._knobs.regions
        room = min(_MOST, self._room())
        if room > 0:
            claims = executing.claim(self._worker, room, lease=self._knobs.lease, regions=regions)
            if claims:
                self._accept(hands, claims)
        due = executing.next_due(regions=regions)
        offset = self.offset or 0.0
        self._next_due = None if due is None else due - offset

    def _accept(self, hands: Hands, claims: list[Claim]) -> None:
        now = time.monotonic()
        for claim in claims:
            self._held[claim.lease] = (claim, now)
        try:
            ready = self._equip(hands, claims)
        except BaseException:
            self.hand_in(lambda out: out.again.extend(claims))
            raise
        if ready and self._floor is not None:
            self.claimed += len(ready)
            self._post(self._floor.receive, ready)

    def _equip(self, hands: Hands, claims: list[Claim]) -> list[Ready]:
        """With bodies and names. What is gone meanwhile is given back, into nothing."""
        assert self._subjects is not None
        new = [c.key for c in claims if self._recipes.get(c.key, c.digest) is None]
        bodies = hands.executing.bodies(new) if new else {}
        known: dict[Any, Known] = self._subjects.many([c.key for c in claims])
        ready, gone = [], []
        for claim in claims:
            digest, recipe = claim.digest, self._recipes.get(claim.key, claim.digest)
            if recipe is None and claim.key in bodies:
                digest, body = bodies[claim.key]  # it may have changed since the claim
                recipe = self._recipes.get(claim.key, digest) or self._recipes.put(claim.key, digest, body)
            if recipe is None:
                gone.append(claim)
            else:
                ready.append(Ready(claim._replace(digest=digest), recipe, known[claim.key]))
        if gone:
            self.hand_in(lambda out: out.skipped.extend(gone))
        return ready

    # -- between turns -------------------------------------------------------------------------------------------------

    def _busy(self) -> bool:
        """Whether something is due now or very soon."""
        soon = self._next_due is not None and self._next_due < time.monotonic() + 0.05
        return bool(self._outbox) or (soon and self._claiming)

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
        until = now + min(self._knobs.poll, self._knobs.lease / 3)
        if self._claiming and self._next_due is not None and self._room() > 0:
            until = min(until, self._next_due)
        self._wake.wait(max(0.0, until - now))
        early = self._turned + self._knobs.batch - time.monotonic()
        if early > 0 and not self._leaving:
            time.sleep(early)
        self._wake.clear()

    def _works(self) -> None:
        self.answered, self.complaint = time.monotonic(), None
        if self._failures:
            self._say(StoreBack(time.monotonic() - self._away_since))
            self._failures = 0

    def _failed(self, error: Exception) -> None:
        self.complaint = error.message if isinstance(error, GitopsError) else f"{type(error).__name__}: {error}"
        self._failures += 1
        if self._failures == 1:
            self._away_since = time.monotonic()
        if self._failures in (1, 2):  # once as it happens, once more when it lasts
            self._say(StoreAway(self.complaint, len(self._sending.done)))
        self._post(self._count_failure)
        self._close()

    def _end(self) -> None:
        if self._hands is not None:
            try:
                self._give_back_all(self._hands.executing)
                self._hands.executing.leave(self._worker)
            except GitopsError as error:
                self.complaint = error.message
        self._close()

    def _close(self) -> None:
        hands, self._hands, self._subjects = self._hands, None, None
        if hands is not None:
            try:
                hands.close()
            except GitopsError as error:
                self.complaint = error.message

    # -- said on the event loop's thread -------------------------------------------------------------------------------

    def _say(self, event: Event) -> None:
        self._post(self._tell, event)

    def _stored(self, done: list[Done], changed: list[Event]) -> None:
        assert self._floor is not None
        self._floor.stored(done)
        for event in changed:
            self._tell(event)

    def _refresh(self) -> None:
        assert self._floor is not None
        self._floor.refresh()

    def _count_failure(self) -> None:
        assert self._floor is not None
        self._floor.store_failed()
