"""Many slices at once, black holes among them, and strategies that don't do as they are told."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.execute import table
from reconciler.execute.port import Collected, Context
from reconciler.flows.work.events import Event, Fault, Stopped, Unsaved
from reconciler.flows.work.knobs import Knobs
from reconciler.flows.work.worker import Worker, work
from reconciler.model.run import Run
from tests.servers.sources import Source
from tests.servers.targets import Targets, targets
from tests.servers.worker_process import until
from tests.servers.workers import Shift, working

if TYPE_CHECKING:
    from tests.conftest import Kit


@pytest.fixture
def there() -> Iterator[Targets]:
    with targets() as found:
        yield found


@pytest.fixture
def source(kit: Kit, tmp_path: Path) -> Source:
    return Source(kit, tmp_path / "store.db")


class Watched(Worker):
    """Notes the most claims that were ever on the floor."""

    most = 0

    def _post(self, call: Any, *arguments: Any) -> None:
        Watched.most = max(Watched.most, self._clerk.claimed - sum(self._tally.runs.values()))
        super()._post(call, *arguments)


@pytest.mark.slow
def test_ten_thousand_slices_due_at_once(source: Source, there: Targets) -> None:
    """They run once each, in the order in which they were due, with no more than a few hundred in memory."""
    n = 10_000
    for i in range(n):
        source.check(f"c{i}", f"{there.url}/{i % 100}", interval="24h")
    source.apply()
    Watched.most = 0

    async def scenario(shift: Shift) -> None:
        shift.hands.reconcile()
        due = {s.key: s.due_at for s in shift.hands.states()}
        shift.clock.off = 90_000.0  # before the worker has begun
        await shift.until(
            lambda: len(shift.runs()) >= n,
            within=90,
            what=lambda: len(shift.runs()),
        )
        runs = shift.runs()
        assert n - len({r.key for r in runs}) <= 10, (
            "nobody twice before everybody once, but for a tick that came meanwhile"
        )
        after = {s.key: s.due_at for s in shift.hands.states()}
        assert min(after.values()) > shift.clock(), "what was missed isn't made up for"
        place = {key: i for i, key in enumerate(sorted(due, key=due.__getitem__))}
        moved = [abs(place[r.key] - i) for i, r in enumerate(sorted(runs[:n], key=lambda r: r.at))]
        assert sum(moved) / n < n / 20, "longest due first"

    events = working(source.path, scenario, worker=Watched)
    assert Watched.most <= 1500
    assert not [e for e in events if isinstance(e, Fault)]


@pytest.mark.slow
def test_black_holes_dont_take_the_slots_of_the_others(source: Source, there: Targets) -> None:
    """The scene that the lane is for, a tenth as long as in the benchmark."""
    holes, healthy = 16, 64
    for i in range(holes):
        there.delay[f"/hole{i}"] = None
        source.check(f"hole{i}", f"{there.url}/hole{i}", interval="1s", timeout="3s")
    for i in range(healthy):
        source.check(f"c{i}", f"{there.url}/c{i}", interval="1s")
    source.apply()
    named = source.uids()

    def broken(shift: Shift) -> list[Run]:
        return [r for r in shift.runs() if named[r.key.check].startswith("hole")]

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: len(shift.runs()) >= 6 * healthy)
        began = Counter(there.answered)
        await asyncio.sleep(3.0)
        more = {i: there.answered[f"/c{i}"] - began[f"/c{i}"] for i in range(healthy)}
        assert min(more.values()) >= 2, "each of them runs at every tick"
        assert shift.hands.overdue() < 20
        await shift.until(lambda: broken(shift))
        assert all(r.duration_ms > 2900 for r in broken(shift)), "in the lane they have their whole time"
        late = sorted(r.at - r.slot for r in shift.runs()[-200:] if r.outcome == "healthy")
        assert late[len(late) // 2] < 0.5

    events = working(source.path, scenario, knobs=Knobs(concurrency=6, grace=0.1, scripts=1))
    # One at a time; the server may see the next one come before it sees that the one before hung up. Runs that pile up
    # would be three, with a time limit of three intervals.
    assert all(there.together[f"/hole{i}"] <= 2 for i in range(holes))
    assert not [e for e in events if isinstance(e, Fault)]


class Stubborn:
    """A strategy that hangs for ever, whatever is asked of it."""

    async def open(self, config: Mapping[str, Any], context: Context) -> Stubborn:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if OVER.is_set():
                    raise

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        raise AssertionError

    async def close(self) -> None:
        """Nothing."""

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        return False

    async def aclose(self) -> None:
        OVER.set()


class Strange(Stubborn):
    """A strategy whose results nobody can store."""

    async def open(self, config: Mapping[str, Any], context: Context) -> Stubborn:
        return self

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        return Collected({"banner": object(), "n": 1 << 80, "half": "\ud800"})


class Endless(Stubborn):
    """One that doesn't even end with the worker."""

    async def aclose(self) -> None:
        """Nothing."""


OVER = asyncio.Event()


def odd(source: Source, strategy: type[Stubborn], monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice of this strategy, under the name of one that there is."""
    monkeypatch.setitem(table.STRATEGIES, "tcp", f"here:{strategy.__name__}")
    monkeypatch.setattr(table, "import_module", lambda _: SimpleNamespace(**globals()))
    OVER.clear()
    spec = {
        "interval": "1s",
        "strategy": {"type": "tcp@1", "config": {"host": "127.0.0.1", "port": 9, "timeout": "500ms"}},
        "collectors": [{"type": "banner@1", "config": {}}],
    }
    source.put("odd", spec)
    source.apply()


@pytest.mark.parametrize("strategy", [Stubborn, Strange])
def test_a_strategy_that_misbehaves_harms_nobody(
    source: Source, there: Targets, strategy: type[Stubborn], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd(source, strategy, monkeypatch)

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: len(shift.runs()) + len(shift.said(Unsaved)) >= 3)
        if strategy is Stubborn:
            assert [r.outcome for r in shift.runs()] == ["unhealthy"] * len(shift.runs()), shift.runs()
            assert all(r.duration_ms < 900 for r in shift.runs())

    events = working(source.path, scenario)
    assert isinstance(events[-1], Stopped)


def test_a_run_that_never_ends_doesnt_keep_the_process(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    odd(source, Endless, monkeypatch)
    events: list[Event] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def soon() -> None:
        until(source.runs)
        os.kill(os.getpid(), signal.SIGTERM)

    waiting = threading.Thread(target=soon)
    waiting.start()
    try:
        assert work(str(source.path), Knobs(grace=0.5, scripts=1), {}, events.append) == 0
    finally:
        waiting.join()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert isinstance(events[-1], Stopped)
