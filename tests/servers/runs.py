"""Runs of a strategy against a real server, without the executor around it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    make: Callable[[], Strategy],
    config: Mapping[str, Any],
    *steps: Step,
    deny: Iterable[str] = (),
    within: float = 20,
    patience: float = 1,
) -> list[Collected]:
    """Open, collect each, close. Fails when anything is left open, or when it takes longer than ``within`` seconds."""

    async def run() -> list[Collected] | Failed:
        strategy = make()
        try:
            async with asyncio.timeout(within):
                return await _whole(strategy, config, steps, context(deny))
        except Failed as error:
            # As an executor does, which keeps the sentence and lets go of the frames.
            return Failed(error.sentence, timed_out=error.timed_out)
        finally:
            await strategy.aclose()

    with clean(patience):
        found = asyncio.run(run())
    if isinstance(found, Failed):
        raise found
    return found


def failure(make: Callable[[], Strategy], config: Mapping[str, Any], *steps: Step, **options: Any) -> Failed:
    """The same where it has to fail: one sentence, on one line."""
    with pytest.raises(Failed) as raised:
        collect(make, config, *steps, **options)
    sentence = raised.value.sentence
    assert sentence.isprintable()
    assert not sentence.endswith(".")
    return raised.value


def cancelled(
    make: Callable[[], Strategy],
    config: Mapping[str, Any],
    *steps: Step,
    when: Callable[[], bool] | None = None,
    patience: float = 1,
) -> float:
    """Cancel a run in the middle, a moment after its beginning or ``when`` something holds; how long it took to let
    go, in seconds."""

    async def run() -> float:
        strategy = make()
        task = asyncio.create_task(_whole(strategy, config, steps, context()))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (0.3 if when is None else 20)
        while loop.time() < deadline and (when is None or not when()):
            await asyncio.wait({task}, timeout=0.05)
            assert not task.done(), f"it ended before: {task.exception()}"
        began = loop.time()
        task.cancel()
        await asyncio.wait({task}, timeout=20)
        assert task.cancelled()
        took = loop.time() - began
        await strategy.aclose()
        return took

    with clean(patience):
        return asyncio.run(run())


async def _whole(
    strategy: Strategy, config: Mapping[str, Any], steps: Sequence[Step], told: Context
) -> list[Collected]:
    connection = await strategy.open(config, told)
    try:
        return [await connection.collect(name, step) for name, step in steps]
    finally:
        await connection.close()


class clean:
    """What is inside leaves no socket, no file and no thread behind. ``patience``: seconds that threads have for that:
    those of a test's server, whose sockets are in this process too, and those of a library."""

    def __init__(self, patience: float) -> None:
        self._patience = patience

    def __enter__(self) -> None:
        self._before = _open()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        deadline = time.monotonic() + self._patience
        while left := {fd: what for fd, what in _open().items() if self._before.get(fd) != what}:
            assert time.monotonic() < deadline, f"left open: {left}"
            time.sleep(0.01)


def _open() -> dict[str, str]:
    # The guard's threads are the worker's, not a run's.
    found = {f"thread {t.ident}": t.name for t in threading.enumerate() if t.name != "names"}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
    return found
