"""Many hands on the runs of few automations at once: what a mode promises holds whatever comes in between."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from reconciler.store.automating import Kept, Mode, NotLeading, RunRow, Settled, Start, WaitRow, Wake
from reconciler.store.open import open_database, open_store
from reconciler.store.sql_automating import SqlAutomating

WORKERS, EVENTS = 4, 120
MODES: tuple[Mode, ...] = ("single", "queued", "parallel", "restart")
MOST = 5
ENDED = ("success", "failed", "cancelled", "skipped")


class Crowd:
    """Threads with a connection each; what goes wrong in one of them is told at the end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.done = threading.Event()
        self.wrong: list[BaseException] = []
        self.threads: list[threading.Thread] = []

    def run(self, work: Callable[[SqlAutomating, random.Random], None]) -> None:
        seed = len(self.threads)

        def body() -> None:
            try:
                with closing(SqlAutomating(open_database(self.address))) as hands:
                    work(hands, random.Random(seed))
            except BaseException as error:
                self.wrong.append(error)

        self.threads.append(threading.Thread(target=body))
        self.threads[-1].start()


def start(automation: int, n: int) -> Start:
    mode = MODES[automation - 1]
    event = {"id": f"e{n}", "name": "manual", "at": time.time(), "payload": {}}
    key = f"{automation}:{n}"
    return Start(automation, 1, "d", None, event, "manual", key, None, mode, "", MOST)


def lead(crowd: Crowd, hands: SqlAutomating, chance: random.Random, me: str) -> None:
    """Start runs, each told twice; two of these fight for the leadership."""
    n = 0
    while n < EVENTS:
        fence = hands.lead(me, lease=0.3)
        if fence is None:
            time.sleep(0.01)
            continue
        starts = [start(a, n) for a in range(1, len(MODES) + 1)]
        wakes = [Wake(run.id) for run in hands.runs(status=["waiting"], limit=3)]
        try:
            hands.settle(me, fence, Settled(starts=[*starts, *starts], wakes=wakes))
        except NotLeading:
            continue
        n += 1
        if chance.random() < 0.1:
            hands.abdicate(me)
            time.sleep(0.02)


def work(crowd: Crowd, hands: SqlAutomating, chance: random.Random, me: str) -> None:
    """Go on with runs: some wait, some end, some are cancelled by somebody else."""
    while not crowd.done.is_set():
        claims = hands.claim(me, 3, lease=30.0)
        time.sleep(chance.uniform(0, 0.004))
        hands.renew([(claim.run, claim.lease) for claim in claims], lease=30.0)
        changes = []
        for claim in claims:
            if claim.snapshot is None and chance.random() < 0.4:
                due = [WaitRow("actions[0]", "delay", None, None, time.time() + 0.02, time.time())]
                changes.append(Kept(claim.run, claim.automation, claim.lease, "waiting", waits=due, snapshot=b"{}"))
            else:
                changes.append(Kept(claim.run, claim.automation, claim.lease, "success"))
        hands.keep(changes)
        if not claims:
            time.sleep(0.003)


def cancel(crowd: Crowd, hands: SqlAutomating, chance: random.Random) -> None:
    while not crowd.done.is_set():
        for run in hands.runs(status=["running", "waiting", "pending"], limit=20):
            if chance.random() < 0.05:
                hands.cancel(run.id, reason="by hand")
        time.sleep(0.02)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_store"))
    open_store(str(tmp_path / "store.db")).close()
    return str(tmp_path / "store.db")


@pytest.mark.slow
def test_modes_hold_whatever_comes_in_between(address: str) -> None:
    crowd = Crowd(address)
    leaders = ["l0", "l1"]
    for name in leaders:
        crowd.run(lambda hands, chance, me=name: lead(crowd, hands, chance, me))  # type: ignore[misc]
    for i in range(WORKERS):
        crowd.run(lambda hands, chance, me=f"w{i}": work(crowd, hands, chance, me))  # type: ignore[misc]
    crowd.run(lambda hands, chance: cancel(crowd, hands, chance))
    try:
        for thread in crowd.threads[: len(leaders)]:
            thread.join(60)
        with closing(SqlAutomating(open_database(address))) as seen:
            deadline = time.monotonic() + 30
            while seen.counts() and not crowd.wrong:
                assert time.monotonic() < deadline, f"these never end: {seen.counts()}"
                time.sleep(0.02)
            runs = list(reversed(seen.runs(limit=100_000)))
    finally:
        crowd.done.set()
        for thread in crowd.threads:
            thread.join(30)
    assert not crowd.wrong, crowd.wrong
    hold(runs)


def hold(runs: list[RunRow]) -> None:
    """Each event started one run of each automation; no two at once where there may be only one; queues in order."""
    of: dict[int, list[RunRow]] = defaultdict(list)
    for run in runs:
        of[run.automation].append(run)
        assert run.status in ENDED
    for automation, mode in enumerate(MODES, 1):
        mine = of[automation]
        assert len(mine) == len({run.event_id for run in mine}) == EVENTS, mode
        began = [run for run in mine if run.started is not None]
        assert began, mode
        if mode in ("single", "queued"):
            ordered = sorted(began, key=lambda run: run.started or 0.0)
            for one, other in pairwise(ordered):
                assert (one.ended or 0.0) <= (other.started or 0.0) + 0.001, f"{mode}: two at once: {one} {other}"
            if mode == "queued":
                assert [run.id for run in ordered] == sorted(run.id for run in ordered), "in order"
        if mode == "parallel":
            assert together(began) <= MOST
        if mode == "restart":
            assert together([run for run in mine if run.status != "skipped"]) <= 1
            assert "skipped" not in {run.status for run in mine}


def together(runs: list[RunRow]) -> int:
    """How many there were at once, from when they were asked for; who ends at the moment another begins isn't there."""
    moments = [(run.created + 0.0005, 1) for run in runs] + [(run.ended or 0.0, -1) for run in runs]
    most = now = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most
