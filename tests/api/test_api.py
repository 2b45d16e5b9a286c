"""The public functions do what the command line does, and import only what they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import reconciler
from reconciler import api
from reconciler.store.open import open_executing
from tests.servers.answers import answering


@pytest.fixture
def shop(repo: Any, kit: Any) -> Path:
    """A repository with two environments, two checks and one system: four slices."""
    for name, content in kit.shop().items():
        repo.put(name, content)
    repo.put("gitops.yaml", "source: shop\n")
    repo.commit()
    return Path(repo.path)


def test_load_gives_resources_and_rendered_slices(shop: Path, repo: Any) -> None:
    snapshot = api.load(shop)
    assert (snapshot.source, snapshot.warnings) == ("shop", ())
    assert snapshot.commit == repo.git("rev-parse", "HEAD")
    assert [(r.kind, r.name) for r in snapshot.resources] == [
        ("Check", "home"),
        ("Check", "ready"),
        ("Environment", "production"),
        ("Environment", "staging"),
        ("System", "shop"),
    ]
    assert snapshot.resources[2].body["spec"]["fields"] == {"url": "https://p.example.net"}
    assert [(s.system, s.check, s.environment) for s in snapshot.slices] == [
        ("shop", "home", "production"),
        ("shop", "home", "staging"),
        ("shop", "ready", "production"),
        ("shop", "ready", "staging"),
    ]
    urls = [s.body["check"]["collectors"][0]["config"]["url"] for s in snapshot.slices]
    assert urls[2:] == ["https://p.example.net/ready", "https://s.example.net/ready"]


def test_load_reads_the_commit_or_the_files_on_disk(shop: Path, kit: Any, repo: Any) -> None:
    repo.put("more.yaml", kit.check("more"))
    assert len(api.load(shop).resources) == 5
    assert len(api.load(str(shop), worktree=True).resources) == 6
    assert api.load(shop, worktree=True).commit is None
    repo.commit()
    assert len(api.load(shop, rev="HEAD~1").resources) == 5


def test_load_tells_every_fault_at_once(shop: Path, repo: Any) -> None:
    repo.put("a.yaml", "apiVersion: gitops/v2\nkind: Sytem\nmetadata: {name: a}\n")
    repo.put("b.yaml", "apiVersion: gitops/v2\nkind: Group\nmetadata: {nmae: b}\n")
    with pytest.raises(reconciler.InvalidDocuments) as caught:
        api.load(shop, worktree=True)
    assert [d.code for d in caught.value.diagnostics] == ["unknown-kind", "unknown-key"]
    assert {d.place.path for d in caught.value.diagnostics if d.place} == {"a.yaml", "b.yaml"}


def test_a_reviewed_plan_is_applied_exactly_or_refused(shop: Path, store_path: Path, repo: Any, kit: Any) -> None:
    planned = api.plan(shop, store_path)
    assert planned.pending
    assert planned.counts == {"resources": {"create": 5}, "slices": {"create": 4}}
    assert not store_path.exists(), "a plan writes nothing"
    applied = api.apply(planned, store_path, actor="reviewer")
    assert (applied.committed, applied.generation) == (True, 1)
    with pytest.raises(reconciler.StalePlan):
        api.apply(planned, store_path)
    assert not api.plan(shop, store_path).pending


def test_a_folder_is_planned_and_applied_under_the_lock(shop: Path, repo: Any, kit: Any) -> None:
    assert api.apply(shop).generation == 1
    assert (shop / ".gitops" / "store.db").exists(), "the store that the settings name"
    again = api.apply(shop)
    assert (again.committed, again.generation) == (False, 1)
    repo.put("checks.yaml", [kit.check("ready", "{{ environment.url }}/up"), kit.check("home")])
    assert not api.plan(shop).pending, "not committed yet"
    assert api.apply(shop, worktree=True).plan.counts["slices"] == {"update": 2}


def test_guards_and_settings(shop: Path, store_path: Path, repo: Any) -> None:
    api.apply(shop, store_path)
    for name in ("environments.yaml", "checks.yaml", "systems.yaml"):
        repo.remove(name)
    with pytest.raises(reconciler.PlanRefused) as caught:
        api.plan(shop, store_path, worktree=True)
    assert caught.value.reason == "empty-source"
    deleting = reconciler.Overrides(deletion="delete")
    plan = api.plan(shop, store_path, worktree=True, force=True, settings=deleting)
    assert plan.counts["resources"] == {"delete": 5}


def test_a_plan_needs_to_be_told_its_store(shop: Path) -> None:
    with pytest.raises(reconciler.UsageError, match="which store"):
        api.apply(api.plan(shop))


def test_checks_run_once_and_are_kept_where_that_is_wanted(repo: Any, kit: Any, tmp_path: Path) -> None:
    with answering() as server:
        repo.put("environments.yaml", [kit.environment(name, url=f"{server.url}/{name}") for name in ("p", "s")])
        check = kit.check("ready", "{{ environment.url }}")
        check["spec"]["collectors"][0]["assertions"] = [{"field": "statusCode", "operator": "equals", "value": 200}]
        repo.put("shop.yaml", [check, kit.system("shop", ["p", "s"], ["ready"])])
        repo.commit()
        server.status["/p"] = 500
        with pytest.raises(reconciler.GitopsError, match="no system runs a check"):
            api.run(repo.path)
        assert not (repo.path / ".gitops").exists()
        assert [r.environment for r in api.run(repo.path, worktree=True)] == ["p", "s"]
        api.apply(repo.path)
        failed, passed = api.run(repo.path, "ready")
        assert (failed.outcome, failed.reason) == ("unhealthy", "statusCode equals 200 (found 500)")
        assert (passed.system, passed.check, passed.environment, passed.outcome) == ("shop", "ready", "s", "healthy")
        assert passed.detail["collectors"][0]["result"]["statusCode"] == 200
        api.run(repo.path, environment="s", record=False)
        with pytest.raises(reconciler.GitopsError, match="no check that runs 'redy'"):
            api.run(repo.path, "redy")
    hands = open_executing(str(repo.path / ".gitops" / "store.db"))
    try:
        assert len(hands.runs_after(0)[1]) == 2
    finally:
        hands.close()


def test_a_folder_that_isnt_there_is_an_error_of_ours(tmp_path: Path) -> None:
    for function in (api.load, api.plan, api.apply, api.run):
        with pytest.raises(reconciler.SourceError):
            function(tmp_path / "nowhere")


def test_every_public_name_can_be_had() -> None:
    for name in reconciler.__all__:
        assert getattr(reconciler, name) is not None
        assert name in dir(reconciler)
    with pytest.raises(AttributeError):
        _ = reconciler.nothing_of_the_kind


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, reconciler; print([m for m in sys.modules if m.startswith('reconciler.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['reconciler._version']"
