"""The health in ``gitops status``."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


def test_status_of_what_never_ran(web: Repo, gitops: Gitops) -> None:
    told = gitops("status").out
    assert "shop    production   ? no runs yet  -      2\n" in told
    assert "4 slices: 4 without a run\n" in told
    assert "No worker is alive" in told
    health = gitops("status", "--format", "json").json["health"]
    assert health["counts"]["unknown"] == 4
    assert health["systems"][0]["environments"][0]["checks"][0]["health"] == "unknown"


def test_status_of_one_system(web: Repo, gitops: Gitops) -> None:
    gitops("run", "--all")
    header, worst, *others = gitops("status", "--system", "shop").out.splitlines()
    assert header.split() == ["CHECK", "ENVIRONMENT", "HEALTH", "SINCE", "LAST", "RUN", "WHY"]
    assert worst.split()[:4] == ["ready", "production", "!", "degraded"]
    assert worst.endswith("statusCode equals 200 (found 503)")
    assert len([line for line in others if "✓ healthy" in line]) == 3
    assert "did you mean shop?" in gitops("status", "--system", "shob").err
    told = gitops("status", "--system", "shop", "--failing").out
    assert "staging" not in told


def test_status_of_what_fails(web: Repo, gitops: Gitops) -> None:
    gitops("run", "--all")
    told = gitops("status", "--failing").out
    assert "production   ! degraded" in told
    assert "staging" not in told
    data = gitops("status", "--failing", "--format", "json").json
    assert [e["environment"] for s in data["health"]["systems"] for e in s["environments"]] == ["production"]


def test_status_of_what_nobody_looks_at(web: Repo, gitops: Gitops) -> None:
    """Time passes: what was healthy isn't shown as green for ever."""
    gitops("run", "--all")
    with sqlite3.connect(web.path / ".gitops" / "store.db") as db:
        db.execute("update schedule set last_at = last_at - 91, since = since - 91")
    db.close()
    told = gitops("status").out
    assert "staging      ? stale" in told
    assert "2 of 2 stale" in told
    assert "not run since 20" in told
    assert "1 of 2 failing, 2 of 2 stale" in told


def test_status_follows_an_apply_that_no_worker_has_read(web: Repo, gitops: Gitops, kit: Kit) -> None:
    gitops("run", "--all")
    web.put("systems.yaml", [kit.system("shop", ["staging"], ["home"]), kit.system("blog", ["staging"], ["home"])])
    web.commit()
    gitops("apply")
    health = gitops("status", "--format", "json").json["health"]
    found = {
        (s["system"], c["check"]): c["health"]
        for s in health["systems"]
        for e in s["environments"]
        for c in e["checks"]
    }
    assert found == {("shop", "home"): "healthy", ("blog", "home"): "unknown"}
