"""The floor: what runs now and what waits, on the event loop. One task for each run in flight, none for what isn't due.

Which run may go on is said by :mod:`reconciler.execute.lane`, once for scripts and once for everything else, so that
neither can take the other's slots.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from reconciler.execute.lane import Entry, Slots, Told
from reconciler.execute.pacing import decode, encode
from reconciler.flows.work.handover import Done, Ready
from reconciler.flows.work.held import Fate, Held, Place
from reconciler.flows.work.knobs import Knobs
from reconciler.flows.work.tally import Tally
from reconciler.model.run import Observation, Run
from reconciler.store.executing import Claim, Finished

if TYPE_CHECKING:
    from reconciler.execute.executor import Executor
    from reconciler.flows.work.clerk import Clerk
    from reconciler.flows.work.tracing import Traces

_HAIR = 1.0
_LINE = 1000
"""Scripts that may wait, and runs that may wait for the lane; above that they are deferred. What waits is small."""


class Floor:
    """Belongs to the event loop's thread, but for :meth:`room`."""

    def __init__(self, worker: str, knobs: Knobs, executor: Executor, clerk: Clerk, tally: Tally) -> None:
        self._worker, self._executor, self._clerk, self._tally = worker, executor, clerk, tally
        self.pools: dict[str, Slots[Place]] = {
            "network": Slots(knobs.concurrency, lane=knobs.lane, line=2 * knobs.concurrency, lane_line=_LINE),
            "scripts": Slots(knobs.scripts, line=_LINE),
        }
        self.traces: Traces | None = None
        self._held: dict[Place, Held] = {}
        self._received = 0
        self._open = True
        self._idle = asyncio.Event()
        self._idle.set()
        self._timer: asyncio.TimerHandle | None = None

    def room(self) -> int:
        """How many more claims can be taken. Asked by the clerk's thread: claims on their way count as taken."""
        return self.pools["network"].room - (self._clerk.claimed - self._received)

    @property
    def running(self) -> int:
        """Runs in flight."""
        return sum(pool.running for pool in self.pools.values())

    # -- said by the clerk ---------------------------------------------------------------------------------------------

    def receive(self, ready: Sequence[Ready]) -> None:
        """These are to be run, as soon as the rules allow."""
        self._tally.claimed += len(ready)
        self._tally.takeovers += sum(each.claim.expired for each in ready)
        try:
            if self._open:
                self._receive(ready)
            else:
                self._give_back(each.claim for each in ready)
        finally:  # not before they have their places: the clerk asks for room at any time
            self._received += len(ready)

    def _receive(self, ready: Sequence[Ready]) -> None:
        told: dict[str, Told[Place]] = {name: Told() for name in self.pools}
        now = time.monotonic()
        for each in ready:
            try:
                self._offer(each, now, told)
            except Exception as error:
                self._give_up(each.claim, error)
        for found in told.values():
            self._obey(found)
        if self._timer is None:
            self._make_way()

    def lose(self, leases: Collection[int]) -> None:
        """Somebody else has these by now: whatever comes of them here doesn't count."""
        for held in [h for h in self._held.values() if h.claim.lease in leases]:
            self._tally.dropped["lease_lost"] += 1
            self._cancel(held, "lost")

    def stored(self, done: Sequence[Done]) -> None:
        """These are durable; only now they count."""
        self._tally.batches.add(len(done))
        for finished, strategy, late, subject in done:
            run = finished.run
            self._tally.ran(strategy, run.outcome, run.duration_ms / 1000, late)
            if self.traces is not None:
                self.traces.add(run, strategy, subject)

    def unsaved(self) -> None:
        """A result was dropped, as no store could keep it."""
        self._tally.dropped["unsaved"] += 1

    def refresh(self) -> None:
        """Give back what waits. After a new generation it is claimed again at once, perhaps with another body."""
        for pool in self.pools.values():
            for place in pool.waiting_keys():
                if self._held[place].task is None:
                    self._return(self._held[place])

    def store_failed(self) -> None:
        """To be counted."""
        self._tally.store_errors += 1

    # -- the end -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take nothing more, and give back what waits."""
        self._open = False
        self.refresh()

    async def drained(self, timeout: float) -> bool:
        """Whether all runs in flight ended within so many seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def cancel(self) -> None:
        """Stop every run in flight; they are given back."""
        for held in list(self._held.values()):
            self._cancel(held, "stopped")

    # -- how -----------------------------------------------------------------------------------------------------------

    def _offer(self, ready: Ready, now: float, told: dict[str, Told[Place]]) -> None:
        claim, recipe, _ = ready
        there = self._held.get((claim.key, claim.region))
        if there is not None:
            self._again(there, claim)
            return
        if recipe.prepared is None:
            try:
                recipe.prepared = self._executor.prepare(recipe.body or b"")
            except ValueError as error:
                self._hand_in(ready, Observation("degraded", 0.0, error=str(error)), "unknown")
                return
            recipe.body = None
        prepared, pace = recipe.prepared, decode(claim.pace, claim.digest)
        name = "scripts" if prepared.strategy == "script" else "network"
        held = Held(ready, claim, prepared, pace, self.pools[name])
        self._held[held.place] = held
        entry = Entry(held.place, pace.needs_lane, pace.unproven, prepared.repeatable)
        self.pools[name].offer(entry, now, told[name])

    def _again(self, there: Held, claim: Claim) -> None:
        """The slice is here already, as its lease ran out meanwhile: what goes on goes on under the new one."""
        if there.fate is None and there.claim.digest == claim.digest:
            there.claim = claim
        else:
            self._tally.deferred["in_flight"] += 1
            self._skip(claim)

    def _obey(self, told: Told[Place]) -> None:
        for place, in_lane in told.start:
            held = self._held[place]
            held.in_lane = in_lane
            held.task = asyncio.create_task(self._run(held))
        if told.start:
            self._idle.clear()
            if self._timer is None:
                self._make_way()
        for place, reason in told.deferred:
            self._tally.deferred[reason] += 1
            held = self._held.pop(place)
            self._keep_pace(held)
            self._skip(held.claim)

    async def _run(self, held: Held) -> None:
        prepared, (subject, fields) = held.prepared, held.ready.known
        held.limit_ms = held.pace.timeout_ms(prepared.timeout_ms)
        held.began = time.monotonic()
        try:
            seen = await self._executor.run(prepared, subject, fields, timeout_ms=held.limit_ms)
        except asyncio.CancelledError:
            self._cancelled(held)
            return
        except Exception as error:  # the executor promises not to; the slice shouldn't suffer if it does
            seen = Observation("degraded", 0.0, error=f"the executor failed: {type(error).__name__}: {error}")
        self._leave(held)
        if held.fate == "lost":
            return
        try:
            self._hand_in(held.ready, seen, prepared.strategy, held)
        except Exception as error:
            self._give_up(held.claim, error)

    def _hand_in(self, ready: Ready, seen: Observation, strategy: str, held: Held | None = None) -> None:
        """What came of a run goes to the clerk."""
        claim = ready.claim if held is None else held.claim
        began = time.monotonic() if held is None else held.began
        at = began + (self._clerk.offset or 0.0)
        if claim.slot - _HAIR < at < claim.slot:  # two clocks never agree to the millisecond
            at = claim.slot
        pace, late = claim.pace, None
        if held is not None:
            healthy = seen.outcome == "healthy"
            after = held.pace.after(healthy=healthy, took_ms=seen.duration_ms, timeout_ms=held.limit_ms)
            pace = encode(after, claim.digest)
            late = None if held.in_lane or claim.expired else max(0.0, at - claim.slot)
        run = Run(
            key=claim.key,
            region=claim.region,
            slot=claim.slot,
            at=at,
            duration_ms=seen.duration_ms,
            outcome=seen.outcome,
            reason=seen.reason,
            generation=claim.generation,
            digest=claim.digest,
            worker=self._worker,
            detail=seen.detail(),
        )
        done = Done(Finished(claim, run, pace), strategy, late, ready.known.subject)
        self._clerk.hand_in(lambda out: out.done.append(done))

    def _leave(self, held: Held) -> None:
        """Its slot goes to the next."""
        self._held.pop(held.place, None)
        told: Told[Place] = Told()
        held.pool.ended(held.place, time.monotonic(), told)
        self._obey(told)
        if not self.running:
            self._idle.set()

    def _cancelled(self, held: Held) -> None:
        if held.fate == "gave_way" and self._open:
            self._tally.gave_way += 1
            held.pace, held.changed = held.pace.giving_way(), True
            held.task, held.fate = None, None
            told: Told[Place] = Told()
            held.pool.stopped(held.place, time.monotonic(), told)
            self._obey(told)
            return
        self._leave(held)
        if held.fate != "lost":
            self._give_back((held.claim,))

    def _cancel(self, held: Held, fate: Fate) -> None:
        if held.task is None:
            self._return(held, lost=fate == "lost")
        elif held.fate is None or fate == "lost":
            held.fate = fate
            held.task.cancel()

    def _make_way(self) -> None:
        """Stop unproven runs for others that wait, now and when the next becomes old enough."""
        now, soonest = time.monotonic(), None
        for pool in self.pools.values():
            for place in pool.give_way(now):
                held = self._held[place]
                if held.fate is None and held.task is not None:
                    held.fate = "gave_way"
                    held.task.cancel()
            ends = pool.patience_ends()
            if ends is not None and (soonest is None or ends < soonest):
                soonest = ends
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if soonest is not None and self._open:
            self._timer = asyncio.get_running_loop().call_later(max(0.01, soonest - now), self._make_way)

    def _return(self, held: Held, *, lost: bool = False) -> None:
        """What doesn't run yet is given back for whoever comes first."""
        self._leave(held)
        if not lost:
            self._keep_pace(held)
            self._give_back((held.claim,))

    def _keep_pace(self, held: Held) -> None:
        if held.changed:
            change = (held.claim.key, held.claim.region, encode(held.pace, held.claim.digest))
            self._clerk.hand_in(lambda out: out.paces.append(change))

    def _give_back(self, claims: Iterable[Claim]) -> None:
        given = list(claims)
        self._tally.given_back += len(given)
        self._clerk.hand_in(lambda out: out.again.extend(given))

    def _give_up(self, claim: Claim, error: Exception) -> None:
        """What should never happen did. The slice must not stay leased for ever; it is tried again at its next tick."""
        self._skip(claim)
        context = {"message": f"a run of slice {tuple(claim.key)} came to nothing", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)

    def _skip(self, claim: Claim) -> None:
        self._clerk.hand_in(lambda out: out.skipped.append(claim))
