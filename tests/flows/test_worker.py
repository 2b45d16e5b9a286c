"""A worker beside real stores and real servers: what it runs when, what it says, and how it ends."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.flows.work.events import Changed, ClockMoved, Fault, Started, Stopped, Taken
from reconciler.flows.work.knobs import Knobs
from tests.servers.sources import Source
from tests.servers.targets import Targets, targets
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


def test_it_runs_what_is_due_and_tells_what_changes(source: Source, there: Targets) -> None:
    source.check("good", f"{there.url}/good")
    source.check("bad", f"{there.url}/bad")
    there.status["/bad"] = 503
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: len(shift.said(Changed)) >= 4 and len(shift.runs()) >= 6)
        states = {s.key.check: s for s in shift.hands.states()}
        assert sorted(s.health for s in states.values()) == ["healthy", "unhealthy"]
        assert all(r.worker == shift.hands.workers()[0].id for r in shift.runs())

    events = working(source.path, scenario)
    started = next(e for e in events if isinstance(e, Started))
    assert (started.generation, started.slices, started.regions) == (1, 2, ("",))
    changes = [(e.scope, e.system, e.check, e.was, e.now) for e in events if isinstance(e, Changed)]
    assert changes[:4] == [
        ("slice", "bad", "bad", "healthy", "degraded"),
        ("system", "bad", None, "healthy", "degraded"),
        ("slice", "bad", "bad", "degraded", "unhealthy"),
        ("system", "bad", None, "degraded", "unhealthy"),
    ]
    assert events[-1] == Stopped(there.asked["/good"] + there.asked["/bad"], 0, 0)
    assert not [e for e in events if isinstance(e, Fault)]


def test_each_slice_keeps_its_ticks(source: Source, there: Targets) -> None:
    for i in range(10):
        source.check(f"c{i}", f"{there.url}/c{i}")
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: len(shift.runs()) >= 50)

    working(source.path, scenario)
    shift_runs: dict[Any, list[float]] = {}

    async def look(shift: Shift) -> None:
        for run in shift.runs():
            shift_runs.setdefault(run.key, []).append(run.slot)

    working(source.path, look)
    for slots in shift_runs.values():
        steps = [round(b - a, 3) for a, b in pairwise(slots[1:])]
        assert all(step >= 1 and step == round(step) for step in steps), "on the grid of the slice, without drift"
    phases = {round(slots[-1] % 1, 2) for slots in shift_runs.values()}
    assert len(phases) > 4, "spread over the interval"


def test_a_changed_generation_is_taken_over_within_two_seconds(source: Source, there: Targets) -> None:
    there.delay["/old"] = 1.5
    source.check("c", f"{there.url}/old", interval="2s")
    source.apply()
    took = 0.0

    async def scenario(shift: Shift) -> None:
        nonlocal took
        await shift.until(lambda: there.asked["/old"] == 1)
        source.check("c", f"{there.url}/new", interval="1s")
        source.check("d", f"{there.url}/d", interval="1s")
        applied = time.monotonic()
        await asyncio.to_thread(source.apply)
        await shift.until(lambda: shift.said(Taken))
        took = time.monotonic() - applied
        await shift.until(lambda: len(shift.runs()) >= 3 and there.asked["/new"] and there.asked["/d"])

    events = working(source.path, scenario)
    assert took < 2.0
    assert [e for e in events if isinstance(e, Taken)] == [Taken(2, 1, 1, 0)]
    assert there.answered["/old"] == 1, "what was in flight ended by itself"
    assert there.together["/old"] == there.together["/new"] == 1


def test_what_was_in_flight_when_its_slice_changed_is_recorded(source: Source, there: Targets) -> None:
    there.delay["/old"] = 1.0
    source.check("c", f"{there.url}/old", interval="30s")
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.jump(31.0)
        await shift.until(lambda: there.asked["/old"] == 1)
        source.check("c", f"{there.url}/new", interval="30s")
        await asyncio.to_thread(source.apply)
        await shift.until(lambda: shift.said(Taken))
        await shift.until(shift.runs)
        assert [r.generation for r in shift.runs()] == [1]

    working(source.path, scenario)


def test_a_document_deleted_while_its_slice_runs(source: Source, there: Targets) -> None:
    there.delay["/gone"] = 1.0
    source.check("gone", f"{there.url}/gone", interval="2s")
    source.check("stays", f"{there.url}/stays")
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: there.asked["/gone"] == 1)
        del source.documents["gone.yaml"]
        await asyncio.to_thread(source.apply)
        await shift.until(lambda: shift.said(Taken))
        before = there.asked["/stays"]
        await shift.until(lambda: there.answered["/gone"] == 1 and there.asked["/stays"] > before + 1)
        assert len({r.key for r in shift.runs()}) == 1, "it finished into nothing"
        assert there.asked["/gone"] == 1

    events = working(source.path, scenario)
    assert not [e for e in events if isinstance(e, Fault)]


def has_moved(shift: Shift, before: int) -> bool:
    return len(shift.said(ClockMoved)) > before


def have_run(shift: Shift, before: Counter[Any]) -> bool:
    """Each slice at least twice since then."""
    now = Counter(r.key for r in shift.runs())
    return all(n >= before[key] + 2 for key, n in now.items())


def test_the_clock_steps_forth_and_back(source: Source, there: Targets) -> None:
    for i in range(5):
        source.check(f"c{i}", f"{there.url}/c{i}")
    there.delay["/c0"] = 0.8
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: len(shift.runs()) >= 10)
        for step in (3600.0, -7200.0, 86_400.0, 0.0):
            shift.clock.off = step
            moved = len(shift.said(ClockMoved))
            await shift.until(partial(has_moved, shift, moved))
            counts = Counter(r.key for r in shift.runs())
            began = time.monotonic()
            await shift.until(partial(have_run, shift, counts), within=10)
            took = time.monotonic() - began
            more = Counter(r.key for r in shift.runs())
            assert all(more[k] - counts[k] <= took + 3 for k in counts), (
                "ticks that were jumped over aren't made up for"
            )

    events = working(source.path, scenario, knobs=Knobs(lease=2.0, grace=5.0, scripts=2))
    assert all(there.together[f"/c{i}"] == 1 for i in range(5)), "no slice ran twice at once"
    assert len([e for e in events if isinstance(e, ClockMoved)]) == 4


def test_a_long_run_keeps_its_lease(source: Source, there: Targets) -> None:
    there.delay["/long"] = 2.0
    source.check("long", f"{there.url}/long", interval="1s")
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: there.answered["/long"] == 1 and shift.runs())
        assert [r.outcome for r in shift.runs()] == ["healthy"]

    working(source.path, scenario, knobs=Knobs(lease=1.0, grace=0.1, scripts=2))
    assert there.together["/long"] == 1


def test_at_the_end_what_runs_may_finish_and_the_rest_is_given_back(source: Source, there: Targets) -> None:
    there.delay["/short"], there.delay["/never"] = 0.7, None
    source.check("short", f"{there.url}/short", interval="30s")
    source.check("never", f"{there.url}/never", interval="30s", timeout="20s")
    source.apply()
    began = 0.0

    async def scenario(shift: Shift) -> None:
        nonlocal began
        await shift.jump(31.0)
        await shift.until(lambda: there.asked["/short"] and there.asked["/never"])
        began = time.monotonic()
        assert await shift.stop() == 0
        assert len(shift.runs()) == 1
        assert [s.running for s in shift.hands.states()] == [None, None]
        assert shift.hands.overdue() == 1, "the other is due at once, for whoever comes first"
        assert shift.hands.workers() == []

    events = working(source.path, scenario, knobs=Knobs(grace=1.5, scripts=2))
    assert 1.4 < time.monotonic() - began < 5
    assert events[-1] == Stopped(1, 1, 0)


def test_a_script_that_floods_its_output_harms_nobody(source: Source, there: Targets) -> None:
    source.check("good", f"{there.url}/good")
    source.script("flood", "yes flood | head -c 20000000", timeout="10s")
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: len({r.key for r in shift.runs()}) == 2 and there.asked["/good"] >= 3, within=40)
        kept = [len(str(r.detail)) for r in shift.runs()]
        assert max(kept) < 100_000

    events = working(source.path, scenario)
    assert not [e for e in events if isinstance(e, Fault)]
