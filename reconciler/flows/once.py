"""Run slices once, now, in this process: with the worker's executor, but nobody's schedule."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from reconciler.base.canonical import loads
from reconciler.base.errors import GitopsError, UsageError
from reconciler.flows.apply import Actor, apply_planned
from reconciler.flows.named import Named, matching, named
from reconciler.flows.origins import Origin, Origins
from reconciler.flows.runs import Told
from reconciler.flows.subjects import Known, Subjects
from reconciler.model.run import LOCAL, Observation, Run
from reconciler.store.database import MEMORY
from reconciler.store.executing import Transition
from reconciler.store.port import Reader

if TYPE_CHECKING:
    from reconciler.execute.executor import Executor
    from reconciler.flows.opened import Source
    from reconciler.flows.progress import Progress

CONCURRENCY = 10
_BATCH = 100
_HOST = "local"
"""What documents call the region of the host itself."""


class Target(NamedTuple):
    """A slice to run, with all that a run needs to know; ``generation`` 0: of no store."""

    slice: Named
    body: bytes
    known: Known
    generation: int
    origin: Origin | None


class Recorder(Protocol):
    """The part of the store's hands that keeps runs nobody scheduled."""

    def now(self) -> float:
        """The database's clock."""

    def record(self, runs: Sequence[Run]) -> list[Transition]:
        """Keep them, and derive health."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which slices: names that have to match, and files or folders that declare the check, the system or the
    environment (relative to the source); everything where nothing is said."""

    check: str | None = None
    system: str | None = None
    environment: str | None = None
    paths: tuple[str, ...] | None = None


def targets(reader: Reader, choice: Choice) -> list[Target]:
    """The slices of the newest generation that match, sorted by name.

    Raises ``GitopsError`` with what is near when there are none of these names; of ``paths`` there may be none.
    """
    with reader.snapshot():
        found = matching(list(named(reader)), choice.check, system=choice.system, environment=choice.environment)
        if choice.paths is not None:
            declared = _declared(reader, choice.paths)
            found = [s for s in found if not declared.isdisjoint(s.key)]
        generation = reader.generation()
        known_as = 0 if reader.where == MEMORY else generation
        keys = [s.key for s in found]
        bodies, known, origins = reader.slices(keys), Subjects(reader).many(keys), Origins(reader)
        return [
            Target(s, bodies[s.key].body, known[s.key], known_as, origins.of(s.key.check, generation)) for s in found
        ]


def _declared(reader: Reader, paths: Sequence[str]) -> set[int]:
    """Uids of what these files, or files in these folders, declare."""
    return {s.uid for s in reader.resources() if any(_below(s.resource.path, path) for path in paths)}


def _below(path: str, folder: str) -> bool:
    return folder == "" or path == folder or path.startswith(f"{folder}/")


def run_all(
    chosen: Sequence[Target],
    make: Callable[[], Executor],
    done: Callable[[Told], None],
    *,
    recorder: Recorder | None = None,
    region: str = LOCAL,
    concurrency: int = CONCURRENCY,
) -> None:
    """Run them, several at once; ``done`` is told of each in the order of ``chosen``, as early as that order allows.

    With a ``recorder`` the runs are kept as those of a region, and those that ended before an interrupt too; what never
    runs in that region isn't kept. Raises what ``make`` raises.
    """
    keeper = _Keeper(recorder, region)
    try:
        asyncio.run(_all(chosen, make, done, keeper, concurrency))
    finally:
        keeper.flush()


async def _all(
    chosen: Sequence[Target],
    make: Callable[[], Executor],
    done: Callable[[Told], None],
    keeper: _Keeper,
    concurrency: int,
) -> None:
    executor = make()
    waiting = iter(enumerate(chosen))
    ended: dict[int, Told] = {}
    turn = 0

    async def lane() -> None:
        nonlocal turn
        for at, target in waiting:
            ended[at] = await _one(executor, target, keeper)
            while turn in ended:
                done(ended.pop(turn))
                turn += 1

    lanes = [asyncio.create_task(lane()) for _ in range(min(concurrency, len(chosen)))]
    try:
        await asyncio.gather(*lanes)
    finally:
        for task in lanes:
            task.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        await executor.aclose()


