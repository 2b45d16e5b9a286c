"""What a walk needs, on the store: one for each run, as long as this worker goes on with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any

from reconciler.automate.context import HealthNow
from reconciler.automate.definitions import Automation
from reconciler.automate.port import Doing, Lost, Performed, Progress, Step, Wait
from reconciler.base.errors import StoreError
from reconciler.flows.automating.desk import Desk, Held
from reconciler.flows.automating.healths import Healths, Outlook, Systems
from reconciler.flows.automating.tally import AutomationTally
from reconciler.store.automating import Claimed, Kept, StepRow, WaitRow

Perform = Callable[[Doing], Awaitable[Performed]]
_AGAIN = 1.0
"""Seconds between two tries of an action that the store was away for."""


class StoreWorld:
    """Implements :class:`reconciler.automate.port.World`. ``now`` is the store's clock; ``ours`` asks, where that isn't
    known, whether the run belongs to this worker still."""

    def __init__(
        self,
        desk: Desk,
        claim: Claimed,
        automation: Automation,
        perform: Perform,
        ours: Callable[[], Awaitable[bool]],
        *,
        now: Callable[[], float],
        tally: AutomationTally,
    ) -> None:
        self._desk, self._claim, self._automation, self._perform = desk, claim, automation, perform
        self._ours = ours
        self._now, self._tally = now, tally
        self._artifacts = {row.type: row.value for row in claim.artifacts}
        self._outlook = Outlook(automation, now, self._systems)
        self._known: dict[str, Mapping[str, Any] | None] = {}
        self._begun = claim.snapshot is not None
        self._reads_health = "health" in automation.text or "state" in automation.text
        self.lost = False

    def now(self) -> float:
        """See the protocol."""
        return self._now()

    async def perform(self, doing: Doing) -> Performed:
        """See the protocol. While the store is away it isn't known what was done already."""
        while not self.lost:
            if not self._begun:
                self._begun = True
                self._tally.late.add(max(0.0, self._now() - float(self._claim.event["at"])))
            try:
                if not await self._ours():
                    self.lost = True
                    raise Lost
                return await self._perform(doing)
            except StoreError:
                if self._desk.leaving:
                    raise
            await asyncio.sleep(_AGAIN)
        raise Lost

    async def save(self, progress: Progress) -> None:
        """See the protocol. What is read of health after this is newer than the waits that were kept: a change that
        comes later finds them."""
        for step in progress.steps:
            if step.ended is not None:
                self._tally.steps[step.action or step.block, step.status] += 1
        kept = Kept(
            self._claim.run,
            self._claim.automation,
            self._claim.lease,
            steps=[_step(step) for step in progress.steps],
            waits=[_wait(wait) for wait in progress.waits],
            snapshot=progress.snapshot,
            artifacts=progress.artifacts,
        )
        if self.lost or not await self._desk.keep(kept):
            self.lost = True
            raise Lost
        self._artifacts |= {type: value for type, _, value in progress.artifacts}
        if self._reads_health and self._known:
            await self.look(tuple(self._known))

    def health(self, system: str | None) -> HealthNow:
        """See the protocol."""
        return self._outlook.health(system)

    def artifact(self, type: str) -> Mapping[str, Any] | None:
        """See the protocol."""
        return self._artifacts.get(type)

    async def look(self, systems: Collection[str]) -> None:
        """Read the health of these systems anew."""
        try:
            self._learn(systems, await self._desk.do(partial(self._read, systems=systems)))
        except StoreError:
            self._known = {}

    async def prepare(self) -> None:
        """Read what the first expressions will ask for."""
        if self._reads_health:
            own = (self._claim.context_key,) if self._claim.context_key else ()
            await self.look((*own, *self._automation.uses))

    def _systems(self, names: Collection[str]) -> Systems:
        """What was read last; of a system that nobody could know of, what holds now."""
        new = [name for name in names if name not in self._known]
        if new:
            try:
                self._learn(new, self._desk.at_once(partial(self._read, systems=new)))
            except StoreError:
                self._learn(new, {})
        found = ((name, self._known[name]) for name in names)
        return {name: health for name, health in found if health is not None}

    def _learn(self, names: Collection[str], found: Systems) -> None:
        self._known |= {name: found.get(name) for name in names}

    def _read(self, held: Held, *, systems: Collection[str]) -> Systems:
        return Healths(held.automating, held.automating.now()).of(self._automation, systems)


def _step(step: Step) -> StepRow:
    return StepRow(
        step.seq,
        step.path,
        step.block,
        step.action,
        step.id,
        step.status,
        step.at,
        step.ended,
        step.attempts,
        step.result,
        step.error,
    )


def _wait(wait: Wait) -> WaitRow:
    over = wait.armed_at if wait.resumed else None
    return WaitRow(wait.path, wait.kind, wait.event, wait.context_key, wait.due_at, wait.armed_at, over, wait.payload)


def waited(row: WaitRow) -> Wait:
    """As a walk knows it."""
    resumed = row.resumed_at is not None
    return Wait(row.path, _KINDS[row.kind], row.armed_at, row.due_at, row.event, row.context_key, resumed, row.payload)


_KINDS: Mapping[str, Any] = {kind: kind for kind in ("delay", "trigger", "until", "retry")}
