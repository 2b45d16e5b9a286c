"""``gitops run``, ``test``, ``runs``, ``watch``, health in ``status``: real servers, the real sandbox, real files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.answers import Answers, answering

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Document, Kit, Repo

GITOPS = (sys.executable, "-m", "reconciler")
SANDBOX = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap isn't installed")


@pytest.fixture
def server() -> Iterator[Answers]:
    """Answers 200, unless told otherwise."""
    with answering() as answers:
        yield answers


def http_check(kit: Kit, name: str, path: str, **config: Any) -> Document:
    """A check that wants a 200 from ``<url of the environment><path>``."""
    check = kit.check(name, "{{ environment.url }}" + path)
    check["spec"]["collectors"][0]["config"] |= config
    check["spec"]["collectors"][0]["assertions"] = [{"field": "statusCode", "operator": "equals", "value": 200}]
    return check


def script_check(kit: Kit, name: str, script: str) -> Document:
    """A check of one shell script."""
    spec = {
        "interval": "1m",
        "strategy": {"type": "script@1"},
        "collectors": [{"type": "execute@2", "config": {"script": script, "timeout": "10s"}}],
    }
    return kit.document("Check", name, spec)


@pytest.fixture
def web(repo: Repo, kit: Kit, gitops: Gitops, server: Answers) -> Repo:
    """A shop in two environments on the server, with one check that fails in production at once; applied."""
    assigned = {"check": "ready", "thresholds": {"degraded": 1, "unhealthy": 2}}
    repo.put(
        "environments.yaml",
        [
            kit.environment("production", url=f"{server.url}/p"),
            kit.environment("staging", url=f"{server.url}/s"),
        ],
    )
    repo.put("checks.yaml", [http_check(kit, "ready", "/ready"), http_check(kit, "home", "/")])
    repo.put("systems.yaml", [kit.system("shop", ["production", "staging"], [assigned, "home"])])
    repo.put("gitops.yaml", "source: shop\n")
    repo.put(".gitignore", ".gitops/\n")
    repo.commit()
    server.status["/p/ready"] = 503
    assert gitops("apply").code == 0
    return repo


# -- run ---------------------------------------------------------------------------------------------------------------


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


class Reader:
    """An account that may read a copy of the store, but not write it.

    In a folder of its own: pytest closes its folders to other accounts, whenever a session begins.
    """

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder = folder
        self.store = folder / "store.db"
        shutil.copy(store, self.store)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        self.store.chmod(0o444)
        self.folder.chmod(0o555)
        command = [*as_user, *GITOPS, *arguments, "--store", str(self.store), "-C", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        self.folder.chmod(0o755)
        assert "Traceback" not in done.stderr
        assert "fault of gitops" not in done.stderr
        return done


@pytest.fixture
def reader(web: Repo) -> Iterator[Reader]:
    """Of the store of ``web``."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Reader(Path(folder), web.path / ".gitops" / "store.db")


def test_a_store_that_cant_be_written(reader: Reader) -> None:
    """Who may only read can look, and run without keeping; and is told so."""
    done = reader("run", "home")
    assert done.returncode == 1
    assert "read-only" in done.stderr
    assert "--no-record" in done.stderr
    assert reader("run", "home", "--no-record").returncode == 0
    assert "no runs yet" in reader("status").stdout
    assert "It never ran." in reader("runs", "shop/home/staging").stdout
    assert reader("watch", "--for", "10ms").returncode == 0


@pytest.mark.parametrize("command", [("status",), ("run", "home"), ("runs", "shop/home/staging"), ("watch",)])
def test_an_older_store_that_cant_be_written(reader: Reader, command: tuple[str, ...]) -> None:
    reader.store.chmod(0o644)
    with sqlite3.connect(reader.store) as db:
        db.execute("pragma journal_mode=delete")
        db.execute("delete from schema_version where n > 2")
    db.close()
    done = reader(*command)
    assert (done.returncode, done.stdout) == (1, "")
    assert "are at version 2, this release needs" in done.stderr
    assert "let an account that may write to it run any gitops command once" in done.stderr


