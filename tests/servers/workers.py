"""A worker in the test's own process: real store, real executor, without signals, and with a clock that can be set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from reconciler.flows.supply import StoreHands
from reconciler.flows.work.events import Event, Started
from reconciler.flows.work.knobs import Knobs
from reconciler.flows.work.worker import Signals, Worker
from reconciler.model.run import Run
from reconciler.store.database import Database
from reconciler.store.open import open_database, open_executing
from reconciler.store.sql_executing import SqlExecuting

E = TypeVar("E", bound=Event)
WITHIN = 20.0


@dataclass
class Clock:
    """Seconds by which the database's clock is off; a test may change them at any time."""

    off: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.off


@dataclass
class Shift:
    """A worker while it lives, as its test sees it."""

    store: Path
    worker: Worker
    signals: Signals
    events: list[Event]
    clock: Clock
    hands: SqlExecuting
    ended: asyncio.Task[int] | None = None
    seen: list[Run] = field(default_factory=list)
    _position: int = 0

    def said(self, kind: type[E]) -> list[E]:
        """Its events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def runs(self) -> list[Run]:
        """All that is stored by now, oldest first."""
        self._position, new = self.hands.runs_after(self._position, limit=1_000_000)
        self.seen += new
        return self.seen

    async def jump(self, seconds: float) -> None:
        """Set the clock on, once the worker has begun."""
        await self.until(lambda: self.said(Started))
        self.clock.off += seconds

    async def until(
        self, true: Callable[[], object], *, within: float = WITHIN, what: Callable[[], object] = lambda: ""
    ) -> None:
        """Wait for it; fails with what the worker said when it takes too long."""
        deadline = time.monotonic() + within
        while not true():
            assert self.ended is None or not self.ended.done(), f"the worker ended: {self.events}"
            assert time.monotonic() < deadline, f"not within {within} s: {what()} {self.events[-5:]}"
            await asyncio.sleep(0.01)

    async def stop(self) -> int:
        """End it in good order; its exit code."""
        self.signals.asked.set()
        assert self.ended is not None
        return await asyncio.wait_for(self.ended, WITHIN)


def working(
    store: Path,
    scenario: Callable[[Shift], Awaitable[None]],
    *,
    knobs: Knobs | None = None,
    opened: Callable[[], StoreHands] | None = None,
    worker: type[Worker] = Worker,
    environ: dict[str, str] | None = None,
) -> list[Event]:
    """Run a scenario beside a worker, and end the worker; returns all it said."""
    events: list[Event] = []
    clock = Clock()

    def hands() -> StoreHands:
        made = opened() if opened is not None else StoreHands(str(store))
        assert isinstance(made.executing, SqlExecuting)
        made.executing.db.tell_time(clock)
        return made

    def database() -> Database:
        db = open_database(str(store))
        db.tell_time(clock)
        return db

    async def main() -> None:
        signals = Signals()
        mine = open_executing(str(store))
        mine.db.tell_time(clock)
        knobs_ = knobs or Knobs(grace=5.0, scripts=2)
        made = worker(str(store), knobs_, environ or {}, events.append, opened=hands, database=database)
        shift = Shift(store, made, signals, events, clock, mine)
        shift.ended = asyncio.create_task(made.live(signals))
        try:
            await scenario(shift)
        finally:
            if not shift.ended.done():
                await shift.stop()
            mine.close()

    asyncio.run(main())
    return events
