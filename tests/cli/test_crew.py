"""Who works and who doesn't, what is paused, and which regions fail: as people see it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.flows.readers import KNOWS
from reconciler.store.executing import TRIES
from reconciler.store.open import open_executing
from reconciler.store.sql_executing import SqlExecuting
from reconciler.versioning.stored import heads

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


@contextmanager
def hands(repo: Repo, *, ago: float = 0.0) -> Iterator[SqlExecuting]:
    """On the store, some seconds ago by its clock."""
    opened = open_executing(str(repo.path / ".gitops" / "store.db"))
    opened.db.tell_time(lambda: time.time() - ago)
    try:
        opened.reconcile()
        yield opened
    finally:
        opened.close()


def join(repo: Repo, name: str, *regions: str, ago: float = 0.0, **info: Any) -> None:
    """A worker that was last heard of so long ago."""
    told = {"regions": list(regions), KNOWS: heads(), "version": "2.0.0", **info}
    with hands(repo, ago=ago) as opened:
        opened.register(name, host="one", pid=7, info=told)


@pytest.fixture
def regional(web: Repo, kit: Kit, gitops: Gitops) -> Repo:
    """The shop's home page in staging is looked at from three regions."""
    assigned = {"check": "home", "regions": ["local", "eu-1", "us-1"]}
    web.put("systems.yaml", [kit.system("shop", ["staging"], [assigned])])
    web.commit()
    assert gitops("apply").code == 0
    return web


def test_workers_are_listed_with_what_they_can(regional: Repo, gitops: Gitops) -> None:
    told = gitops("workers").out
    assert told.startswith("No worker is there")
    join(regional, "w1", "eu-1", "us-1", sandbox=["namespaces", "seccomp"], lacking=["ssh"], automations=True)
    join(regional, "w2", "", ago=100)
    join(regional, "w3", "")
    with hands(regional) as opened:
        opened.beat("w3", stopping=True)
    told = gitops("workers").out
    header, *rows = (line.split("  ") for line in told.splitlines())
    assert header[0] == "WORKER"
    cells = {row[0]: [cell.strip() for cell in row if cell] for row in rows}
    assert cells["w1"][1:4] == ["one", "eu-1, us-1", "alive"]
    assert cells["w1"][6:] == ["2.0.0", "namespaces, seccomp", "yes", "ssh"]
    assert cells["w2"][2:5] == ["local", "lost", "1 min ago"]
    assert cells["w2"][7:] == ["not known yet", "no", "-"]
    assert cells["w3"][3] == "stopping"
    data = gitops("workers", "--format", "json").json
    assert {w["id"]: w["state"] for w in data["workers"]} == {"w1": "alive", "w2": "lost", "w3": "stopping"}
    assert data["workers"][1]["regions"] == ["eu-1", "us-1"]
    assert data["unserved"] == []


def test_a_region_that_nobody_serves_is_told_on_reading(regional: Repo, gitops: Gitops) -> None:
    """No worker is left that could note it."""
    gitops("run", "home")
    join(regional, "w1", "eu-1", "us-1", ago=100)
    join(regional, "w2", "")
    told = gitops("status").out
    row = next(line for line in told.splitlines() if line.startswith("shop    staging"))
    assert "! degraded" in row
    assert "2 of 3 failing" in row
    assert "home: 2 of 3 regions failing: eu-1, us-1: unobservable: no worker has served region eu-1 since 20" in row
    assert "3 slices: 2 degraded, 1 healthy" in told
    told = gitops("status", "--system", "shop").out
    assert told.splitlines()[0].split()[:4] == ["CHECK", "ENVIRONMENT", "REGION", "HEALTH"]
    assert "home/staging: 2 of 3 regions failing: eu-1, us-1\n" in told
    (cell,) = gitops("status", "--format", "json").json["health"]["systems"][0]["environments"]
    assert cell["regional"] == [
        {
            "check": "home",
            "health": "degraded",
            "regionCount": 3,
            "failingRegionCount": 2,
            "regions": ["local", "eu-1", "us-1"],
            "failingRegions": ["eu-1", "us-1"],
        }
    ]
    assert [c["region"] for c in cell["checks"] if c["unobservable"]] == ["eu-1", "us-1"]
    assert "no worker has served region us-1 since" in gitops("workers").out
    assert "eu-1" in gitops("runs", "shop/home").out


