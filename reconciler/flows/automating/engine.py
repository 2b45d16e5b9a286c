"""Automations in a worker, from their start to their end: a thread with an event loop of its own.

It goes to the store in turns, as the clerk does for checks: whether anything happened, then triggers (if this worker
leads), then runs that can go on. A turn in which nothing happened is one cheap question.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from reconciler.base.errors import StoreError
from reconciler.flows.automating.desk import Desk, Held
from reconciler.flows.automating.leading import Leader, Turned
from reconciler.flows.automating.running import Runner
from reconciler.flows.automating.tally import AutomationTally
from reconciler.flows.maintenances import tick
from reconciler.flows.work.events import AutomationEnded, Event, Fault
from reconciler.store.automating import Claimed

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.port import Asks
    from reconciler.store.database import Database

_POLL = 0.5
"""Seconds until the store is asked again, when nobody says that something happened."""
_BATCH = 0.02
"""Seconds between two turns while there is much to do."""
_HOUSE, _PRUNE, _COUNT = 5.0, 60.0, 15.0
_JUMP = 1.0
"""Seconds by which the store's clock has to step back for what was kept by it to be looked at anew."""
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class _Came(NamedTuple):
    """What one visit to the store came to. ``wait``: seconds until the next, unless something happens before."""

    turned: Turned
    claims: list[Claimed]
    wait: float


