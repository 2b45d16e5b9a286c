"""Workers that are killed, stopped, locked out of their store, or share it with others."""

from __future__ import annotations

import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.sources import Source
from tests.servers.targets import Targets, targets
from tests.servers.worker_process import WorkerProcess, until, worker_process

if TYPE_CHECKING:
    from tests.conftest import Kit


@pytest.fixture
def there() -> Iterator[Targets]:
    with targets() as found:
        yield found


@pytest.fixture
def store(kit: Kit, tmp_path: Path) -> Source:
    return Source(kit, tmp_path / "store.db")


def watch(store: Source, there: Targets, names: Iterable[str], *, timeout: str = "5s") -> None:
    """Apply a check for each name, which is the path that is asked for too."""
    for name in names:
        store.check(name, f"{there.url}/{name}", timeout=timeout)
    store.apply()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def page(port: int, path: str) -> tuple[int, str]:
    """Status and text of a page of the worker."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process that is writing, and doesn't end."""
    script = (
        "import sqlite3, sys\n"
        f"db = sqlite3.connect({str(path)!r}, isolation_level=None, timeout=20)\n"
        "db.execute('begin immediate')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
        "db.execute('rollback')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"locked\n"
        yield
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def test_two_workers_share_one_file(store: Source, there: Targets) -> None:
    names = [f"c{i}" for i in range(40)]
    watch(store, there, names)
    with worker_process(store.path) as one, worker_process(store.path) as two:
        alone = sum(there.answered.values())
        until(lambda: sum(there.answered.values()) >= alone + 200)
        assert one.stop() == 0
        assert two.stop() == 0
    runs = store.runs()
    assert len(runs) == sum(there.answered.values()), "every run that was made is kept"
    assert len({(r.key, r.slot) for r in runs}) == len(runs), "each slice runs once a tick"
    assert max(there.together.values()) == 1, "and never twice at once"
    by_worker = Counter(r.worker for r in runs[alone:])
    assert len(by_worker) == 2
    assert min(by_worker.values()) >= 10, by_worker


def test_slices_of_a_killed_worker_run_elsewhere(store: Source, there: Targets) -> None:
    there.delay["/slow"] = 3.0
    watch(store, there, ["slow", *(f"c{i}" for i in range(10))])
    with worker_process(store.path, "--lease", "2s") as one:
        until(lambda: there.asked["/slow"] == 1 and there.answered["/c0"] >= 2)
        acknowledged = len(store.runs())
        one.send(signal.SIGKILL)
        killed = time.monotonic()
        assert one.end() == -signal.SIGKILL
    there.delay["/slow"] = 0.0
    with worker_process(store.path, "--lease", "2s") as two:
        until(lambda: there.answered["/slow"] >= 1)
        until(lambda: len(store.runs()) > acknowledged + 20)
        dead = one.said("started")[0]["worker"]
        until(lambda: dead not in {s.running for s in store.states()})
        assert time.monotonic() - killed < 15
        assert two.stop() == 0
    runs = store.runs()
    assert len({(r.key, r.slot) for r in runs}) == len(runs)
    assert [s for s in store.states() if s.running is not None] == [], two.events
    assert there.together["/slow"] <= 2


@pytest.mark.slow
def test_a_store_that_is_away_for_a_while(store: Source, there: Targets) -> None:
    """Whoever was asked meanwhile had a run in flight; all of them are stored in the end."""
    names = [f"c{i}" for i in range(30)]
    for name in names:
        there.delay[f"/{name}"] = 0.3
    watch(store, there, names)
    port = free_port()
    with worker_process(store.path, "--metrics", f"127.0.0.1:{port}", "--lease", "2s") as worker:
        until(lambda: sum(there.answered.values()) >= 60)
        assert page(port, "/readyz") == (200, "ready\n")
        with locked(store.path):
            worker.wait_for("storeAway")
            until(lambda: page(port, "/readyz")[0] == 503, within=40)
            sentence = page(port, "/readyz")[1]
            assert "the store hasn't answered for" in sentence
            assert "locked by another process" in sentence or "seconds\n" in sentence
            assert page(port, "/healthz") == (200, "alive\n")
            before = sum(there.asked.values())
            time.sleep(1.0)
            assert sum(there.asked.values()) == before, "nothing is claimed, so nothing can pile up"
        worker.wait_for("storeBack")
        until(lambda: page(port, "/readyz")[0] == 200)
        until(lambda: sum(there.answered.values()) >= before + 60)
        assert worker.stop() == 0
    runs = store.runs()
    assert len(runs) == sum(there.answered.values()), "nothing that was finished is lost"
    assert len({(r.key, r.slot) for r in runs}) == len(runs)
    assert max(there.together.values()) == 1


def test_a_disk_that_is_full_for_a_while(store: Source, there: Targets) -> None:
    names = [f"c{i}" for i in range(30)]
    watch(store, there, names)
    with worker_process(store.path) as worker:
        until(lambda: sum(there.answered.values()) >= 60)
        pid = worker.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
        worker.wait_for("storeAway")
        time.sleep(1.0)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        worker.wait_for("storeBack")
        before = sum(there.answered.values())
        until(lambda: sum(there.answered.values()) >= before + 60)
        assert worker.stop() == 0
    assert len(store.runs()) == sum(there.answered.values())
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_log_that_cant_be_written_costs_no_run(store: Source, there: Targets, form: str) -> None:
    there.delay["/hangs"] = None
    watch(store, there, ["c0", "hangs"], timeout="60s")
    options = ["--store", str(store.path), "-C", str(store.path.parent), "--format", form, "--grace", "1s"]
    with open("/dev/full", "w") as full:
        worker = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "worker", *options], stdout=full, stderr=subprocess.PIPE, text=True
        )
    try:
        until(lambda: there.asked["/hangs"] == 1 and len(store.runs()) >= 2, what=worker.poll)
        worker.send_signal(signal.SIGTERM)
        _, errors = worker.communicate(timeout=20)
    finally:
        worker.kill()
    assert (worker.returncode, errors) == (0, "")
    assert [s.running for s in store.states()] == [None, None]


