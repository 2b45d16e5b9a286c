"""``gitops run``: real servers, the real sandbox, real files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.servers.answers import Answers
from tests.servers.checks import http_check, script_check

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo

SANDBOX = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap isn't installed")


def test_run_shows_each_assertion_and_counts(web: Repo, gitops: Gitops, server: Answers) -> None:
    ran = gitops("run", "ready")
    assert ran.code == 1
    assert ran.err == ""
    failed, healthy, totals = ran.out.split("\n\n")
    commit = web.git("rev-parse", "--short=7", "HEAD")
    assert failed.startswith("✗ shop/ready/production: unhealthy in ")
    assert "    ✗ statusCode equals 200: found 503\n" in failed
    assert failed.endswith(f"  checks.yaml:1 at {commit}, generation 1")
    assert healthy.startswith("✓ shop/ready/staging: healthy in ")
    assert "    ✓ statusCode equals 200\n" in healthy
    assert totals == "2 runs: 1 unhealthy, 1 healthy\n"
    assert sorted(server.asked) == ["/p/ready", "/s/ready"]

    told = gitops("status").out
    assert "shop    production   ! degraded     0 s    1 of 2 failing, 1 of 2 without a run" in told.replace(
        "1 s", "0 s"
    )
    assert "ready: statusCode equals 200 (found 503)" in told
    assert gitops("run", "ready").code == 1
    assert "✗ unhealthy" in gitops("status").out
    server.status["/p/ready"] = 200
    assert gitops("run", "ready").code == 0
    assert "unhealthy" not in gitops("status").out


def test_run_as_data(web: Repo, gitops: Gitops) -> None:
    ran = gitops("run", "--all", "--format", "json")
    assert ran.code == 1
    assert ran.json["counts"] == {"healthy": 3, "degraded": 0, "unhealthy": 1}
    runs = {r["slice"]: r for r in ran.json["runs"]}
    assert list(runs) == ["shop/home/production", "shop/home/staging", "shop/ready/production", "shop/ready/staging"]
    bad = runs["shop/ready/production"]
    assert bad["reason"] == "statusCode equals 200 (found 503)"
    assert bad["origin"] == {"source": "shop", "path": "checks.yaml", "line": 1, "commit": web.git("rev-parse", "HEAD")}
    assert bad["generation"] == 1
    assert bad["kept"] is True
    (collector,) = bad["collectors"]
    assert collector["result"]["statusCode"] == 503
    assert collector["phases"]["total"] > 0
    assert collector["assertions"] == [
        {"field": "statusCode", "operator": "equals", "expected": 200, "actual": "503", "passed": False}
    ]
    assert "body" not in collector["result"], "what is ephemeral isn't told"


def test_run_of_one_environment_or_system(web: Repo, gitops: Gitops, server: Answers) -> None:
    assert gitops("run", "ready", "--environment", "staging").code == 0
    assert gitops("run", "--environment", "staging", "--quiet").out == ""
    assert gitops("run", "--system", "shop").code == 1
    assert server.asked.count("/s/ready") == 3


def test_run_that_isnt_kept(web: Repo, gitops: Gitops) -> None:
    assert not any(r["kept"] for r in gitops("run", "ready", "--no-record", "--format", "json").json["runs"])
    assert "4 slices: 4 without a run" in gitops("status").out
    assert "It never ran." in gitops("runs", "shop/ready/production").out


def test_runs_are_kept_as_those_of_a_region(web: Repo, gitops: Gitops, kit: Kit) -> None:
    """Health is that of each region; a run elsewhere says nothing of it."""
    assigned = {"check": "ready", "regions": ["eu-1", "local"], "environments": ["staging"]}
    elsewhere = {"check": "home", "regions": ["eu-1"], "environments": ["staging"]}
    web.put("systems.yaml", [kit.system("shop", ["staging"], [assigned, elsewhere])])
    web.commit()
    gitops("apply")
    ran = gitops("run", "--all")
    assert ran.code == 0
    assert ran.err == "Not kept: 1 run, of slices that don't run in this region (--region).\n"
    ran = gitops("run", "ready", "--region", "eu-1", "--format", "json")
    assert [(r["region"], r["kept"]) for r in ran.json["runs"]] == [("eu-1", True)]
    told = gitops("runs", "shop/ready/staging").out
    assert "shop/ready/staging (eu-1): ✓ healthy" in told
    assert "REGION" in told
    checks = gitops("status", "--format", "json").json["health"]["systems"][0]["environments"][0]["checks"]
    assert {(c["check"], c["region"], c["health"]) for c in checks} == {
        ("home", "eu-1", "unknown"),
        ("ready", "eu-1", "healthy"),
        ("ready", None, "healthy"),
    }


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("raedy",), 1, ("there is no check that runs 'raedy'", "did you mean ready?")),
        (("ready", "--system", "shob"), 1, ("there is no system with a check 'shob'", "did you mean shop?")),
        (("ready", "--environment", "stagin"), 1, ("no environment with a check", "did you mean staging?")),
        ((), 2, ("say which",)),
        (("ready", "--all"), 2, ("--all runs every check",)),
        (("ready", "--concurrency", "0"), 2, ("concurrency",)),
    ],
)
def test_run_of_what_isnt_there(
    web: Repo, gitops: Gitops, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    ran = gitops("run", *arguments)
    assert ran.code == code
    assert ran.out == ""
    assert all(word in ran.err for word in words), ran.err


def test_names_that_never_go_together(web: Repo, gitops: Gitops, kit: Kit) -> None:
    web.put("more.yaml", [kit.system("blog", ["staging"], ["home"])])
    web.commit()
    gitops("apply")
    assert "but not together: check ready, system blog" in gitops("run", "ready", "--system", "blog").err


def test_run_without_a_store(shop: Repo, gitops: Gitops) -> None:
    ran = gitops("run", "--all")
    assert ran.code == 1
    assert "no system runs a check" in ran.err
    assert "gitops apply" in ran.err
    assert not (shop.path / ".gitops").exists(), "looking makes no store"


def test_secrets_come_just_in_time_and_stay_hidden(web: Repo, gitops: Gitops, kit: Kit, server: Answers) -> None:
    headers = [{"name": "X-Key", "valueFrom": {"secret": "PROBE_KEY"}}]
    web.put("checks.yaml", [http_check(kit, "ready", "/ready", headers=headers), http_check(kit, "home", "/")])
    web.commit()
    gitops("apply")
    ran = gitops("run", "ready", "--environment", "staging")
    assert ran.code == 1
    assert "! shop/ready/staging: degraded" in ran.out
    assert "PROBE_KEY" in ran.out
    assert server.asked == []
    env = {"GITOPS_SECRET_PROBE_KEY": "open-sesame"}
    ran = gitops("run", "ready", "--environment", "staging", "--format", "json", env=env)
    assert ran.code == 0
    assert server.headers[-1]["x-key"] == "open-sesame"
    assert "open-sesame" not in ran.out


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [("GITOPS_SECRETS", "vault", "none of env"), ("GITOPS_EGRESS_DENY", "10.0.0.0/99", "is no network")],
)
def test_variables_that_make_no_sense(web: Repo, gitops: Gitops, variable: str, value: str, words: str) -> None:
    ran = gitops("run", "ready", env={variable: value})
    assert ran.code == 2
    assert variable in ran.err
    assert words in ran.err


def test_the_operators_networks_are_refused(web: Repo, gitops: Gitops, server: Answers) -> None:
    ran = gitops("run", "home", env={"GITOPS_EGRESS_DENY": "127.0.0.0/8"})
    assert ran.code == 1
    assert "127.0.0.1" in ran.out
    assert server.asked == []


@SANDBOX
def test_scripts_run_in_the_sandbox(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    repo.put(
        "all.yaml",
        [
            kit.environment("live", diskLimit=7),
            script_check(kit, "good", 'echo "limit $CHECKSTACK_ENV_DISK_LIMIT of $CHECKSTACK_SYSTEM_ID"; id -u'),
            script_check(kit, "bad", "echo trouble >&2; touch /etc/x || exit 3"),
            kit.system("host", ["live"], ["good", "bad"]),
        ],
    )
    repo.commit()
    gitops("apply")
    ran = gitops("run", "--all")
    assert ran.code == 1
    bad, good, _ = ran.out.split("\n\n")
    assert "    | limit 7 of host\n" in good
    assert "    sandbox: resources, filesystem, network, privilege held\n" in good
    assert "    | 65534\n" in good
    assert "  script.execute  exitCode 3 " in bad
    assert "Exit code: 3" in bad
    assert "    ! trouble\n" in bad
