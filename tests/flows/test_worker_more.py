"""Regions, an empty store, housekeeping, a worker that was asleep, and what the log says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.flows.executor import NO_POLICY
from reconciler.flows.supply import StoreSupply
from reconciler.flows.work.events import (
    AutomationEnded,
    AutomationStarted,
    Changed,
    Dropped,
    Event,
    Started,
    Stopped,
    StoreAway,
    Taken,
)
from reconciler.flows.work.knobs import Knobs
from reconciler.flows.work.worker import Worker
from reconciler.report.output import Output
from reconciler.report.style import PLAIN
from reconciler.report.worker_log import event_json, event_text, teller
from reconciler.store.open import open_executing
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


def test_a_worker_may_be_there_before_the_first_apply(source: Source, there: Targets) -> None:
    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: shift.said(Started))
        source.check("c", f"{there.url}/c")
        source.apply()
        await shift.until(shift.runs)

    events = working(source.path, scenario)
    assert isinstance(events[0], Started)
    assert (events[0].generation, events[0].slices) == (0, 0)
    assert Taken(1, 1, 0, 0) in events


def test_each_region_is_run_by_its_own_workers(source: Source, there: Targets) -> None:
    source.check("here", f"{there.url}/here")
    source.check("everywhere", f"{there.url}/everywhere")
    assignment = source.documents["everywhere.yaml"][1]["spec"]["checks"][0]
    assignment["regions"] = ["eu", "us"]
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: len(shift.runs()) >= 2)
        assert {r.region for r in shift.runs()} == {"eu"}

    working(source.path, scenario, knobs=Knobs(regions=("eu",), grace=1.0, scripts=1))
    assert there.asked["/everywhere"] >= 2
    assert there.asked["/here"] == 0


def test_no_script_is_run_before_the_policy_has_come(source: Source) -> None:
    """By a worker whose policy comes over a line that is slow."""
    source.script("s", "echo here")
    source.apply()
    arrived = threading.Event()

    class Late(StoreSupply):
        def policy(self) -> str | None:
            if not arrived.is_set():
                raise ConnectionError("no answer yet")
            return super().policy()

    class Supplied(Worker):
        def __init__(self, address: str, *rest: Any, opened: Any, **others: Any) -> None:
            super().__init__(address, *rest, supply=Late(address, opened=opened), **others)

    async def scenario(shift: Shift) -> None:
        await shift.until(shift.runs)
        assert [(r.outcome, r.reason) for r in shift.runs()] == [("degraded", NO_POLICY)] * len(shift.runs())
        arrived.set()
        await shift.until(lambda: shift.runs()[-1].outcome == "healthy")

    working(source.path, scenario, worker=Supplied)


def test_hours_that_are_over_are_condensed_beside_the_work(source: Source, there: Targets) -> None:
    source.check("c", f"{there.url}/c")
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: len(shift.runs()) >= 2)
        key = shift.runs()[0].key
        shift.clock.off = 7200.0
        await shift.until(lambda: shift.hands.aggregates(key, span="hour"), within=15)

    working(source.path, scenario)


def test_a_worker_that_was_asleep_longer_than_its_lease_gives_way(source: Source, there: Targets) -> None:
    """Somebody else has its slice by then; what it did counts once."""
    there.delay["/slow"] = 2.0
    source.check("slow", f"{there.url}/slow", interval="30s")
    source.apply()

    async def scenario(shift: Shift) -> None:
        shift.hands.reconcile()
        shift.clock.off = 31.0
        await shift.until(lambda: there.asked["/slow"] == 1)
        other = open_executing(str(source.path))
        try:
            other.db.tell_time(lambda: shift.clock() + 3600.0)  # to whom the lease ran out long ago
            taken = other.claim("other", 5, lease=60.0)
            assert [c.expired for c in taken] == [True]
            await shift.until(lambda: shift.said(Dropped))
            assert shift.runs() == []
        finally:
            other.close()

    events = working(source.path, scenario, knobs=Knobs(lease=1.5, grace=3.0, scripts=1))
    assert events[-1] == Stopped(0, 0, 0)


def lines(event: Event) -> list[str]:
    return list(event_text(event, 1_795_000_000.25, PLAIN))


STARTED = Started("host-1-ab", "/s.db", 7, 2, 100, 25, 4, ("", "eu"), ("mysql",), "http://127.0.0.1:9000")
CHANGED = Changed(1.5, "slice", "shop", "ready", "prod\x1b[31m", "eu", "healthy", "unhealthy", "statusCode equals 200")


def test_the_log_is_made_for_people() -> None:
    first, *rest = lines(STARTED)
    assert first.startswith("2026-11-18T11:06:40.250Z gitops ")
    assert rest == [
        "  store     /s.db, generation 7, 2 slices",
        "  at once   100 runs, 25 of them slow ones; 4 scripts beside them",
        "  regions   local, eu",
        "  can't run mysql: pip install 'gitops-reconciler[mysql]'",
        "  metrics   http://127.0.0.1:9000/metrics, /healthz and /readyz",
    ]
    change = "shop/ready/prod\ufffd[31m in region eu is unhealthy (was healthy): statusCode equals 200"
    assert lines(CHANGED) == [f"2026-11-18T11:06:40.250Z {change}"]
    assert lines(CHANGED._replace(scope="environment")) == []
    away = lines(StoreAway("the store x is locked", 3))
    assert away == [
        "2026-11-18T11:06:40.250Z the store is away: the store x is locked; 3 finished runs kept until it is back"
    ]
    assert lines(Stopped(5, 1, 0)) == ["2026-11-18T11:06:40.250Z stopped: 5 runs stored, 1 given back"]


def test_and_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    tell = teller(Output("json"), lambda: 0.0)
    for event in (STARTED, CHANGED, Taken(8, 1, 2, 3)):
        tell(event)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [f["event"] for f in found] == ["started", "changed", "taken"]
    assert found[1]["time"] == "1970-01-01T00:00:01.500Z"
    assert found[2] == {
        "time": "1970-01-01T00:00:00.000Z",
        "event": "taken",
        "generation": 8,
        "added": 1,
        "changed": 2,
        "removed": 3,
        "worker": "host-1-ab",
    }
    assert event_json(StoreAway("x", 1), time.time())["event"] == "storeAway"


def test_the_log_leads_from_an_automation_to_the_run_that_began_it(source: Source, there: Targets) -> None:
    there.status["/c"] = 503
    source.check("c", f"{there.url}/c")
    trigger = {"event": "healthcheck.system_health_changed"}
    action = {"id": "note", "action": "log@1", "config": {"message": "{{ trigger.payload.systemId }}"}}
    source.documents["a.yaml"] = source.kit.document("Automation", "a", {"triggers": [trigger], "actions": [action]})
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: shift.said(AutomationEnded))

    events = working(source.path, scenario)
    began = next(e for e in events if isinstance(e, AutomationStarted))
    ended = next(e for e in events if isinstance(e, AutomationEnded))
    assert (ended.run, ended.status) == (began.run, "success")
    (change,) = (e for e in events if isinstance(e, Changed) and e.correlation == began.correlation)
    assert (change.scope, change.system, began.context) == ("system", "c", "c")
    (run,) = (r for r in source.runs() if r.id == change.run)
    assert run.outcome == "unhealthy"
