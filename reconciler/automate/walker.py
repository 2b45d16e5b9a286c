"""One walk: enters blocks, records them as steps, and keeps what has been done before it goes on.

The order of things is what makes a run durable. What decides about later blocks (a branch that was taken, the items of
a loop, variables) is saved before the next action is performed; that an action is done is saved together with the place
behind it, before anything else begins. So whoever comes later decides nothing anew, and repeats at most the one action
of each branch that was being performed; its key is the same then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.automate import rendering
from reconciler.automate.blocks import HANDLERS
from reconciler.automate.context import Scope
from reconciler.automate.paths import below, block_at
from reconciler.automate.port import (
    Doing,
    Performed,
    Progress,
    Started,
    Step,
    StepStatus,
    Wait,
    WaitKind,
    Walked,
    World,
)
from reconciler.automate.rendering import Broken
from reconciler.automate.runmemory import MAX_STEPS, Memory
from reconciler.automate.steps import ENDED, ON, Came, Here, shortened

_BREATH = 20
"""Blocks between two turns of the event loop."""
_BATCH = 500
"""Records of steps that are at most held back."""
PATIENCE = 2.0
"""Seconds that an action takes before it is shown as running."""


class Walker:
    """The state of one walk; blocks use its methods. ``progressed`` counts blocks that came to their end."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        started: Started,
        world: World,
        *,
        run: str,
        memory: Memory,
        waits: Sequence[Wait],
    ) -> None:
        self.spec = spec
        self.started = started
        self.world = world
        self.run = run
        self.memory = memory
        self.progressed = 0
        self._over = {wait.path: wait for wait in waits if wait.resumed}
        self._producers: dict[str, str] | None = None
        self._earlier: dict[str, Any] = {}
        self._steps: dict[int, Step] = {}
        self._made: list[tuple[str, str, Mapping[str, Any]]] = []
        self._saving = asyncio.Lock()
        self._lost: Exception | None = None
        self._version = self._saved = self._before_next = self._now = 0
        self._entered = 0

    async def walk(self) -> Walked:
        """Until the end, or until there is nothing but waiting."""
        came = ON if self.memory.end is None else ENDED
        while self.memory.end is None:
            progressed = self.progressed
            came = await self.sequence(self.spec.get("actions") or (), Here("actions"))
            # What one branch did may be what another one waits for.
            if came.how != "waiting" or self.progressed == progressed:
                break
        if came.how == "waiting" and self.memory.end is None:
            await self._save()
            return Walked("waiting", None, tuple(self.memory.waits()))
        if self.memory.end is None:
            failed = came.how == "failed"
            self.memory.end = ("failed" if failed else "success", came.reason if failed else None, "")
        status, reason, _ = self.memory.end
        self._close()
        if self._steps or self._made:
            await self._save()
        return Walked("failed" if status == "failed" else "success", reason)

    async def sequence(self, blocks: Sequence[Mapping[str, Any]], here: Here) -> Came:
        """The blocks of a list, from the first that isn't through. ``here`` is the place of the list."""
        known = self.memory.open.get(here.path) or {"next": 0}
        for index in range(known["next"], len(blocks)):
            came = await self.block(blocks[index], here.inside(f"[{index}]", blocks[index]))
            if came.how != "on":
                return came
            self.memory.open[here.path] = {"next": index + 1}
            await self.settle()
        return ON

    async def block(self, block: Mapping[str, Any], here: Here) -> Came:
        """One block, entered or returned to."""
        if self.memory.end is not None:
            return ENDED
        await self.breathe()
        known = self.memory.open.get(here.path)
        if known is None:
            if self.memory.seq >= MAX_STEPS:
                self.end("failed", f"{here.path}: a run enters {MAX_STEPS} blocks at most", here)
                return ENDED
            known = self._enter(here)
            if not block.get("enabled", True):
                return self._leave(here, Came("on"), status="skipped")
        elif "failed" in known:
            return Came("failed", known["failed"])
        here = replace(here, known=known)
        try:
            came = await HANDLERS[here.kind](self, here)
        except Broken as broken:
            error = shortened(str(broken))
            came = Came("failed", f"{here.path}: {error}", error=error)
        except Exception as lost:
            self._lost = self._lost or lost
            raise
        came = self._leave(here, came)
        if came.how == "waiting":
            await self.settle()
        return came

    def end(self, status: str, reason: str | None, here: Here) -> None:
        """The run ends here, whatever other branches do."""
        if self.memory.end is None:
            self.memory.end = (status, None if reason is None else shortened(reason), here.path)
            self.done()

    def decided(self) -> None:
        """What was just remembered has to be saved before the next action is performed."""
        self._version += 1
        self._before_next = self._version

    def done(self) -> None:
        """What was just remembered has to be saved before anything else begins."""
        self.decided()
        self._now = self._version

    async def settle(self, *, performing: bool = False) -> None:
        """Save what has to be saved by now; ``performing``: an action is about to be performed."""
        if self._lost is not None:
            raise self._lost
        if self._saved < (self._before_next if performing else self._now) or len(self._steps) >= _BATCH:
            await self._save()

    async def perform(self, doing: Doing) -> Performed:
        """Let the world do it. What takes long is recorded as running meanwhile, for whoever looks."""
        loop, saving = asyncio.get_running_loop(), list[asyncio.Task[None]]()
        showing = loop.call_later(PATIENCE, lambda: saving.append(loop.create_task(self._save())))
        try:
            return await self.world.perform(doing)
        finally:
            showing.cancel()
            # A save that failed is told by the next one.
            await asyncio.gather(*saving, return_exceptions=True)

    async def breathe(self) -> None:
        """Let others have the event loop once in a while."""
        self._entered += 1
        if self._entered % _BREATH == 0:
            await asyncio.sleep(0)

    def scope(self, here: Here) -> Scope:
        """What the templates of a block see now."""
        memory = self.memory
        resume = {"payload": memory.resumed(here.path)}
        more = {"variables": dict(memory.variables), "repeat": dict(here.round), "resume": resume}
        return Scope(self.started, self.world, artifacts=self._artifacts, more=more)

    def over(self, here: Here) -> Wait | None:
        """The wait of a block when it is over: resumed, or its time has come. It is taken away then."""
        armed = here.known["wait"]
        wait = self._over.pop(here.path, None)
        if wait is None:
            if armed.get("due_at") is None or self.world.now() < armed["due_at"]:
                return None
            wait = Wait(here.path, armed["kind"], armed["armed_at"], armed["due_at"], resumed=True)
        del here.known["wait"]
        self.decided()
        return wait

    def arm(self, here: Here, kind: WaitKind, due_at: float | None, **more: Any) -> None:
        """The block waits from now on."""
        here.known["wait"] = {"kind": kind, "armed_at": self.world.now(), "due_at": due_at, **more}
        self._over.pop(here.path, None)
        self.done()

    def running(self, here: Here) -> None:
        """The block goes on with what it waited for."""
        self._record(here, here.known, "running")

    def produced(self, here: Here, artifacts: Mapping[str, Mapping[str, Any]]) -> None:
        """What an action made. Raises :class:`Broken` when it is too large to be kept."""
        if not artifacts:
            return
        if here.id is not None:
            before = self.memory.artifacts.get(here.id, {})
            self.memory.keep(self.memory.artifacts, {here.id: {**before, **artifacts}}, "what it produced")
        self._made += [(type, here.id or "", dict(value)) for type, value in artifacts.items()]

    def _enter(self, here: Here) -> dict[str, Any]:
        known = self.memory.open[here.path] = {"seq": self.memory.seq, "at": self.world.now()}
        self.memory.seq += 1
        self._record(here, known, "running")
        return known

    def _leave(self, here: Here, came: Came, status: StepStatus | None = None) -> Came:
        """Record how a block came out, and what of it is to be remembered."""
        known, end = self.memory.open[here.path], self.memory.end
        if came.how == "waiting":
            if came.changed:
                self._record(here, known, "waiting", came)
            return came
        if came.how == "ended":
            if end is not None and end[2] == here.path:
                self._record(here, known, "failed" if end[0] == "failed" else "success", came)
            return ENDED
        if came.how == "on":
            self._record(here, known, status or "success", came)
        else:
            self._record(here, known, "failed", came)
        self.memory.forget(here.path)
        if came.how == "on" or here.block.get("continueOnError"):
            self.progressed += 1
            return ON
        self.memory.open[here.path] = {"seq": known["seq"], "at": known["at"], "failed": came.reason}
        self.done()
        return came

    def _record(self, here: Here, known: Mapping[str, Any], status: StepStatus, came: Came = ON) -> None:
        block, error = here.block, came.error if came.error is not None else came.reason
        self._version += 1
        self._steps[known["seq"]] = Step(
            known["seq"],
            here.path,
            here.kind,
            block.get("action"),
            here.id,
            status,
            known["at"],
            None if status in ("running", "waiting") else self.world.now(),
            known.get("attempt", 0),
            came.result,
            None if error is None else shortened(error),
        )

    def _close(self) -> None:
        """The run has ended: blocks around that end came out as it did, others were left in the midst of something."""
        status, _, where = self.memory.end or ("success", None, "")
        outcome: StepStatus = "failed" if status == "failed" else "success"
        for path, known in self.memory.open.items():
            if "seq" not in known or "failed" in known or path == where:
                continue
            block = block_at(self.spec, path)
            if block is not None:
                self._record(Here(path, block), known, outcome if below(where, path) else "cancelled")
        self.memory.open.clear()

    def _artifacts(self) -> Mapping[str, Any]:
        """Those of this run, above those of earlier ones, of the actions that this automation has."""
        found = {id: dict(kinds) for id, kinds in self.memory.artifacts.items()}
        for id, type in self._known_producers().items():
            if type not in found.get(id, {}):
                if type not in self._earlier:
                    value = self.world.artifact(type)
                    self._earlier[type] = None if value is None else dict(value)
                if self._earlier[type] is not None:
                    found.setdefault(id, {})[type] = self._earlier[type]
        return found

    def _known_producers(self) -> dict[str, str]:
        if self._producers is None:
            self._producers = dict(_producers(self.spec.get("actions")))
        return self._producers

    async def _save(self) -> None:
        """Hand over everything that isn't kept; one at a time, and a second waits for what the first didn't take."""
        wanted = self._version
        async with self._saving:
            if self._saved >= wanted:
                return
            if self._lost is not None:
                raise self._lost
            version, steps, made = self._version, self._steps, self._made
            self._steps, self._made = {}, []
            ordered = [steps[seq] for seq in sorted(steps)]
            try:
                await self.world.save(Progress(ordered, self.memory.waits(), self.memory.written(), made))
            except Exception as error:
                # Another branch may be about to save: without these records, and for a run that isn't ours any more.
                self._lost = error
                raise
            self._saved = version


def _producers(value: Any) -> Any:
    """Ids of actions, with what those leave behind."""
    if isinstance(value, dict):
        if isinstance(value.get("action"), str) and isinstance(value.get("id"), str):
            try:
                produces = getattr(rendering.model(value["action"]), "PRODUCES", None)
            except Broken:
                produces = None
            if produces:
                yield value["id"], produces
        else:
            for each in value.values():
                yield from _producers(each)
    elif isinstance(value, list):
        for each in value:
            yield from _producers(each)
