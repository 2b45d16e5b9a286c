"""Automations whose workers are killed again and again: nothing is lost, and nothing that was done is done again."""

from __future__ import annotations

import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.store.automating import RunRow
from reconciler.store.open import open_database
from reconciler.store.sql_automating import SqlAutomating
from tests.servers.http import Site, site
from tests.servers.sources import ServedSource, Source
from tests.servers.worker_process import WorkerProcess

if TYPE_CHECKING:
    from tests.conftest import Kit

AUTOMATIONS = 100
KILLS = 12
LEASE = "1s"
STOPPED = 1.6
IN_ORDER = ("one", "three", "five", "eight", "nine-0", "nine-1", "eleven", "twelve")
"""Effects that come one after the other; ``six-a`` and ``six-b`` come together, between five and eight."""
EFFECTS = {*IN_ORDER, "six-a", "six-b"}


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def store(kit: Kit, tmp_path: Path, request: pytest.FixtureRequest) -> Source:
    if request.param == "sqlite":
        return Source(kit, tmp_path / "store.db")
    return ServedSource(kit, request.getfixturevalue("postgres_store"))


def call(web: Site, effect: str) -> dict[str, Any]:
    """Tells the server which automation is where."""
    config = {"url": f"{web.base}/status/200", "body": f"{{{{ trigger.payload.name }}}}/{effect}"}
    return {"action": "webhook@1", "config": {**config, "retry": {"attempts": 10, "delay": "1s"}}}


def twelve(web: Site) -> list[dict[str, Any]]:
    """Twelve steps, among them each kind of wait."""
    return [
        call(web, "one"),
        {"delay": "300ms"},
        call(web, "three"),
        {"waitForTrigger": {"event": "incident.created", "timeout": "10m"}},
        call(web, "five"),
        {"parallel": [call(web, "six-a"), [{"delay": "400ms"}, call(web, "six-b")]]},
        {"waitUntil": {"condition": "false", "timeout": "1s"}},
        call(web, "eight"),
        {"repeat": {"count": 2, "sequence": [call(web, "nine-{{ repeat.index }}")]}},
        {"variables": {"seen": "{{ trigger.payload.name }}"}},
        call(web, "eleven"),
        call(web, "twelve"),
    ]


class Crowd:
    """The store as the test sees it."""

    def __init__(self, store: Source) -> None:
        self.hands = SqlAutomating(open_database(store.address))
        self.left = self.hands.automations()

    def start(self, n: int) -> None:
        """An event for each of the next so many automations."""
        some, self.left = self.left[:n], self.left[n:]
        for row in some:
            self.hands.post("manual", {"name": row.name}, automation=row.uid)

    def runs(self) -> list[RunRow]:
        return self.hands.runs(limit=10_000)

    def ended(self) -> int:
        return sum(run.ended is not None for run in self.runs())

    def close(self) -> None:
        self.hands.close()


def effects(web: Site) -> dict[str, list[tuple[str, str]]]:
    """(effect, key) of each automation, in the order in which they came."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for asked in list(web.asked):
        name, _, effect = asked.body.decode().partition("/")
        found[name].append((effect, asked.header("idempotency-key") or ""))
    return found


@pytest.mark.slow
def test_killed_again_and_again_each_effect_comes_once_by_its_key(kit: Kit, store: Source, web: Site) -> None:
    """100 automations of 12 steps with waits in them, on two workers of which one or the other is killed."""
    store.documents["account.yaml"] = kit.document("ServiceAccount", "bot", {"permissions": ["webhook"]})
    spec = {"runAs": "bot", "triggers": [{"event": "webhook@1", "config": HOOK}], "actions": twelve(web)}
    for i in range(AUTOMATIONS):
        store.documents[f"a{i}.yaml"] = kit.document("Automation", f"a{i}", spec)
    store.apply()
    chance = random.Random(8)
    workers = [worker(store) for _ in range(2)]
    try:
        with closing(Crowd(store)) as crowd:
            for each in workers:
                each.wait_for("started")
            kills, deadline = 0, time.monotonic() + 120
            next_kill = time.monotonic() + 0.5
            while crowd.ended() < AUTOMATIONS:
                assert time.monotonic() < deadline, left(crowd)
                crowd.start(2)
                crowd.hands.post("incident.created", {"incidentId": "i"})
                if kills < KILLS and time.monotonic() >= next_kill:
                    kills, which = kills + 1, kills % 2
                    if kills % 4 == 0:  # one that is only stopped wakes up when others have its runs
                        workers[1 - which].send(signal.SIGSTOP)
                        time.sleep(STOPPED)
                        workers[1 - which].send(signal.SIGCONT)
                    workers[which].send(signal.SIGKILL)
                    assert workers[which].end() == -signal.SIGKILL
                    workers[which] = worker(store)
                    next_kill = time.monotonic() + chance.uniform(0.4, 1.6)
                time.sleep(0.1)
            assert kills >= 5, "else nothing was tried"
            assert {run.status for run in crowd.runs()} == {"success"}, left(crowd)
            assert len(crowd.runs()) == AUTOMATIONS
            whole(web)
    finally:
        for each in workers:
            if each.process.poll() is None:
                each.process.kill()
            each.end()


HOOK = {"hook": "never", "token": "${{ secrets.T }}"}


def worker(store: Source) -> WorkerProcess:
    return WorkerProcess(store.address, "--lease", LEASE)


def left(crowd: Crowd) -> list[Any]:
    """What hasn't ended as it should."""
    odd = [run for run in crowd.runs() if run.status != "success"]
    return [(r.id, r.status, r.reason, [(s.path, s.status, s.error) for s in crowd.hands.steps(r.id)]) for r in odd[:5]]


def whole(web: Site) -> None:
    """Each effect at least once and under one key, no key for two, and none again once a later one had begun."""
    told = effects(web)
    assert len(told) == AUTOMATIONS
    keys = [key for calls in told.values() for key in {key for _, key in calls}]
    assert len(keys) == len(set(keys)) == AUTOMATIONS * len(EFFECTS)
    for name, calls in told.items():
        by_effect: dict[str, set[str]] = defaultdict(set)
        for effect, key in calls:
            by_effect[effect].add(key)
        assert set(by_effect) == EFFECTS, name
        assert all(len(found) == 1 for found in by_effect.values()), name
        order = [effect for effect, _ in calls if effect in IN_ORDER]
        assert order == sorted(order, key=IN_ORDER.index), f"{name}: what was done was done again: {order}"
