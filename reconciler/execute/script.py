"""Scripts of checks: shell, Python and Node.js, each run in the sandbox by a thread of a pool of its own.

A run waits for one of the pool's places before its clock starts, so that a burst of slow scripts doesn't time out
those behind it. A run that is cancelled kills its script at once, and its place is free when the sandbox is gone.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

from reconciler.base.durations import format_duration
from reconciler.execute.port import Collected, Context, Failed, Unobservable
from reconciler.execute.scripted import context_of, executed, returned
from reconciler.sandbox.command import Command, RunResult
from reconciler.sandbox.packages.folder import Packages
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.runners.node import run_node
from reconciler.sandbox.runners.outcome import TIMED_OUT
from reconciler.sandbox.runners.python import run_python
from reconciler.sandbox.runners.shell import run_shell
from reconciler.sandbox.runners.variables import variables
from reconciler.sandbox.stop import Stop

PATIENCE = 60.0
"""Seconds a run waits for a place before it is given up as unobservable."""
_ENDING = 0.2
"""Seconds a cancelled run waits for the sandbox to be gone, since its place isn't free before."""


class Sandboxes(Protocol):
    """Where scripts run. Asked anew for each run, by any thread."""

    packages: Packages | None
    """What they may import beside their standard library."""

    def current(self) -> Sandbox:
        """The sandbox under the policy that holds now. Raises :class:`Unobservable` where there is none yet."""


class Script:
    """The strategy ``script``. One for a worker; its threads start as they are needed."""

    def __init__(self, sandboxes: Sandboxes, *, at_once: int | None = None, patience: float = PATIENCE) -> None:
        """``at_once``: how many scripts run at a time; by default two for each core. ``patience`` is in seconds."""
        self.at_once = at_once or 2 * (os.cpu_count() or 1)
        self._sandboxes = sandboxes
        self._patience = patience
        self._places = asyncio.Semaphore(self.at_once)
        # Twice the places: what doesn't end in time after it was killed keeps its thread, but nobody else's place.
        self._pool = ThreadPoolExecutor(2 * self.at_once, thread_name_prefix="script")
        self._running: set[Stop] = set()
        self._warm = False

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """See :class:`reconciler.execute.port.Queued`. The first one also waits until the host was probed."""
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            waited = format_duration(round(self._patience * 1000))
            raise Unobservable(f"{self.at_once} scripts run at once here, and none of them ended in {waited}") from None
        try:
            if not self._warm:
                await asyncio.get_running_loop().run_in_executor(self._pool, self._probe)
                self._warm = True
            yield
        finally:
            self._places.release()

    async def open(self, config: Mapping[str, Any], context: Context) -> _Scripts:
        """Nothing is started yet."""
        return _Scripts(self, context)

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """Nobody knows what a script does beside measuring."""
        return False

    async def aclose(self) -> None:
        """Kill what still runs, and wait for it to be gone."""
        for stop in tuple(self._running):
            stop.ask()
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    async def run(self, job: Callable[[Box, Packages | None], Collected]) -> Collected:
        """In the pool. A cancelled caller's script is killed."""
        stop = Stop()
        self._running.add(stop)
        submitted = self._pool.submit(self._job, job, stop)
        running = asyncio.wrap_future(submitted)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            stop.ask()
            # Whoever cancels the wrapped one isn't told whether the thread had begun.
            if not submitted.cancel():
                running.add_done_callback(_looked_at)
                await asyncio.wait((running,), timeout=_ENDING)
            raise
        finally:
            self._running.discard(stop)

    def _job(self, job: Callable[[Box, Packages | None], Collected], stop: Stop) -> Collected:
        sandbox = self._sandboxes.current()
        bound = sandbox.policy.filesystem.mode != "scratch-only"
        return job(Box(sandbox, stop), self._sandboxes.packages if bound else None)

    def _probe(self) -> None:
        _ = self._sandboxes.current().capabilities


def _looked_at(running: asyncio.Future[Collected]) -> None:
    """Nobody waits for it any more; what it raised is of no interest, and mustn't be complained about."""
    if not running.cancelled():
        running.exception()


class Box:
    """The sandbox as runners see it, with a way to end what runs in it."""

    def __init__(self, sandbox: Sandbox, stop: Stop) -> None:
        self.sandbox, self._stop = sandbox, stop

    def run(self, command: Command) -> RunResult:
        """See :class:`reconciler.sandbox.runners.outcome.Runs`."""
        return self.sandbox.run(command, stop=self._stop)


class _Scripts:
    """The scripts of one run, one after the other, within the run's time limit."""

    def __init__(self, strategy: Script, context: Context) -> None:
        self._strategy = strategy
        self._context = context
        self._deadline = time.monotonic() + context.timeout_ms / 1000

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """See :class:`reconciler.execute.port.Connection`. A refused script is unobservable, with its report."""
        left = (self._deadline - time.monotonic()) * 1000
        if left < 1:
            raise Failed(TIMED_OUT, timed_out=True)
        job = _execute if collector == "execute" else _inline
        return await self._strategy.run(partial(job, self._context, config, int(min(left, config["timeout"]))))

    async def close(self) -> None:
        """Nothing is held between scripts."""


def _execute(context: Context, config: Mapping[str, Any], limit_ms: int, box: Box, _: Packages | None) -> Collected:
    given = variables(context.subject, context.fields, env=config.get("env"), secret_env=config.get("secretEnv"))
    result = run_shell(
        box,
        config["script"],
        environment=given.values,
        cwd=config.get("cwd"),
        timeout_ms=limit_ms,
        secrets=context.secrets,
    )
    return executed(result, box.sandbox.asked, given.warnings)


def _inline(
    context: Context, config: Mapping[str, Any], limit_ms: int, box: Box, packages: Packages | None
) -> Collected:
    given = variables(context.subject, context.fields, env=config.get("env"), secret_env=config.get("secretEnv"))
    common: dict[str, Any] = {
        "context": context_of(context.subject, context.fields, config),
        "environment": given.values,
        "timeout_ms": limit_ms,
        "secrets": context.secrets,
        "packages": packages,
    }
    try:
        if config.get("language", "python") == "node":
            policy = box.sandbox.policy
            memory = policy.resources.memory_bytes if policy.enabled else None
            result = run_node(box, config["script"], memory_bytes=memory, **common)
        else:
            result = run_python(box, config["script"], **common)
    except ValueError as error:  # the fields hold what JSON has no form for
        raise Unobservable(str(error)) from error
    return returned(result, box.sandbox.asked, given.warnings)