def test_of_a_store_whose_workers_are_all_gone_nothing_is_green(web: Repo, gitops: Gitops) -> None:
    gitops("run", "--all")
    join(web, "w1", "", ago=40)
    with hands(web) as opened:
        opened.db.run("update schedule set last_at = last_at - 40")
    told = gitops("status").out
    assert "healthy" not in told.partition("DRIFT")[2].replace("unhealthy", "")
    assert "unobservable: no worker has served slices without a region since 20" in told
    gitops("run", "--all")
    with hands(web) as opened:
        opened.leave("w1")
    assert "3 healthy" in gitops("status").out, "somebody looks by hand, and the last worker left just now"


def test_pausing_and_resuming(web: Repo, gitops: Gitops) -> None:
    assert gitops("check", "list").out == "Nothing is paused or set aside.\n"
    gitops("run", "--all")
    told = gitops("check", "pause", "shop/home", "--reason", "the page moves", "--for", "2h")
    assert told.out.startswith("Paused 2 slices until 20")
    assert told.out.splitlines()[1:] == ["  shop/home/production", "  shop/home/staging"]
    header, *rows = gitops("check", "list").out.splitlines()
    assert header.split() == ["SLICE", "REGION", "STATE", "BY", "SINCE", "UNTIL", "WHY"]
    assert rows[0].split()[:4] == ["shop/home/production", "-", "paused", "tester"]
    assert rows[0].endswith("the page moves")
    status = gitops("status").out
    assert "1 degraded, 2 paused, 1 healthy" in status
    assert "shop    staging      ‖ paused" in status
    assert "home: paused by tester until 20" in status
    assert gitops("check", "list", "--format", "json").json["slices"][0]["by"] == "tester"
    resumed = gitops("check", "resume", "shop", "--format", "json").json["resumed"]
    assert [s["check"] for s in resumed] == ["home", "home"]
    assert gitops("check", "resume", "shop").out == "None of these is paused or set aside.\n"
    assert "paused" not in gitops("status").out


def test_pausing_in_one_region(regional: Repo, gitops: Gitops) -> None:
    gitops("check", "pause", "shop/home/staging", "--region", "eu-1", "--reason", "x")
    gitops("check", "pause", "shop/home/staging", "--region", "local", "--reason", "x")
    data = gitops("check", "list", "--format", "json").json
    assert [s["region"] for s in data["slices"]] == ["eu-1", None]
    refused = gitops("check", "pause", "shop", "--region", "mars", "--reason", "x")
    assert (refused.code, "none of these runs in region mars" in refused.err) == (1, True)
    assert gitops("check", "pause", "shop/home/staging/x", "--reason", "x").code == 2
    assert "did you mean shop" in gitops("check", "pause", "shob", "--reason", "x").err


def test_what_was_set_aside_is_never_green(web: Repo, gitops: Gitops) -> None:
    """Three workers died over it."""
    gitops("run", "--all")
    with hands(web) as opened:
        opened.run_now([(s.key, s.region) for s in opened.states() if s.health == "healthy"][:1])
        for n in range(TRIES + 1):
            opened.claim(f"w{n}", 1, lease=0.001)
            time.sleep(0.02)
        assert len(opened.paused()) == 1
    told = gitops("check", "list").out
    assert "set aside" in told
    assert "4 slices: 2 degraded, 2 healthy" in gitops("status").out
    assert "set aside: " in gitops("status", "--system", "shop").out
    assert gitops("check", "resume", "shop").out.startswith("Resumed 1 slice:")
