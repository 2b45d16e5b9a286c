"""Real workers in two regions: one region loses its only one, and gets it back; the metrics and the log say so."""

from __future__ import annotations

import signal
import time
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.store.executing import UNSERVED_SECONDS
from tests.servers.sources import ServedSource, Source
from tests.servers.targets import Targets, targets
from tests.servers.worker_process import until, worker_process

if TYPE_CHECKING:
    from tests.conftest import Kit

pytestmark = pytest.mark.slow
_SLACK = 8.0
"""Seconds between two beats, with as much again for a busy machine."""


@pytest.fixture
def there() -> Iterator[Targets]:
    with targets() as found:
        yield found


def metrics(address: str) -> str:
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def states(source: Source) -> dict[str, tuple[str, bool]]:
    return {s.region: (s.health, s.unseen is not None) for s in source.states()}


def test_a_region_loses_its_worker_and_gets_another(kit: Kit, postgres_store: str, there: Targets) -> None:
    source = ServedSource(kit, postgres_store)
    source.check("c", f"{there.url}/c")
    source.documents["c.yaml"][1]["spec"]["checks"][0]["regions"] = ["eu-1", "us-1"]
    source.apply()
    both = {"eu-1": ("healthy", False), "us-1": ("healthy", False)}
    ran = {"eu-1", "us-1"}
    with worker_process(postgres_store, "--region", "us-1", "--metrics", "127.0.0.1:0") as us:
        address = us.wait_for("started")["metrics"]
        with worker_process(postgres_store, "--region", "eu-1") as eu:
            until(lambda: {s.region for s in source.states() if s.runs} == ran)
            assert states(source) == both
            eu.stop()
        began = time.monotonic()
        with worker_process(postgres_store, "--region", "eu-1") as eu:
            until(lambda: time.monotonic() - began > UNSERVED_SECONDS / 3, what=lambda: us.events)
            assert us.said("changed") == [], "a clean hand-over is no news"
            eu.send(signal.SIGKILL)
            killed = time.monotonic()
            until(lambda: states(source)["eu-1"] == ("degraded", True), what=lambda: states(source))
            took = time.monotonic() - killed
        assert UNSERVED_SECONDS - _SLACK < took < UNSERVED_SECONDS + _SLACK
        until(lambda: len(us.said("changed")) >= 2)
        change: dict[str, Any] = us.said("changed")[0]
        assert change["cause"].startswith("unobservable: no worker has served region eu-1 since ")
        assert (change["region"], change["now"], change["run"]) == ("eu-1", "degraded", None)
        until(lambda: 'gitops_slices_unobservable{region="eu-1"} 1.0' in metrics(address))
        assert 'gitops_region_served{region="eu-1"} 0.0' in metrics(address)
        with worker_process(postgres_store, "--region", "eu-1") as again:
            until(lambda: states(source) == both, what=lambda: states(source))
            until(lambda: again.said("changed"))
            back = again.said("changed")[0]
            assert (back["now"], back["cause"]) == ("healthy", "it is looked at again")
            assert back["run"].split("@")[1].startswith("eu-1-")
            assert back["worker"] == again.wait_for("started")["worker"]
            assert back["correlation"] > change["correlation"]
            until(lambda: 'gitops_region_served{region="eu-1"} 1.0' in metrics(address))
