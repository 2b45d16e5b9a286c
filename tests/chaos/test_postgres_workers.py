"""Workers on PostgreSQL that are killed, stopped or cut off, and servers that crash under them."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from reconciler.base.errors import StoreError
from reconciler.model.run import Run
from reconciler.store.executing import Claim, Finished
from reconciler.store.open import open_executing
from reconciler.store.sql_executing import SqlExecuting
from tests.servers.relay import relay
from tests.servers.sources import ServedSource
from tests.servers.store_postgres import StorePostgres
from tests.servers.targets import Targets, targets
from tests.servers.worker_process import WorkerProcess, until, worker_process

if TYPE_CHECKING:
    from tests.conftest import Kit

LEASE = ("--lease", "2s")


@pytest.fixture
def there() -> Iterator[Targets]:
    with targets() as found:
        yield found


@pytest.fixture
def server() -> Iterator[StorePostgres]:
    """One that may be crashed, and then still has what it acknowledged."""
    with StorePostgres(safe=True) as found:
        yield found


@pytest.fixture
def store(kit: Kit, server: StorePostgres) -> Iterator[ServedSource]:
    with server.database() as address:
        yield ServedSource(kit, address)


def watch(store: ServedSource, there: Targets, names: Iterable[str], **how: str) -> None:
    for name in names:
        store.check(name, f"{there.url}/{name}", **how)
    store.apply()


def assert_one_at_a_time(runs: Iterable[Run]) -> None:
    """No two runs of a slice at once, and no tick twice."""
    by_slice = defaultdict(list)
    for run in runs:
        by_slice[run.key].append(run)
    for found in by_slice.values():
        found.sort(key=lambda run: run.at)
        assert len({run.slot for run in found}) == len(found)
        for before, after in pairwise(found):
            assert before.at + before.duration_ms / 1000 <= after.at + 0.005


def idle(store: ServedSource, server: StorePostgres) -> None:
    """Nobody has anything, and the engine knows of nothing."""
    assert [s for s in store.states() if s.running is not None] == []
    database = store.address.rpartition("?")[0].rpartition("/")[2]
    assert server.sql("select count(*) from pgqueuer", database=database) == [(0,)]


def test_two_workers_share_a_server_and_hear_of_a_generation(
    store: ServedSource, there: Targets, server: StorePostgres
) -> None:
    names = [f"c{i}" for i in range(30)]
    watch(store, there, names)
    with worker_process(store.address) as one, worker_process(store.address) as two:
        alone = sum(there.answered.values())
        until(lambda: sum(there.answered.values()) >= alone + 150)
        began = time.monotonic()
        watch(store, there, ["new"], interval="60s")
        until(lambda: one.said("taken") or two.said("taken"))
        assert time.monotonic() - began < 4, "sooner than anybody asks"
        assert (one.stop(), two.stop()) == (0, 0)
    runs = store.runs()
    assert_one_at_a_time(runs)
    assert len(runs) == sum(there.answered.values()), "every run that was made is kept"
    assert max(there.together.values()) == 1
    by_worker = Counter(r.worker for r in runs[alone:])
    assert len(by_worker) == 2
    assert min(by_worker.values()) >= 10, by_worker
    idle(store, server)


def kill(workers: Iterable[WorkerProcess]) -> None:
    for worker in workers:
        worker.send(signal.SIGKILL)


@pytest.mark.slow
def test_thirty_kills_in_thirty_seconds(store: ServedSource, there: Targets, server: StorePostgres) -> None:
    names = [f"c{i}" for i in range(24)]
    for name in names:
        there.delay[f"/{name}"] = 0.1
    watch(store, there, names)
    chance = random.Random(4)
    ended: list[WorkerProcess] = []
    with ExitStack() as still:
        living = [WorkerProcess(store.address, *LEASE) for _ in range(3)]
        still.callback(kill, living)
        for worker in living:
            worker.wait_for("started")
        until(lambda: sum(there.answered.values()) >= 48)
        began = time.monotonic()
        for second in range(30):
            victim = living.pop(chance.randrange(3))
            victim.send(signal.SIGKILL)
            ended.append(victim)
            living.append(WorkerProcess(store.address, *LEASE))
            time.sleep(max(0.0, began + second + chance.random() - time.monotonic()))
        kept = len(store.runs())
        acknowledged = {(r.key, r.slot, r.worker) for r in store.runs()}
        with closing(open_executing(store.address)) as hands:
            aside = hands.paused()
            assert {p.kind for p in aside} <= {"set aside"}
            hands.resume([(p.key, p.region) for p in aside])
        end = time.time()
        until(lambda: {r.key for r in store.runs() if r.slot > end} == {s.key for s in store.states()})
        assert [w.stop() for w in living] == [0, 0, 0]
        for worker in ended:
            assert worker.end() == -signal.SIGKILL
    runs = [r for r in store.runs() if r.outcome == "healthy"]
    assert_one_at_a_time(runs)
    assert acknowledged <= {(r.key, r.slot, r.worker) for r in store.runs()}
    assert len(runs) > kept
    assert max(there.together.values()) == 1, "nobody was asked by two at once"
    idle(store, server)


@pytest.mark.slow
def test_a_stalled_worker_is_relieved_and_its_late_results_change_nothing(
    store: ServedSource, there: Targets, server: StorePostgres
) -> None:
    watch(store, there, ["quick"])
    there.delay["/slow"] = 1.0
    with worker_process(store.address, *LEASE) as one:
        watch(store, there, ["slow"], interval="1h")
        until(lambda: there.asked["/slow"] == 1)
        stalled = one.said("started")[0]["worker"]
        one.send(signal.SIGSTOP)
        try:
            there.delay["/slow"] = 0.0
            with worker_process(store.address, *LEASE) as two:
                relief = two.said("started")[0]["worker"]
                until(lambda: there.asked["/slow"] == 2)
                slow = next(s.key for s in store.states() if s.interval_ms == 3_600_000)
                until(lambda: [r.worker for r in store.runs() if r.key == slow] == [relief])
                one.send(signal.SIGCONT)
                until(lambda: any(r.worker == stalled for r in store.runs()[-3:]), what=lambda: one.events[-3:])
                assert [r.worker for r in store.runs() if r.key == slow] == [relief]
                assert (one.stop(), two.stop()) == (0, 0)
        finally:
            one.process.send_signal(signal.SIGCONT)
    assert_one_at_a_time(r for r in store.runs() if r.key != slow)
    idle(store, server)


class Witness:
    """Works by itself, and remembers each result that was acknowledged."""

    def __init__(self, address: str) -> None:
        self.acknowledged: list[Run] = []
        self.errors = 0
        self._address, self._over = address, threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.is_set():
            try:
                with closing(open_executing(self._address)) as hands:
                    while not self._over.wait(0.01):
                        self._turn(hands)
            except StoreError:
                self.errors += 1
                time.sleep(0.05)

    def _turn(self, hands: SqlExecuting) -> None:
        claims = hands.claim("witness", 50, lease=2.0, regions=("witness",))
        done = [Finished(claim, self._run(claim, hands.now()), "") for claim in claims]
        hands.finish(done)
        self.acknowledged += [finished.run for finished in done]

    def _run(self, claim: Claim, at: float) -> Run:
        return Run(claim.key, "witness", claim.slot, at, 0.0, "healthy", None, 1, claim.digest, "witness", {})


def busy(there: Targets, witness: Witness, asked: int, kept: int) -> bool:
    return sum(there.answered.values()) >= asked and len(witness.acknowledged) >= kept


@pytest.mark.slow
def test_a_server_that_crashes_loses_nothing_that_it_acknowledged(
    store: ServedSource, there: Targets, server: StorePostgres
) -> None:
    names = [f"c{i}" for i in range(20)]
    for name in names:
        there.delay[f"/{name}"] = 0.2
    watch(store, there, names)
    for n in range(20):
        store.check(f"w{n}", "http://127.0.0.1:9/")
        store.documents[f"w{n}.yaml"][1]["spec"]["checks"][0]["regions"] = ["witness"]
    store.apply()
    with worker_process(store.address, *LEASE) as one, worker_process(store.address, *LEASE) as two:
        with Witness(store.address) as witness:
            for crash in range(1, 4):
                asked, kept = sum(there.answered.values()) + 30, len(witness.acknowledged) + 20
                until(partial(busy, there, witness, asked, kept))
                server.crash()
                one.wait_for("storeBack", times=crash)
                two.wait_for("storeBack", times=crash)
        assert (one.stop(), two.stop()) == (0, 0)
    assert witness.errors
    runs = store.runs()
    assert {(r.key, r.slot) for r in witness.acknowledged} <= {(r.key, r.slot) for r in runs if r.region == "witness"}
    of_workers = [r for r in runs if r.region == ""]
    assert_one_at_a_time(of_workers)
    assert len(of_workers) == sum(there.answered.values()), "what was finished meanwhile was stored afterwards"
    assert max(there.together.values()) == 1
    idle(store, server)


@pytest.mark.slow
def test_a_worker_that_is_cut_off_is_relieved_and_comes_back(
    store: ServedSource, there: Targets, server: StorePostgres
) -> None:
    """Its host reaches the targets, but the server no more; nobody tells it, and its connection looks alive."""
    names = [f"c{i}" for i in range(12)]
    for name in names:
        there.delay[f"/{name}"] = 0.3
    watch(store, there, names)
    database = store.address.rpartition("?")[0].rpartition("/")[2]
    with relay(f"{server.folder}/.s.PGSQL.{server.port}") as way:
        far = f"postgresql://postgres@127.0.0.1:{way.port}/{database}?sslmode=disable&gssencmode=disable"
        with worker_process(far, *LEASE) as one, worker_process(store.address, *LEASE) as two:
            cut, stays = (w.said("started")[0]["worker"] for w in (one, two))
            until(lambda: {r.worker for r in store.runs()} == {cut, stays})
            way.cut()
            began = time.time()
            every = {s.key for s in store.states()}
            until(lambda: {r.key for r in store.runs() if r.worker == stays and r.slot > began + 1} == every)
            assert cut not in {s.running for s in store.states()}
            before = len([r for r in store.runs() if r.worker == cut])
            way.mend()
            until(lambda: len([r for r in store.runs() if r.worker == cut]) > before + 5)
            assert (one.stop(), two.stop()) == (0, 0)
    runs = store.runs()
    assert len({(r.key, r.slot) for r in runs}) == len(runs), "each tick counts once, whoever ran it"
    idle(store, server)
