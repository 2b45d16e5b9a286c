"""Runs of a strategy against a real server, without the executor around it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from reconciler.execute.egress import Guard
from reconciler.execute.port import Collected, Context, Failed, Strategy
from reconciler.sandbox.runners.variables import Subject

SUBJECT = Subject("a-check", "A check", 60, "a-system", "A system", "test", "Test")

Step = tuple[str, Mapping[str, Any]]


def context(deny: Iterable[str] = ()) -> Context:
    """What a run is told."""
    return Context(subject=SUBJECT, fields={}, guard=Guard(deny))


def collect(
    make: Callable[[], Strategy], config: Mapping[str, Any], *steps: Step, deny: Iterable[str] = (), within: float = 20
) -> list[Collected]:
    """Open, collect each, close. Fails when anything is left open, or when it takes longer than ``within`` seconds."""

    async def run() -> list[Collected]:
        strategy = make()
        try:
            async with asyncio.timeout(within):
                connection = await strategy.open(config, context(deny))
                try:
                    return [await connection.collect(name, step) for name, step in steps]
                finally:
                    await connection.close()
        finally:
            await strategy.aclose()

    with clean():
        return asyncio.run(run())


def failure(make: Callable[[], Strategy], config: Mapping[str, Any], *steps: Step, **options: Any) -> Failed:
    """The same where it has to fail: one sentence, on one line."""
    with pytest.raises(Failed) as raised:
        collect(make, config, *steps, **options)
    sentence = raised.value.sentence
    assert sentence.isprintable()
    assert not sentence.endswith(".")
    return raised.value


def cancelled(make: Callable[[], Strategy], config: Mapping[str, Any], *steps: Step, after: float = 0.3) -> float:
    """Cancel a run in the middle; how long it took to let go, in seconds."""

    async def run() -> float:
        strategy = make()

        async def whole() -> None:
            connection = await strategy.open(config, context())
            try:
                for name, step in steps:
                    await connection.collect(name, step)
            finally:
                await connection.close()

        task = asyncio.create_task(whole())
        done, _ = await asyncio.wait({task}, timeout=after)
        assert not done, f"it ended before: {task.exception()}"
        loop = asyncio.get_running_loop()
        began = loop.time()
        task.cancel()
        await asyncio.wait({task}, timeout=20)
        assert task.cancelled()
        took = loop.time() - began
        await strategy.aclose()
        return took

    with clean():
        return asyncio.run(run())


class clean:
    """What is inside leaves no socket, no file and no thread behind."""

    def __enter__(self) -> None:
        self._before = _open()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        left = {fd: what for fd, what in _open().items() if self._before.get(fd) != what}
        assert not left, f"left open: {left}"


def _open() -> dict[str, str]:
    # The guard's threads are the worker's, not a run's.
    found = {f"thread {t.ident}": t.name for t in threading.enumerate() if t.name != "names"}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
    return found
