"""A worker from its start to its end: the floor on an event loop, the clerk in a thread, and the signals."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciler._version import __version__
from reconciler.flows.executor import SCRIPTS, ConfiguredExecutor, executor_of
from reconciler.flows.readers import KNOWS
from reconciler.flows.supply import Hands, StoreSupply
from reconciler.flows.work.clerk import Clerk
from reconciler.flows.work.endpoint import PLAIN, Endpoint
from reconciler.flows.work.events import Changed, Event, Fault, ScriptsHeld, Started, Stopped, Stopping, Untraced
from reconciler.flows.work.floor import Floor
from reconciler.flows.work.knobs import Knobs
from reconciler.flows.work.tally import Tally
from reconciler.store.address import told
from reconciler.store.schema import KNOWN
from reconciler.store.users import TABLES
from reconciler.versioning.stored import census, heads

if TYPE_CHECKING:
    from reconciler.flows.automating.engine import Engine
    from reconciler.flows.supply import Supply
    from reconciler.flows.work.tracing import Traces
    from reconciler.store.database import Database
    from reconciler.store.executing import Executing

Tell = Callable[[Event], None]
READY_WITHIN = 10.0
"""Seconds since the store last answered, up to which the worker counts as ready."""
_LAST_WORD = 5.0
"""Seconds that storing the last results may take at the end, and ending what still runs."""
_INTERRUPTED = 130


@dataclass(slots=True)
class Signals:
    """The first one asks for an end in good order, the second for one at once."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    first: int = 0

    @contextmanager
    def installed(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Take them over. A terminal that goes away ends a worker as well, unless it was started to outlive it.

        Not by the loop's own way, which loses a signal while its pipe is full of calls from other threads.
        """

        def handle(number: int, _: object) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self.came, number)

        numbers = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def came(self, number: int) -> None:
        """A signal."""
        if self.asked.is_set():
            self.at_once.set()
        else:
            self.first = number
            self.asked.set()


def work(address: str, knobs: Knobs, environ: Mapping[str, str], tell: Tell) -> int:
    """Work until told to stop; returns the exit code. Raises ``GitopsError`` where it can't even begin."""
    _more_files()

    async def main() -> int:
        signals = Signals()
        with signals.installed(asyncio.get_running_loop()):
            return await Worker(address, knobs, environ, tell).live(signals)

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(main())
    finally:
        _leave(loop)


def _leave(loop: asyncio.AbstractEventLoop) -> None:
    """As ``asyncio.run`` does, but not waiting for ever: a run that ignores its end must not keep the process."""
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    if rest:
        loop.run_until_complete(asyncio.wait(rest, timeout=1.0))
    loop.close()


class Worker:
    """One process. ``supply`` takes the place of the store; ``opened`` opens that another way, for the clerk's thread,
    ``database`` for automations."""

    def __init__(
        self,
        address: str,
        knobs: Knobs,
        environ: Mapping[str, str],
        tell: Tell,
        *,
        supply: Supply | None = None,
        opened: Callable[[], Hands] | None = None,
        database: Callable[[], Database] | None = None,
    ) -> None:
        self._address, self._knobs, self._tell = address, knobs, tell
        self._supply: Supply = supply or StoreSupply(address, opened=opened)
        self._database = database
        self._environ = {**environ, SCRIPTS: str(knobs.scripts)}
        self._id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self._enforced: tuple[str, ...] | None = None
        self._stopping = False
        self._tally = Tally()

    async def live(self, signals: Signals) -> int:
        """Start, work, end; returns the exit code."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._fault)
        started, executor = self._prepare()
        self._clerk = Clerk(
            self._id,
            self._knobs,
            self._supply.open,
            post=self._post,
            tell=self._told,
            register=self._register,
        )
        self._floor = Floor(self._id, self._knobs, executor, self._clerk, self._tally)
        self._automations = self._engine(executor)
        endpoint = Endpoint(self._pages())
        try:
            if self._knobs.traces:
                self._floor.traces = self._traces()
            if self._knobs.metrics is not None:
                started = started._replace(metrics=await endpoint.open(*self._knobs.metrics))
            self._tell(started)
            self._clerk.serve(self._floor)
            if self._automations is not None:
                self._automations.start()
            probing = asyncio.create_task(self._probe(executor))
            await signals.asked.wait()
            probing.cancel()
            unsaved = await self._stop(signals)
        finally:
            await endpoint.close()
            for ending in self._endings(executor):
                with suppress(TimeoutError):
                    await asyncio.wait_for(ending, _LAST_WORD)
        if unsaved:
            return 1
        return _INTERRUPTED if signals.first == signal.SIGINT else 0

    def _prepare(self) -> tuple[Started, ConfiguredExecutor]:
        """Whether the store can be worked with at all, and what there is to do."""
        hands = self._supply.open()
        try:
            hands.executing.reconcile()
            generation, slices = hands.reader.generation(), len(hands.reader.slice_digests())
            found = census(hands.reader.all_bodies())
            executor = executor_of(self._supply, self._environ)
            self._register(hands.executing)  # who may not even do that would wait for rights for ever
        finally:
            hands.close()
        knobs = self._knobs
        lane = knobs.lane if knobs.lane is not None else max(1, knobs.concurrency // 4)
        started = Started(
            worker=self._id,
            store=told(self._address),
            generation=generation,
            slices=slices,
            concurrency=knobs.concurrency,
            lane=lane,
            scripts=knobs.scripts,
            regions=knobs.regions,
            lacking=_lacking(),
            metrics=None,
            behind=found.behind,
            refused=found.refused,
            refusal=found.refusal,
        )
        return started, executor

    async def _probe(self, executor: ConfiguredExecutor) -> None:
        """Find out what scripts are held to; takes a second, in which other runs go on."""
        held = await asyncio.to_thread(executor.sandboxes.held)
        self._enforced = tuple(row.layer for row in held.capabilities.rows if row.enforceable)
        self._tell(ScriptsHeld(self._enforced, held.banner))
        self._clerk.announce()

    async def _stop(self, signals: Signals) -> int:
        """In good order: no more claims, runs in flight have their grace, the rest is given back."""
        self._stopping = True
        self._clerk.stop_claiming()
        if self._automations is not None:
            self._automations.stop()
        self._floor.close()
        self._tell(Stopping(self._floor.running, self._knobs.grace))
        drained = asyncio.create_task(self._drained())
        hurried = asyncio.create_task(signals.at_once.wait())
        await asyncio.wait((drained, hurried), return_when=asyncio.FIRST_COMPLETED)
        for task in (drained, hurried):
            task.cancel()
        self._floor.cancel()
        await self._floor.drained(1.0)
        if self._automations is not None:
            await asyncio.to_thread(self._automations.leave, _LAST_WORD)
        unsaved = await asyncio.to_thread(self._clerk.leave, _LAST_WORD)
        await asyncio.sleep(0)  # what the clerk said last
        self._tell(Stopped(sum(self._tally.runs.values()), self._tally.given_back, unsaved))
        return unsaved

    async def _drained(self) -> None:
        """What goes on may end within the grace: runs of checks, and steps of automations."""
        await self._floor.drained(self._knobs.grace)
        if self._automations is not None:
            await asyncio.to_thread(self._automations.join, self._knobs.grace)

    def _engine(self, executor: ConfiguredExecutor) -> Engine | None:
        if not self._knobs.automations:
            return None
        from reconciler.flows.automating.beside import make_engine, opener

        opened = self._database or opener(self._address)
        say = partial(self._post, self._tell)
        return make_engine(self._id, self._knobs, executor, opened=opened, say=say)

    def _endings(self, executor: ConfiguredExecutor) -> list[Awaitable[None]]:
        traces = self._floor.traces
        return [executor.aclose(), *([asyncio.to_thread(traces.close)] if traces is not None else [])]

    def _traces(self) -> Traces:
        from reconciler.flows.work.tracing import Traces

        return Traces(self._id, lambda sentence: self._post(self._tell, Untraced(sentence)))

    def _pages(self) -> dict[str, Callable[[], tuple[int, str, str]]]:
        if self._knobs.metrics is None:
            return {}
        from reconciler.flows.work.metrics import Metrics

        beside = self._automations.tally.families if self._automations is not None else None
        return {
            "/metrics": Metrics(self._tally, self._floor, self._clerk, beside).page,
            "/healthz": lambda: (200, PLAIN, "alive\n"),
            "/readyz": self._ready,
        }

    def _ready(self) -> tuple[int, str, str]:
        silent = time.monotonic() - self._clerk.answered
        if self._stopping:
            return 503, PLAIN, "the worker is stopping\n"
        if self._clerk.offset is None or silent > READY_WITHIN:
            why = f": {self._clerk.complaint}" if self._clerk.complaint else ""
            return 503, PLAIN, f"the store hasn't answered for {silent:.0f} seconds{why}\n"
        return 200, PLAIN, "ready\n"

    def _register(self, executing: Executing) -> None:
        info: dict[str, Any] = {
            "version": __version__,
            TABLES: KNOWN,
            KNOWS: heads(),
            "regions": list(self._knobs.regions),
            "concurrency": self._knobs.concurrency,
            "scripts": self._knobs.scripts,
            "lacking": list(_lacking()),
            "automations": self._knobs.automations,
        }
        if self._enforced is not None:
            info["sandbox"] = list(self._enforced)
        executing.register(self._id, host=socket.gethostname(), pid=os.getpid(), info=info)

    def _post(self, call: Callable[..., object], *arguments: Any) -> None:
        """Called by the clerk's thread. After the loop's end there is nobody to tell."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    def _told(self, event: Event) -> None:
        """What the clerk tells; of a change of health automations needn't find out by themselves."""
        self._tell(event)
        if isinstance(event, Changed) and self._automations is not None:
            self._automations.nudge()

    def _fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        said = [str(context.get("message") or ""), f"{type(error).__name__}: {error}" if error is not None else ""]
        self._tell(Fault(f"a fault of gitops itself: {': '.join(part for part in said if part)}"))


def _lacking() -> tuple[str, ...]:
    from reconciler.kinds.extras import EXTRAS, missing

    return tuple(strategy for strategy in EXTRAS if missing(strategy) is not None)


def _more_files() -> None:
    """A connection for each run takes a descriptor; the usual soft limit of 1,024 is there for ``select`` only."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
