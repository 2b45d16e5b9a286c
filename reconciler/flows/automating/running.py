"""Every worker goes on with runs: leases them, walks each in a task of its own, and lets go of them in good order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from reconciler.automate.definitions import Automation, read
from reconciler.automate.port import Lost, Started, Walked
from reconciler.automate.triggers import from_data
from reconciler.automate.walk import walk
from reconciler.base.errors import GitopsError, StoreError
from reconciler.flows.acting.identity import identify
from reconciler.flows.acting.perform import perform
from reconciler.flows.automating.desk import Desk
from reconciler.flows.automating.tally import AutomationTally
from reconciler.flows.automating.world import StoreWorld, waited
from reconciler.flows.work.events import AutomationEnded, AutomationStarted, Event, Fault
from reconciler.store.automating import Claimed, Kept, Then

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands

AT_ONCE = 200
"""Runs that one worker goes on with at a time."""
MOST_TRIES = 8
"""Workers that may be lost over a run without anything of it being kept; else it takes down one after the other."""
_REMEMBERED = 500
"""Automations whose bodies are read."""


class Runner:
    """Belongs to one event loop. ``changed`` is called whenever a run is put aside or ends."""

    def __init__(
        self,
        desk: Desk,
        hands: Hands,
        tally: AutomationTally,
        *,
        lease: float,
        now: Callable[[], float],
        say: Callable[[Event], None],
        changed: Callable[[], None],
    ) -> None:
        self._desk, self._hands, self._tally = desk, hands, tally
        self._lease, self._now, self._say, self._changed = lease, now, say, changed
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._claims: dict[int, Claimed] = {}
        self._lost: set[int] = set()
        self._until: dict[int, float] = {}
        self._read: dict[tuple[int, str], Automation] = {}
        self._renewed = time.monotonic()

    @property
    def room(self) -> int:
        """How many more runs may begin."""
        return AT_ONCE - len(self._tasks)

    @property
    def running(self) -> int:
        """How many go on."""
        return len(self._tasks)

    def begin(self, claims: Collection[Claimed], asked: float) -> None:
        """Go on with these; ``asked`` is when they were asked for (``time.monotonic()``)."""
        for claim in claims:
            self._until[claim.run] = asked + self._lease
            old = self._tasks.get(claim.run)
            if old is not None:  # our own lease ran out; whoever has the older one stops
                self._lost.add(claim.run)
                old.cancel()
            task = asyncio.create_task(self._go(claim, old))
            self._tasks[claim.run], self._claims[claim.run] = task, claim
            task.add_done_callback(partial(self._done, claim))

    async def renew(self) -> None:
        """Extend leases, when it is time; runs that are somebody else's by now, or cancelled, stop."""
        if not self._claims or time.monotonic() - self._renewed < self._lease / 3:
            return
        self._renewed = asked = time.monotonic()
        mine = {run: claim.lease for run, claim in self._claims.items()}
        held = await self._desk.do(lambda held: held.automating.renew(list(mine.items()), lease=self._lease))
        for run, lease in mine.items():
            if run in held:
                self._until[run] = asked + self._lease
            claim, task = self._claims.get(run), self._tasks.get(run)
            if run not in held and claim is not None and claim.lease == lease and task is not None:
                self._lost.add(run)
                task.cancel()

    async def stop(self, grace: float) -> int:
        """Let what is being done come to its end within ``grace`` seconds; the rest is for others. How many that is."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        rest = [task for task in tasks if not task.done()]
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=2.0)
        return len(rest)

    def _done(self, claim: Claimed, task: asyncio.Task[None]) -> None:
        if self._tasks.get(claim.run) is task:
            del self._tasks[claim.run], self._claims[claim.run], self._until[claim.run]
            self._lost.discard(claim.run)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._tally.faults += 1
            self._say(Fault(f"a fault of gitops itself in run {claim.run}: {type(error).__name__}: {error}"))
        self._changed()

    async def _ours(self, claim: Claimed) -> bool:
        """Whether nobody else can be at a run. A process that was stopped for a while wakes up in the middle of it."""
        asked = time.monotonic()
        if asked < self._until.get(claim.run, 0.0):
            return True
        held = await self._desk.do(lambda held: held.automating.renew([(claim.run, claim.lease)], lease=self._lease))
        if claim.run in held and claim.run in self._until:
            self._until[claim.run] = asked + self._lease
        return claim.run in held

    # -- one run -------------------------------------------------------------------------------------------------------

    async def _go(self, claim: Claimed, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
            self._lost.discard(claim.run)
        automation = self._automation(claim)
        name = automation.name if automation is not None else f"#{claim.automation}"
        if claim.snapshot is None and not claim.expired:
            began = AutomationStarted(claim.run, name, str(claim.event["name"]), claim.context_key)
            self._say(began._replace(correlation=claim.event.get("id")))
        then: Then = "released"
        reason: str | None = None
        try:
            walked = await self._walk(claim, automation)
            then, reason = walked.status, walked.reason
        except Lost:
            return
        except asyncio.CancelledError:
            if claim.run in self._lost:
                return
        except StoreError:
            pass  # whoever has the store may go on
        except Exception as error:
            self._tally.faults += 1
            then, reason = "failed", f"a fault of gitops itself: {type(error).__name__}: {error}"
            self._say(Fault(f"run {claim.run} of {name}: {reason}"))
        await self._end(claim, name, then, reason)

    async def _walk(self, claim: Claimed, automation: Automation | None) -> Walked:
        if automation is None:
            return Walked("failed", "what it was started with isn't kept any more")
        if claim.tries >= MOST_TRIES:
            return Walked("failed", f"{claim.tries} workers were lost over it, one after the other")
        try:
            identity = await self._desk.ask(
                lambda stores: identify(
                    stores.reader, claim.automation, run=claim.run, context_key=claim.context_key or ""
                )
            )
        except StoreError:
            raise
        except GitopsError as error:
            return Walked("failed", error.message)
        world = StoreWorld(
            self._desk,
            claim,
            automation,
            lambda doing: perform(doing, identity, self._hands),
            partial(self._ours, claim),
            now=self._now,
            tally=self._tally,
        )
        await world.prepare()
        started = Started(from_data(claim.event), claim.trigger_id)
        waits = [waited(row) for row in claim.waits]
        # The number of a run is that of its store; receivers of actions may hear from several.
        run = f"{claim.run}-{claim.created * 1000:.0f}"
        return await walk(automation.spec, started, world, run=run, snapshot=claim.snapshot, waits=waits)

    async def _end(self, claim: Claimed, name: str, then: Then, reason: str | None) -> None:
        kept = Kept(claim.run, claim.automation, claim.lease, then, reason)
        try:
            ours = await asyncio.shield(self._desk.keep(kept))
        except StoreError:
            return
        if ours and then in ("success", "failed"):
            self._tally.runs[then] += 1
            self._say(AutomationEnded(claim.run, name, then, reason, max(0.0, self._now() - claim.created)))

    def _automation(self, claim: Claimed) -> Automation | None:
        key = (claim.automation, claim.digest)
        if key not in self._read and claim.body is not None:
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            self._read[key] = read(claim.automation, _name(claim.body), "", claim.generation, claim.digest, claim.body)
        return self._read.get(key)


def _name(body: bytes) -> str:
    from reconciler.base.canonical import loads

    return str(loads(body)["metadata"]["name"])