async def _one(executor: Executor, target: Target, keeper: _Keeper) -> Told:
    at = keeper.now()
    try:
        prepared = executor.prepare(target.body)
    except ValueError as error:  # somebody wrote it by hand
        seen = Observation("degraded", 0.0, error=str(error))
    else:
        seen = await executor.run(prepared, *target.known)
    run = Run(
        key=target.slice.key,
        region=keeper.region,
        slot=at,
        at=at,
        duration_ms=seen.duration_ms,
        outcome=seen.outcome,
        reason=seen.reason,
        generation=target.generation,
        digest=target.slice.digest,
        worker=keeper.who,
        detail=seen.detail(),
    )
    return Told(target.slice.name, run, target.origin, kept=keeper.add(run, target.body))


def regions(body: bytes) -> set[str]:
    """Where a slice runs: the host itself, where its assignment says nothing."""
    try:
        named = loads(body)["assignment"].get("regions")
    except (ValueError, TypeError, KeyError, AttributeError):  # somebody wrote it by hand
        named = None
    return {LOCAL if region == _HOST else region for region in named or (_HOST,)}


class _Keeper:
    """Hands runs to the store, some at a time, by the clock of the store."""

    def __init__(self, recorder: Recorder | None, region: str) -> None:
        self.region = region
        self.who = f"{Actor.here().name} by hand"
        self._recorder = recorder
        self._ahead = 0.0 if recorder is None else recorder.now() - time.time()
        self._runs: list[Run] = []

    def now(self) -> float:
        """The store's clock, or ours where there is none."""
        return time.time() + self._ahead

    def add(self, run: Run, body: bytes) -> bool:
        """Keep it, soon; whether it is to be kept."""
        if self._recorder is None or self.region not in regions(body):
            return False
        self._runs.append(run)
        if len(self._runs) >= _BATCH:
            self.flush()
        return True

    def flush(self) -> None:
        """Keep what waits."""
        runs, self._runs = self._runs, []
        if self._recorder is not None and runs:
            self._recorder.record(runs)


@contextmanager
def in_memory(source: Source, progress: Progress | None = None) -> Iterator[Reader]:
    """A store in memory that holds what the files say: who reads it needs no other.

    Raises ``InvalidDocuments`` with every fault, ``SourceError``, and ``GitopsError`` where there is nothing to run.
    """
    from reconciler.flows.offline import OFFLINE
    from reconciler.flows.plan import make_plan
    from reconciler.store.open import open_store

    store = open_store(":memory:")
    try:
        apply_planned(
            store,
            lambda: make_plan(source.tree(), source.settings, store, options=OFFLINE, progress=progress),
            actor=Actor.here(),
            lock_timeout=0.0,
        )
        if not store.counts()[1]:
            hint = "a System lists the checks that watch it"
            if source.settings.external:
                hint += "; what runs in environments of other sources can only be run once it is applied (gitops run)"
            raise GitopsError("no system runs a check here", hint=hint)
        yield store
    finally:
        store.close()


def paths_within(source: Source, paths: Sequence[Path]) -> tuple[str, ...]:
    """These files and folders as the source calls them. Raises ``UsageError`` for what isn't there or isn't below."""
    found = []
    for path in paths:
        whole = path.resolve()
        if not whole.exists():
            raise UsageError(f"there is no {path}", hint="name files or folders with documents")
        if not whole.is_relative_to(source.folder):
            raise UsageError(f"{path} isn't in {source.folder}", hint="-C names the folder with the documents")
        below = whole.relative_to(source.folder).as_posix()
        found.append("" if below == "." else below)
    return tuple(found)
