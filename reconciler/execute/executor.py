"""One run of one slice: secrets in, the strategy opened, its collectors one after the other, everything judged, and
only what may leave comes out. Whatever a strategy does, the caller gets an :class:`Observation`, and in time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Protocol

from reconciler.base.errors import GitopsError
from reconciler.execute import table
from reconciler.execute.assertions import heavy, judge
from reconciler.execute.egress import Guard
from reconciler.execute.outcome import Part, Progress, cut_off, fault, late, observation
from reconciler.execute.port import Collected, Connection, Context, Failed, Gone, Strategy, Unobservable
from reconciler.execute.prepare import Prepared, PreparedCollector
from reconciler.execute.prepare import prepare as prepare_body
from reconciler.model.run import Observation, Verdict
from reconciler.sandbox.runners.variables import Subject

SLACK = 0.25
"""Seconds past its limit that a strategy gets to say in its own words that it ran out of time: to kill a sandbox takes
some on a busy host. A collector gets half of it."""
GIVING_UP = 0.25
"""Seconds that a strategy gets to end after it was told to. After them its task is left behind."""


class Secrets(Protocol):
    """Where values come from; ``reconciler.secrets.resolver.Resolver`` is one."""

    def resolve(self, names: Collection[str], environment: str | None) -> Mapping[str, str]:
        """The values by name. May block. Raises ``GitopsError`` with a sentence."""


class Executor:
    """Runs prepared slices. One for a worker's event loop."""

    def __init__(
        self, resolver: Secrets | None, guard: Guard, *, factories: Mapping[str, Callable[[], Strategy]] | None = None
    ) -> None:
        """``factories`` make strategies that need more than the table knows of, such as the sandbox for scripts."""
        self._resolver = resolver
        self._guard = guard
        self._factories = dict(factories or {})
        self._strategies: dict[str, Strategy] = {}
        self._left_behind: set[asyncio.Task[None]] = set()
        self.abandoned = 0
        """Runs so far whose strategy ignored that its time was over."""

    @property
    def abandoned_now(self) -> int:
        """How many of those still go on."""
        return len(self._left_behind)

    def prepare(self, body: bytes) -> Prepared:
        """Make a slice's body ready for all its runs. Raises ``ValueError`` for what is no slice's body."""
        prepared = prepare_body(body)
        if prepared.fault is not None:
            return prepared
        try:
            strategy = self._strategy(prepared.strategy)
            pairs = tuple((c.part.name, c.part.config) for c in prepared.collectors)
            return replace(prepared, repeatable=strategy.repeatable(prepared.part.config, pairs))
        except Unobservable as error:
            return replace(prepared, fault=error.sentence)

    async def run(
        self, prepared: Prepared, subject: Subject, fields: Mapping[str, Any], *, timeout_ms: float | None = None
    ) -> Observation:
        """Run once. ``timeout_ms`` may shorten the slice's own limit, never lengthen it. Raises only when cancelled."""
        if prepared.fault is not None:
            return Observation("degraded", 0.0, error=prepared.fault)
        limit = prepared.timeout_ms if timeout_ms is None else min(timeout_ms, prepared.timeout_ms)
        progress = Progress()
        admit = getattr(self._strategies.get(prepared.strategy), "admit", None)
        if admit is None:
            return await self._within(prepared, subject, fields, progress, limit=limit)
        place: AbstractAsyncContextManager[None] = admit()
        try:
            await place.__aenter__()
        except Unobservable as error:
            return Observation("degraded", 0.0, error=error.sentence)
        try:
            return await self._within(prepared, subject, fields, progress, limit=limit)
        finally:
            await place.__aexit__(None, None, None)

    async def _within(
        self, prepared: Prepared, subject: Subject, fields: Mapping[str, Any], progress: Progress, *, limit: float
    ) -> Observation:
        """The run in a task of its own, so that one which doesn't end can be left behind."""
        began = time.perf_counter()
        task = asyncio.ensure_future(self._guarded(prepared, subject, fields, progress, limit))
        try:
            done, _ = await asyncio.wait((task,), timeout=limit / 1000 + SLACK)
            if not done:
                if not progress.done:
                    cut_off(prepared, progress, limit)
                    progress.finish(began)
                await self._end(task)
        except asyncio.CancelledError:
            await self._end(task)
            raise
        if not progress.done:
            # It ended as cancelled, and not by us.
            progress.error = fault(prepared.strategy, RuntimeError("it cancelled itself"))
            progress.finish(began)
        try:
            return observation(progress)
        except Exception as error:  # a result that is none
            return Observation("unhealthy", round(progress.took_ms, 3), error=fault(prepared.strategy, error)[:1024])

    async def aclose(self) -> None:
        """End what strategies share between runs."""
        if left := tuple(self._left_behind):
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=GIVING_UP)
        for strategy in self._strategies.values():
            await strategy.aclose()
        self._strategies.clear()

    async def _end(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait((task,), timeout=GIVING_UP)
        if not task.done():
            self.abandoned += 1
            self._left_behind.add(task)
            task.add_done_callback(self._left_behind.discard)

    async def _guarded(
        self, prepared: Prepared, subject: Subject, fields: Mapping[str, Any], progress: Progress, limit: float
    ) -> None:
        began = time.perf_counter()
        try:
            await self._go(prepared, subject, fields, progress, limit, began=began)
        except Exception as error:
            # What closing makes of it, or a strategy that was cut off, changes nothing any more.
            if progress.done:
                return
            if isinstance(error, Failed):
                progress.error, progress.timed_out = error.sentence, error.timed_out
            elif isinstance(error, Unobservable):
                progress.error, progress.unobservable = error.sentence, True
            else:
                progress.error = fault(prepared.strategy, error)
        progress.finish(began)

    async def _go(
        self,
        prepared: Prepared,
        subject: Subject,
        fields: Mapping[str, Any],
        progress: Progress,
        limit: float,
        *,
        began: float,
    ) -> None:
        secrets = await self._secrets(prepared, subject.environment_id) if prepared.secrets else {}
        progress.secrets, progress.looking = tuple(secrets.values()), False
        strategy = self._strategy(prepared.strategy)
        config = prepared.part.filled(secrets)
        if limit < prepared.timeout_ms:
            config = {**config, "timeout": round(limit)}
        context = Context(subject, fields, self._guard, progress.secrets, limit)
        connection = await strategy.open(config, context)
        if secrets:
            progress.secrets += tuple(getattr(connection, "masks", ()))
        try:
            for at, collector in enumerate(prepared.collectors):
                part, gone = await _collect(connection, prepared.strategy, collector, secrets)
                if progress.done:
                    return
                progress.parts.append(part)
                if gone:
                    progress.parts += [Part(c, None, _NOT_ASKED) for c in prepared.collectors[at + 1 :]]
                    break
            progress.finish(began)
        finally:
            await connection.close()

    async def _secrets(self, prepared: Prepared, environment: str | None) -> Mapping[str, str]:
        if self._resolver is None:
            raise Unobservable(f"the secret {prepared.secrets[0]} isn't there, as no place for secrets is configured")
        try:
            return await asyncio.to_thread(self._resolver.resolve, prepared.secrets, environment)
        except GitopsError as error:
            raise Unobservable(error.message) from error

    def _strategy(self, name: str) -> Strategy:
        strategy = self._strategies.get(name)
        if strategy is None:
            try:
                strategy = self._strategies[name] = (self._factories.get(name) or table.factory(name))()
            except ImportError as error:
                raise Unobservable(_missing(name, error)) from error
            except GitopsError as error:
                raise Unobservable(error.message) from error
        return strategy


_NOT_ASKED = "not measured, as the connection was lost before"


async def _collect(
    connection: Connection, strategy: str, collector: PreparedCollector, secrets: Mapping[str, str]
) -> tuple[Part, bool]:
    """What the collector came to, and whether the connection is gone with it."""
    limit = collector.timeout_ms
    config = collector.part.filled(secrets)
    try:
        if limit is None:
            collected = await connection.collect(collector.part.name, config)
        else:
            async with asyncio.timeout(limit / 1000 + SLACK / 2) as timeout:
                collected = await connection.collect(collector.part.name, config)
    except Failed as error:
        return Part(collector, None, error.sentence, timed_out=error.timed_out), isinstance(error, Gone)
    except Unobservable as error:
        return Part(collector, None, error.sentence, unobservable=True), False
    except Exception as error:
        if limit is not None and isinstance(error, TimeoutError) and timeout.expired():
            return Part(collector, None, late(limit), timed_out=True), False
        return Part(collector, None, fault(strategy, error)), False
    return await _judged(collector, collected, strategy), False


async def _judged(collector: PreparedCollector, collected: Collected, strategy: str) -> Part:
    verdicts: tuple[Verdict, ...] = ()
    try:
        if not collector.assertions:
            pass
        elif heavy(collector.assertions, collected.result):
            verdicts = await asyncio.to_thread(judge, collector.assertions, collected.result)
        else:
            verdicts = judge(collector.assertions, collected.result)
    except Exception as error:  # a result that is no result
        return Part(collector, None, fault(strategy, error))
    return Part(
        collector,
        collected,
        collected.error,
        collected.unobservable,
        collected.timed_out,
        verdicts,
    )


def _missing(name: str, error: ImportError) -> str:
    from reconciler.kinds.extras import missing

    return missing(name) or f"the strategy {name} can't be loaded: {error}"
