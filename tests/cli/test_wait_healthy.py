"""``gitops apply --wait-healthy``: workers run what was changed, and the apply tells whether it got worse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.worker_process import WorkerProcess, until, worker_process

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo
    from tests.servers.answers import Answers

ENVIRONMENTS = ("production", "staging")


class Shop:
    """A check each second in two environments. ``path`` is what it asks for."""

    def __init__(self, repo: Repo, kit: Kit, gitops: Gitops, server: Answers) -> None:
        self.repo, self._kit, self.gitops, self.server = repo, kit, gitops, server
        repo.put(".gitignore", ".gitops/\n")
        repo.put("gitops.yaml", "source: shop\n")

    def put(self, path: str, **thresholds: int) -> str:
        """Commit it."""
        kit = self._kit
        check = kit.check("home", f"{self.server.url}{path}/{{{{ environment.id }}}}")
        check["spec"]["interval"] = "1s"
        check["spec"]["collectors"][0]["assertions"] = [{"field": "statusCode", "operator": "equals", "value": 200}]
        assigned = {"check": "home", "thresholds": thresholds or {"degraded": 1, "unhealthy": 2}}
        documents = [*map(kit.environment, ENVIRONMENTS), check, kit.system("shop", ENVIRONMENTS, [assigned])]
        self.repo.put("all.yaml", documents)
        return self.repo.commit()

    def apply(self, *arguments: str) -> Any:
        return self.gitops("apply", "--wait-healthy", "30s", *arguments)

    def ran(self, environment: str) -> bool:
        return bool(self.gitops("runs", f"shop/home/{environment}", "--format", "json").json["runs"])

    @property
    def generation(self) -> int:
        return int(self.gitops("history", "--format", "json").json["generations"][0]["generation"])


@pytest.fixture
def shop(repo: Repo, kit: Kit, gitops: Gitops, server: Answers) -> Shop:
    return Shop(repo, kit, gitops, server)


@pytest.fixture
def works(shop: Shop, server: Answers) -> Iterator[WorkerProcess]:
    """A worker, over the first generation."""
    shop.put("/a")
    assert shop.gitops("apply").code == 0
    with worker_process(shop.repo.path / ".gitops" / "store.db") as worker:
        until(lambda: {"/a/production", "/a/staging"} <= set(server.asked))
        until(lambda: all(shop.ran(environment) for environment in ENVIRONMENTS))
        yield worker
        assert worker.stop() == 0


def test_all_is_well(shop: Shop, works: WorkerProcess) -> None:
    shop.put("/b")
    ran = shop.apply()
    assert ran.code == 0, ran.err
    assert "Waiting up to 30 s" in ran.err
    assert "2 changed slices ran, and none is worse than before." in ran.err
    assert {"/b/production", "/b/staging"} <= set(shop.server.asked)
    again = shop.apply()
    assert (again.code, again.err) == (0, ""), "nothing was changed, so there is nothing to wait for"


def test_worse_health_is_told(shop: Shop, works: WorkerProcess) -> None:
    shop.server.status["/b/production"] = 503
    shop.put("/b")
    ran = shop.apply("--format", "json")
    assert ran.code == 6
    settled = ran.json["settled"]
    (failing,) = settled["failing"]
    assert failing["slice"] == "shop/home/production"
    assert (failing["was"], failing["outcome"]) == ("healthy", "unhealthy")
    assert failing["now"] in ("degraded", "unhealthy")
    assert settled["missing"] == []
    assert settled["rolledBack"] is None
    assert ran.json["applied"]["committed"] is True
    assert shop.generation == 2, "it stays applied"


def test_one_failed_run_is_no_verdict(shop: Shop, works: WorkerProcess) -> None:
    """Where thresholds want three, a run that fails once is followed by one that doesn't."""
    shop.put("/a", degraded=3, unhealthy=5)
    assert shop.apply().code == 0
    shop.server.status["/b/production"] = 503
    shop.put("/b", degraded=30, unhealthy=50)
    with subprocess.Popen(
        [sys.executable, "-m", "reconciler", "apply", "-C", str(shop.repo.path), "--wait-healthy", "60s"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        shop.server.wait("/b/production", within=30)
        shop.server.status.clear()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


def test_failing_before_is_no_worse(shop: Shop, works: WorkerProcess) -> None:
    shop.server.status |= {"/a/production": 503, "/b/production": 503}

    def health() -> Any:
        systems = shop.gitops("status", "--format", "json").json["health"]["systems"]
        return {e["environment"]: e["health"] for s in systems for e in s["environments"]}["production"]

    until(lambda: health() == "unhealthy")
    shop.put("/b")
    ran = shop.apply()
    assert ran.code == 0, ran.err


def test_rolled_back(shop: Shop, works: WorkerProcess) -> None:
    shop.server.status["/b/production"] = 503
    commit = shop.put("/b")
    ran = shop.apply("--rollback-on-failure")
    assert ran.code == 6
    assert "✗ shop/home/production: unhealthy, was healthy" in ran.err
    assert "Rolled back source shop to generation 1, as generation 3." in ran.err
    assert f"Commit {commit[:7]} and older ones are refused" in ran.err
    rows = shop.gitops("history", "--format", "json").json["generations"]
    assert [row["kind"] for row in rows] == ["rollback", "apply", "apply"]
    held = shop.apply()
    assert held.code == 1
    assert "was rolled back from commit" in held.err


def test_a_new_slice_that_fails_and_a_first_apply_that_cant_be_undone(shop: Shop, works: WorkerProcess) -> None:
    kit = shop._kit
    check = kit.check("bad", f"{shop.server.url}/bad")
    check["spec"]["interval"] = "1s"
    check["spec"]["collectors"][0]["assertions"] = [{"field": "statusCode", "operator": "equals", "value": 200}]
    shop.server.status["/bad"] = 500
    assigned = {"check": "bad", "thresholds": {"degraded": 1, "unhealthy": 2}}
    shop.repo.put("more.yaml", [check, kit.system("more", ["staging"], [assigned])])
    shop.repo.commit()
    ran = shop.apply("--source", "other", "--include", "more.yaml", "--rollback-on-failure")
    assert ran.code == 6, ran.err
    assert "✗ more/bad/staging: unhealthy, had no run before" in ran.err
    assert "Not rolled back: source other wasn't applied yet in generation 1" in ran.err
    assert shop.generation == 2


def test_nobody_works(shop: Shop) -> None:
    shop.put("/a")
    ran = shop.apply("--rollback-on-failure")
    assert ran.code == 6
    assert "No worker is alive to run 2 changed slices" in ran.err
    assert "Not rolled back: nothing is known to be worse." in ran.err
    assert shop.generation == 1
    data = shop.gitops("apply", "--wait-healthy", "1s", "--format", "json").json
    assert "settled" not in data, "nothing was applied"


def test_what_doesnt_run_in_time_is_told(shop: Shop, works: WorkerProcess) -> None:
    works.send(signal.SIGSTOP)
    try:
        shop.put("/b")
        ran = shop.gitops("apply", "--wait-healthy", "1s")
    finally:
        works.send(signal.SIGCONT)
    assert ran.code == 6
    assert "2 of 2 changed slices without a run within 1 s:" in ran.err
    assert "  ? shop/home/staging" in ran.err


def test_an_interrupt_leaves_it_applied(shop: Shop, works: WorkerProcess) -> None:
    works.send(signal.SIGSTOP)
    try:
        shop.put("/b")
        command = [sys.executable, "-m", "reconciler", "apply", "-C", str(shop.repo.path), "--wait-healthy", "60s"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert "Waiting up to 60 s" in process.stderr.readline()
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGINT)
            errors = process.stderr.read()
        assert process.returncode == 130, errors
        assert "Generation 2 stays applied." in errors
    finally:
        works.send(signal.SIGCONT)
    assert shop.generation == 2


def test_usage(shop: Shop) -> None:
    shop.put("/a")
    ran = shop.gitops("apply", "--rollback-on-failure")
    assert ran.code == 2
    assert "--rollback-on-failure needs --wait-healthy" in ran.err