class Engine(threading.Thread):
    """``opened`` opens the store; ``hands`` makes what actions are done with, in this thread; ``say`` is called in it
    too, and has to hand events over to whoever tells them."""

    def __init__(
        self,
        worker: str,
        *,
        opened: Callable[[], Database],
        hands: Callable[[Asks], Hands],
        say: Callable[[Event], None],
        lease: float,
        grace: float,
        poll: float = _POLL,
    ) -> None:
        super().__init__(name="gitops-automations", daemon=True)
        self._worker, self._opened, self._hands, self._say = worker, opened, hands, say
        self._lease, self._grace, self._poll = lease, grace, poll
        self.tally = AutomationTally()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._stopping = threading.Event()
        self._at_once = threading.Event()
        self._offset = 0.0
        self._failures = 0
        self._house = self._pruned = self._counted = -1e12
        self.released = 0
        """Runs in flight that were left for others at the end."""

    # -- called by other threads ---------------------------------------------------------------------------------------

    def nudge(self) -> None:
        """Something happened that it may want to know of."""
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(wake.set)
            except RuntimeError:  # closed between the two
                return

    def stop(self) -> None:
        """No more runs; those in flight have their grace."""
        self._stopping.set()
        self.nudge()

    def leave(self, timeout: float) -> bool:
        """Wait for the end; whether it came in time."""
        self._stopping.set()
        self._at_once.set()
        self.nudge()
        self.join(timeout)
        return not self.is_alive()

    # -- its own thread ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Take turns until told to stop."""
        try:
            asyncio.run(self._main())
        except Exception as error:
            self._say(Fault(f"automations ended: {type(error).__name__}: {error}"))

    async def _main(self) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        desk = Desk(self._opened)
        hands = self._hands(desk.ask)
        leader = Leader(self._worker, self._lease, self.tally)
        runner = Runner(
            desk, hands, self.tally, lease=self._lease, now=self._now, say=self._say, changed=self._wake.set
        )
        try:
            while not self._stopping.is_set():
                wait = await self._turn(desk, leader, runner)
                await self._rest(wait)
            with suppress(StoreError):  # another leads at once; whoever asks next finds at least that this is over
                await desk.do(leader.leave)
            self.released = await self._wind_down(runner)
        finally:
            with suppress(StoreError):
                await desk.close()
            await hands.aclose()

    async def _turn(self, desk: Desk, leader: Leader, runner: Runner) -> float:
        began = time.monotonic()
        assert self._wake is not None
        self._wake.clear()
        try:
            came = await desk.do(lambda held: self._visit(held, leader, runner.room))
            runner.begin(came.claims, began)
            await runner.renew()
        except Exception as error:
            return self._failed(error)
        self._failures = 0
        self._tell(came.turned)
        if came.claims or came.turned.decided:
            self.tally.turns.add(time.monotonic() - began)
        return came.wait

    def _visit(self, held: Held, leader: Leader, room: int) -> _Came:
        """In the desk's thread."""
        look = held.automating.look()
        before, self._offset = self._offset, look.now - time.monotonic()
        if self._offset < before - _JUMP and before:
            held.automating.mend_clock(lease=self._lease)
            leader.mend()
        turned = leader.turn(held, look)
        if turned.leads:
            self._keep_house(held, look.now)
        ready = look.ready_at is not None and look.ready_at <= look.now
        if turned.decided or turned.woken:
            ready = True
        claims = held.automating.claim(self._worker, room, lease=self._lease) if ready and room > 0 else []
        self._count(held)
        # Who leads looks often; who would only take its place, or help it out, needn't: they may be many.
        soon = [look.now + (self._poll if turned.leads else max(self._poll, self._lease / 6))]
        if turned.more or (ready and room > len(claims) > 0):
            soon.append(look.now)
        soon += [at for at in (turned.again_at, look.ready_at if room > 0 and not ready else None) if at is not None]
        return _Came(turned, claims, max(0.0, min(soon) - look.now))

    def _keep_house(self, held: Held, now: float) -> None:
        if not 0 <= now - self._house < _HOUSE:
            self._house = now
            tick(held.db)
        if not 0 <= now - self._pruned < _PRUNE:
            self._pruned = now
            held.automating.prune()

    def _count(self, held: Held) -> None:
        """For the metrics, now and then."""
        now = time.monotonic()
        if now - self._counted >= _COUNT:
            self._counted = now
            self.tally.going = held.automating.counts()
            self.tally.dead = int(held.db.rows("select count(*) from delivery where status = 'dead'")[0][0])

    async def _rest(self, wait: float) -> None:
        """At least as long as makes batches worth while."""
        assert self._wake is not None
        await asyncio.sleep(_BATCH)
        if wait > _BATCH and not self._stopping.is_set():
            try:
                await asyncio.wait_for(self._wake.wait(), wait - _BATCH)
            except TimeoutError:
                return

    async def _wind_down(self, runner: Runner) -> int:
        deadline = time.monotonic() + self._grace
        stopped = asyncio.create_task(runner.stop(self._grace))
        while not stopped.done() and not self._at_once.is_set() and time.monotonic() < deadline:
            await asyncio.wait((stopped,), timeout=0.1)
            with suppress(StoreError):
                await runner.renew()
        if not stopped.done():
            stopped.cancel()
            return await runner.stop(0.0)
        return stopped.result()

    # -- what is told --------------------------------------------------------------------------------------------------

    def _tell(self, turned: Turned) -> None:
        for sentence in turned.faults:
            self._say(Fault(sentence))
        for name, decided in turned.decided:
            for run in decided.cancelled:
                self.tally.runs["cancelled"] += 1
                self._say(AutomationEnded(run, name, "cancelled", "a newer run took its place", None))
            if decided.status == "skipped" and decided.run is not None:
                self.tally.runs["skipped"] += 1
                self._say(AutomationEnded(decided.run, name, "skipped", decided.reason, None))

    def _failed(self, error: Exception) -> float:
        """That the store is away the clerk tells, who asks it too."""
        self._failures += 1
        if self._failures == 1 and not isinstance(error, StoreError):
            self._say(Fault(f"automations: {type(error).__name__}: {error}"))
        return float(min(_LONGEST_PAUSE, _PAUSE * 2.0 ** min(self._failures, 10)))

    def _now(self) -> float:
        """The store's clock, as it was when last asked."""
        return time.monotonic() + self._offset
