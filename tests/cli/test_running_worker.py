"""What a worker does, seen through the commands of those who look."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.store.open import open_executing
from tests.servers.answers import Answers, answering
from tests.servers.worker_process import worker_process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


@pytest.fixture
def server() -> Iterator[Answers]:
    """Answers 200 in staging, 503 in production."""
    with answering() as answers:
        answers.status["/production"] = 503
        yield answers


@pytest.fixture
def web(repo: Repo, kit: Kit, gitops: Gitops, server: Answers) -> Repo:
    """One check each second in two environments, applied."""
    check = kit.check("home", server.url + "/{{ environment.id }}")
    check["spec"]["interval"] = "1s"
    check["spec"]["collectors"][0]["assertions"] = [{"field": "statusCode", "operator": "equals", "value": 200}]
    assigned = {"check": "home", "thresholds": {"degraded": 1, "unhealthy": 2}}
    environments = ["production", "staging"]
    repo.put("all.yaml", [*map(kit.environment, environments), check, kit.system("shop", environments, [assigned])])
    repo.put(".gitignore", ".gitops/\n")
    repo.commit()
    assert gitops("apply").code == 0
    return repo


def until(ask: Callable[[], Any], *, within: float = 30.0) -> Any:
    """The first answer that isn't empty."""
    deadline = time.monotonic() + within
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_a_worker_is_seen_and_so_is_what_it_finds(web: Repo, gitops: Gitops, server: Answers, tmp_path: Path) -> None:
    def healths() -> dict[str, str]:
        systems = gitops("status", "--format", "json").json["health"]["systems"]
        return {e["environment"]: e["health"] for s in systems for e in s["environments"]}

    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "reconciler", "worker", "-C", str(web.path)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until(lambda: healths() == {"production": "unhealthy", "staging": "healthy"})
            assert "1 worker alive on " in gitops("status").out
            server.status.clear()
            until(lambda: healths() == {"production": "healthy", "staging": "healthy"})
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    assert "No worker is alive" in gitops("status").out
    told = gitops("runs", "shop/home/production", "--format", "json").json
    assert [t["now"] for t in told["transitions"]] == ["healthy", "unhealthy", "degraded"]
    assert all(0 <= r["latenessMs"] < 5000 for r in told["runs"])
    assert len({r["due"] for r in told["runs"]}) == len(told["runs"])
    gitops("run", "home")
    workers = [r["worker"] for r in gitops("runs", "shop/home/production", "--format", "json").json["runs"]]
    assert workers[0] == "tester by hand"
    assert len(set(workers[1:])) == 1


def test_hours_and_days_tell_percentiles(web: Repo, gitops: Gitops) -> None:
    gitops("run", "home", "--environment", "staging")
    store = str(web.path / ".gitops" / "store.db")
    hands = open_executing(store)
    try:
        run = hands.runs_after(0)[1][0]
        hour = hands.now() // 3600 * 3600 - 2 * 3600
        runs = [
            replace(run, slot=hour + i, at=hour + i, duration_ms=float(i), outcome="unhealthy" if i > 98 else "healthy")
            for i in range(1, 101)
        ]
        hands.record(runs)
        until(lambda: hands.condense() == 0)
    finally:
        hands.close()
    header, line, *_ = gitops("runs", "shop/home/staging", "--hours").out.splitlines()
    assert header.split() == ["HOUR", "RUNS", "HEALTHY", "DEGRADED", "UNHEALTHY", "P50", "P95", "P99", "SLOWEST"]
    cells = line.split("  ")
    assert [c.strip() for c in cells if c.strip()][1:5] == ["100", "98.00 %", "0", "2"]
    (found, *_) = gitops("runs", "shop/home/staging", "--hours", "--format", "json").json["aggregates"]
    duration = found["metrics"]["duration"]
    assert (duration["count"], duration["min"], duration["max"], duration["mean"]) == (100, 1, 100, 50.5)
    assert abs(duration["p50"] - 50) < 3
    assert abs(duration["p99"] - 99) < 2
    assert found["metrics"]["0.statusCode"]["p95"] == 200


def test_a_worker_serves_what_it_is_told_and_says_so(web: Repo, gitops: Gitops) -> None:
    """The region without a name beside another; and gone in good order, it leaves nothing behind."""
    with worker_process(web.path / ".gitops" / "store.db", "--region", "local", "--region", "eu-1") as worker:
        assert worker.wait_for("started")["regions"] == ["", "eu-1"]
        worker.wait_for("scripts")
        (told,) = until(
            lambda: [w for w in gitops("workers", "--format", "json").json["workers"] if w["sandbox"] is not None]
        )
        assert (told["state"], told["regions"], told["automations"]) == ("alive", [None, "eu-1"], True)
        gitops("check", "pause", "shop/home/staging", "--reason", "it moves")
        worker.wait_for("changed")
        (system,) = gitops("status", "--format", "json").json["health"]["systems"]
        assert [(e["environment"], e["health"]) for e in system["environments"]][1] == ("staging", "paused")
        assert worker.stop() == 0
    assert gitops("workers").out.startswith("No worker is there")