def test_sigterm_with_a_hanging_check(store: Source, there: Targets) -> None:
    there.delay["/hangs"] = None
    watch(store, there, ["hangs"], timeout="60s")
    with worker_process(store.path, "--grace", "1s") as worker:
        until(lambda: there.asked["/hangs"] == 1)
        began = time.monotonic()
        assert worker.stop() == 0
        assert 0.9 < time.monotonic() - began < 5
        assert worker.said("stopping")[0]["running"] == 1
        assert worker.said("stopped")[0]["givenBack"] == 1
    assert store.runs() == []
    assert [s.running for s in store.states()] == [None]


def test_sigint_says_so_and_a_second_signal_ends_it_at_once(store: Source, there: Targets) -> None:
    there.delay["/hangs"] = None
    watch(store, there, ["hangs"], timeout="60s")
    with worker_process(store.path, "--grace", "60s") as worker:
        until(lambda: there.asked["/hangs"] == 1)
        worker.send(signal.SIGINT)
        worker.wait_for("stopping")
        began = time.monotonic()
        assert worker.stop(signal.SIGINT) == 130
        assert time.monotonic() - began < 5
    assert [s.running for s in store.states()] == [None]


@pytest.mark.slow
def test_it_ends_although_the_store_is_away(store: Source, there: Targets) -> None:
    names = [f"c{i}" for i in range(20)]
    for name in names:
        there.delay[f"/{name}"] = 0.5
    watch(store, there, names)
    with worker_process(store.path, "--grace", "1s") as worker:
        until(lambda: sum(there.answered.values()) >= 20)
        with locked(store.path):
            worker.wait_for("storeAway")
            worker.send(signal.SIGTERM)
            began = time.monotonic()
            code = worker.end()
            assert time.monotonic() - began < 20
        unsaved = worker.said("stopped")[0]["unsaved"]
        assert code == (1 if unsaved else 0)


def test_what_it_cant_begin_with_is_a_sentence(store: Source, there: Targets, tmp_path: Path) -> None:
    watch(store, there, ["c"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = WorkerProcess(store.path, "--metrics", f"127.0.0.1:{port}")
        assert refused.end() == 1
        assert f"the metrics can't be served on 127.0.0.1:{port}: address already in use" in refused.errors
    nonsense = tmp_path / "nonsense.db"
    nonsense.write_bytes(b"this is no database" * 1000)
    refused = WorkerProcess(nonsense)
    assert refused.end() == 1
    assert "is damaged or no SQLite file" in refused.errors
    for options, why in (
        (("--metrics", "9000"), "isn't HOST:PORT"),
        (("--lane", "5", "--concurrency", "4"), "--lane can't be more than --concurrency"),
        (("--lease", "100ms"), "--lease has to be a second at least"),
    ):
        refused = WorkerProcess(store.path, *options)
        assert refused.end() == 2
        assert why in refused.errors


def test_metrics_count_what_is_stored(store: Source, there: Targets) -> None:
    there.status["/bad"] = 500
    watch(store, there, ["good", "bad"])
    port = free_port()
    with worker_process(store.path, "--metrics", f"127.0.0.1:{port}") as worker:
        until(lambda: 'outcome="healthy",strategy="http"} 3.0' in page(port, "/metrics")[1])
        status, text = page(port, "/metrics")
        assert status == 200
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        counted = float(lines['gitops_runs_total{outcome="healthy",strategy="http"}'])
        assert 3 <= counted <= len(store.runs())
        assert float(lines['gitops_run_duration_seconds_count{strategy="http"}']) >= counted
        assert lines["gitops_generation"] == "1.0"
        assert lines["gitops_store_up"] == "1.0"
        assert lines['gitops_slots{pool="network"}'] == "100.0"
        until(lambda: 'gitops_health{environment="",system="good"} 0.0' in page(port, "/metrics")[1])
        assert page(port, "/else")[0] == 404
        assert worker.stop() == 0


def test_a_failure_is_a_line_of_the_log_too(store: Source) -> None:
    store.path.write_text("no database, but long enough to be looked at as one")
    worker = WorkerProcess(store.path)
    assert worker.end() == 1
    (failed,) = worker.events
    assert "damaged or no SQLite file" in failed["error"]["message"]
