"""``gitops runs``: the past of one slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.answers import Answers
from tests.servers.checks import http_check

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


def test_runs_of_a_slice(web: Repo, gitops: Gitops, server: Answers) -> None:
    for _ in range(2):
        gitops("run", "ready")
    server.status["/p/ready"] = 200
    gitops("run", "ready")
    lines = gitops("runs", "shop/ready/production").out.splitlines()
    assert lines[0].startswith("shop/ready/production: ✓ healthy for ")
    assert lines[0].endswith(", every 30s")
    assert lines[2].split() == ["AT", "OUTCOME", "TOOK", "LATE", "WHY"]
    outcomes = [" ".join(line.split()[3:5]) for line in lines[3:]]
    assert outcomes == ["→ healthy", "✓ healthy", "→ unhealthy", "✗ unhealthy", "→ degraded", "✗ unhealthy"]
    assert len(gitops("runs", "shop/ready/production", "--limit", "1").out.splitlines()) == 5
    assert len(gitops("runs", "shop/ready/staging").out.splitlines()) == 6
    data = gitops("runs", "shop/ready/production", "--format", "json").json
    assert [r["outcome"] for r in data["runs"]] == ["healthy", "unhealthy", "unhealthy"]
    assert "collectors" not in data["runs"][0]
    assert [t["now"] for t in data["transitions"]] == ["healthy", "unhealthy", "degraded"]
    assert data["states"][0]["health"] == "healthy"


def test_the_last_run_in_full(web: Repo, gitops: Gitops) -> None:
    gitops("run", "ready")
    told = gitops("runs", "shop/ready/production", "--last").out
    assert "by tester by hand." in told
    assert "    ✗ statusCode equals 200: found 503\n" in told
    data = gitops("runs", "shop/ready/production", "--last", "--format", "json").json
    assert data["runs"][0]["collectors"][0]["result"]["statusCode"] == 503


def test_a_run_leads_to_where_its_check_stands(web: Repo, gitops: Gitops, kit: Kit) -> None:
    """A document that only moved makes no generation, but its line is another; a later generation has its own."""
    first = web.git("rev-parse", "HEAD")
    gitops("run", "home")
    assert _origins(gitops) == [(3, first)]
    web.put("checks.yaml", [http_check(kit, "home", "/"), http_check(kit, "ready", "/ready")])
    second = web.commit()
    gitops("apply")
    assert _origins(gitops) == [(1, second)]
    web.put("checks.yaml", [http_check(kit, "ready", "/ready"), http_check(kit, "home", "/?")])
    third = web.commit()
    gitops("apply")
    gitops("run", "home")
    assert _origins(gitops)[0] == (3, third)


def _origins(gitops: Gitops) -> list[tuple[int, str]]:
    runs = gitops("runs", "shop/home/staging", "--format", "json").json["runs"]
    return [(r["origin"]["line"], r["origin"]["commit"]) for r in runs]


def test_runs_since(web: Repo, gitops: Gitops) -> None:
    gitops("run", "ready")
    assert len(gitops("runs", "shop/ready/staging", "--since", "1h", "--format", "json").json["runs"]) == 1
    told = gitops("runs", "shop/ready/staging", "--since", "0s")
    assert told.code == 0
    assert told.out.endswith("No run of it is kept from that time.\n")


@pytest.mark.parametrize("span", ["--hours", "--days"])
def test_hours_and_days_are_summed_up_once_they_are_over(web: Repo, gitops: Gitops, span: str) -> None:
    gitops("run", "ready")
    told = gitops("runs", "shop/ready/staging", span)
    assert told.code == 0
    assert "is over and summed up yet" in told.out
    assert gitops("runs", "shop/ready/staging", span, "--format", "json").json["aggregates"] == []
    assert gitops("runs", "shop/ready/staging", span, "--last").code == 2


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("shop", 2, "names no slice"),
        ("shop/ready/staging/more", 2, "names no slice"),
        ("shop//staging", 2, "names no slice"),
        ("shop/ready", 2, "runs in 2 environments"),
        ("shop/redy/staging", 1, "did you mean ready?"),
    ],
)
def test_runs_of_what_isnt_there(web: Repo, gitops: Gitops, name: str, code: int, words: str) -> None:
    told = gitops("runs", name)
    assert (told.code, told.out) == (code, "")
    assert words in told.err
