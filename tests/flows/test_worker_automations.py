"""Automations beside the checks of a worker: what they find is acted on, counted and told, unless it is told not to."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.flows.work.events import AutomationEnded, Changed, Fault, Started
from reconciler.flows.work.knobs import Knobs
from reconciler.store.open import open_database
from reconciler.store.sql_automating import SqlAutomating
from tests.servers.sources import Source
from tests.servers.targets import Targets, targets
from tests.servers.workers import Shift, working

if TYPE_CHECKING:
    from tests.conftest import Kit

SAY = {"id": "say", "action": "log@1", "config": {"message": "{{ trigger.payload.systemId }} is down"}}


@pytest.fixture
def there() -> Iterator[Targets]:
    with targets() as found:
        found.status["/bad"] = 503
        yield found


@pytest.fixture
def source(kit: Kit, tmp_path: Path, there: Targets) -> Source:
    found = Source(kit, tmp_path / "store.db")
    found.check("bad", f"{there.url}/bad")
    down = {"event": "healthcheck.system_health_changed", "filter": "trigger.payload.newStatus == 'unhealthy'"}
    found.documents["tell.yaml"] = kit.document("Automation", "tell", {"triggers": [down], "actions": [SAY]})
    found.apply()
    return found


def test_what_a_check_finds_becomes_a_run_that_is_told_and_counted(source: Source) -> None:
    page = ""

    async def scenario(shift: Shift) -> None:
        nonlocal page
        await shift.until(lambda: shift.said(AutomationEnded))
        address = shift.said(Started)[0].metrics

        def asked() -> str:
            with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
                return str(answer.read().decode())

        import asyncio

        page = await asyncio.to_thread(asked)

    events = working(source.path, scenario, knobs=Knobs(grace=5.0, scripts=2, metrics=("127.0.0.1", 0)))
    (ended,) = [e for e in events if isinstance(e, AutomationEnded)]
    assert (ended.automation, ended.status, ended.reason) == ("tell", "success", None)
    with closing(SqlAutomating(open_database(source.address))) as seen:
        (step,) = seen.steps(ended.run)
    assert (step.step_id, step.result["message"]) == ("say", "bad is down")
    lines = dict(line.rpartition(" ")[::2] for line in page.splitlines() if line.startswith("gitops_automation"))
    assert lines['gitops_automation_runs_total{status="success"}'] == "1.0"
    assert lines['gitops_automation_steps_total{action="log@1",status="success"}'] == "1.0"
    assert lines["gitops_automation_leading"] == "1.0"
    assert float(lines['gitops_automation_lateness_seconds_bucket{le="1"}']) == 1.0, "the clerk told at once"
    assert not [e for e in events if isinstance(e, Fault)]


def test_a_worker_that_is_told_to_leaves_automations_to_others(source: Source) -> None:
    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: [e for e in shift.said(Changed) if e.now == "unhealthy"])
        await shift.until(lambda: len(shift.runs()) >= 4)

    events = working(source.path, scenario, knobs=Knobs(grace=5.0, scripts=2, automations=False))
    assert not [e for e in events if isinstance(e, AutomationEnded)]
    with closing(SqlAutomating(open_database(source.address))) as seen:
        assert seen.runs() == []
        assert seen.look().happened, "it waits for another worker"