def test_an_interrupt_ends_it_cleanly_and_keeps_what_ended(web: Repo, gitops: Gitops, server: Answers) -> None:
    server.stuck.add("/s/ready")
    command = [*GITOPS, "run", "--all", "-C", str(web.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    server.wait("/s/ready")
    server.wait("/s/")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("✗ shop/ready/production"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip() == "error: interrupted"
    told = gitops("status").out
    assert "1 of 2 failing" in told
    assert "1 of 2 without a run" in told


@SANDBOX
def test_an_interrupt_ends_scripts_too(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    repo.put("all.yaml", [script_check(kit, "slow", "sleep 7.125"), kit.system("host", [], ["slow"])])
    repo.commit()
    gitops("apply")
    command = [*GITOPS, "run", "slow", "-C", str(repo.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not sleepers("7.125"):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=5)
    assert (process.returncode, out, err.strip()) == (130, "", "error: interrupted")
    assert sleepers("7.125") == []


def sleepers(seconds: str) -> list[int]:
    """Processes that sleep for so long."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                found.append(int(folder.name))
    return found


# -- test --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def edited(web: Repo, kit: Kit) -> Repo:
    """``web`` with an edit that nobody has committed: one more check, which fails."""
    web.put("new/more.yaml", [http_check(kit, "more", "/more"), kit.system("blog", ["staging"], ["more", "home"])])
    return web


def test_test_takes_the_files_as_they_are(edited: Repo, gitops: Gitops, server: Answers) -> None:
    server.status["/s/more"] = 404
    ran = gitops("test", "--check", "more")
    assert ran.code == 1
    assert "✗ shop" not in ran.out
    assert "✗ blog/more/staging: unhealthy" in ran.out
    assert "  new/more.yaml:1\n" in ran.out, "no commit and no generation: neither is there yet"
    assert ran.out.endswith("1 run: 1 unhealthy\n")
    data = gitops("test", "--check", "more", "--format", "json").json
    assert data["runs"][0]["kept"] is False
    assert data["runs"][0]["generation"] == 0
    assert data["runs"][0]["origin"]["commit"] is None
    assert "4 slices: 4 without a run" in gitops("status").out, "nothing of it reaches a store"


def test_test_needs_no_store(edited: Repo, gitops: Gitops) -> None:
    shutil.rmtree(edited.path / ".gitops")
    assert gitops("test", "--environment", "staging").code == 0
    assert not (edited.path / ".gitops").exists()


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["new"], ["blog/home/staging", "blog/more/staging"]),
        (["new/more.yaml"], ["blog/home/staging", "blog/more/staging"]),
        (["checks.yaml", "--check", "home", "--environment", "staging"], ["blog/home/staging", "shop/home/staging"]),
        (["."], 6),
    ],
)
def test_test_of_paths(
    edited: Repo, gitops: Gitops, monkeypatch: pytest.MonkeyPatch, paths: list[str], expected: Any
) -> None:
    monkeypatch.chdir(edited.path)
    runs = [r["slice"] for r in gitops("test", *paths, "--format", "json").json["runs"]]
    assert runs == expected if isinstance(expected, list) else len(runs) == expected


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("gitops.yaml",), 1, "nothing that runs is declared there"),
        (("nowhere.yaml",), 2, "there is no nowhere.yaml"),
        (("/etc",), 2, "/etc isn't in "),
        (("--check", "mor"), 1, "did you mean more?"),
        (("--system", "nobody"), 1, "there is no system with a check 'nobody'"),
    ],
)
def test_test_of_what_isnt_there(
    edited: Repo, gitops: Gitops, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, words: str
) -> None:
    monkeypatch.chdir(edited.path)
    ran = gitops("test", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err


def test_test_of_faulty_documents_tells_all_of_them(edited: Repo, gitops: Gitops, server: Answers) -> None:
    edited.put("bad.yaml", "apiVersion: gitops/v2\nkind: Check\nmetadata: {name: b}\nspec: {interval: soon}\n")
    ran = gitops("test")
    assert ran.code == 1
    assert ran.out == ""
    assert "bad.yaml:4:18: error[bad-duration]" in ran.err
    assert server.asked == []


def test_test_where_nothing_runs(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    repo.put("a.yaml", kit.check("alone"))
    ran = gitops("test")
    assert ran.code == 1
    assert "no system runs a check here" in ran.err
    assert "gitops run" not in ran.err
    repo.put("gitops.yaml", "external: {Environment: [live]}\n")
    repo.put("b.yaml", kit.system("shop", ["live"], ["alone"]))
    ran = gitops("test")
    assert "can only be run once it is applied (gitops run)" in ran.err


# -- runs --------------------------------------------------------------------------------------------------------------


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


# -- status ------------------------------------------------------------------------------------------------------------


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


# -- watch -------------------------------------------------------------------------------------------------------------


def test_watch_tells_what_comes(web: Repo, gitops: Gitops) -> None:
    gitops("run", "home")
    command = [*GITOPS, "watch", "--for", "60s", "-C", str(web.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    reader.start()
    try:
        deadline = time.monotonic() + 20
        while not lines and time.monotonic() < deadline:  # it may begin to look after the first run
            gitops("run", "ready")
    finally:
        process.send_signal(signal.SIGINT)
        reader.join(20)
        assert process.stderr is not None
        err = process.stderr.read()
        code = process.wait(20)
        process.stderr.close()
        if process.stdout is not None:
            process.stdout.close()
    assert (code, err.strip()) == (130, "error: interrupted")
    assert any("✗ unhealthy shop/ready/production in " in line for line in lines)
    assert not any("home" in line for line in lines), "what was before isn't news"


def test_watch_ends_by_itself_and_speaks_json(web: Repo, gitops: Gitops) -> None:
    told = gitops("watch", "--for", "100ms")
    assert (told.code, told.out, told.err) == (0, "", "")
    assert gitops("watch", "--for", "100ms", "--system", "shob").code == 1


def test_watch_of_nothing(shop: Repo, gitops: Gitops) -> None:
    told = gitops("watch")
    assert (told.code, told.out) == (1, "")
    assert "nothing was applied yet" in told.err


def test_names_are_completed(web: Repo, gitops: Gitops) -> None:
    def completed(words: str) -> list[str]:
        env = {"_GITOPS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        done = subprocess.run(GITOPS, capture_output=True, text=True, cwd=web.path, env={**os.environ, **env})
        return [line.split(",")[1] for line in done.stdout.split()]

    assert completed("gitops run r") == ["ready"]
    assert completed("gitops runs shop/ready/") == ["shop/ready/production", "shop/ready/staging"]
    assert completed("gitops runs nothing") == []


def test_watch_as_data(web: Repo, gitops: Gitops) -> None:
    from reconciler.flows.watch import Watch
    from reconciler.report.watch_text import news_json
    from reconciler.store.open import open_executing, open_to_read

    store = str(web.path / ".gitops" / "store.db")
    reader, hands = open_to_read(store), open_executing(store)
    try:
        watch = Watch(hands, reader, system="shop")
        assert not watch.news().any
        gitops("run", "ready")
        events = [json.loads(line) for line in news_json(watch.news())]
        assert not watch.news().any
    finally:
        hands.close()
        reader.close()
    assert [e["event"] for e in events] == ["run", *["transition"] * 3]
    assert {e.get("scope") for e in events[1:]} == {"slice", "environment", "system"}
