"""Back to an older generation: it restores, it keeps identity, and it sticks."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.base.errors import GitopsError, InvalidDocuments, PlanRefused
from reconciler.flows.opened import open_source
from reconciler.flows.plan import Options
from reconciler.flows.rollback import plan_rollback
from reconciler.flows.settings import Overrides, Settings
from reconciler.plan.safety import Limits
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Kit, Repo


def bodies(store: SqlStore, generation: int | None = None) -> dict[str, bytes]:
    rows = store.resources() if generation is None else store.resources_at(generation)
    return {str(s.resource.key): s.resource.body for s in rows if s.status == "active"}


def test_it_restores_what_was_changed_added_and_removed(kit: Kit, memory: SqlStore) -> None:
    files = kit.shop()
    kit.apply(memory, files)
    uids = kit.uids(memory)
    changed = {
        **kit.shop(url="https://new.example.net"),
        "systems.yaml": [kit.system("shop", ["staging"], ["ready"]), kit.system("added", ["staging"], ["ready"])],
    }
    changed["checks.yaml"] = changed["checks.yaml"][:1]
    kit.apply(memory, changed)
    plan = plan_rollback(memory, 1)
    assert plan.kind == "rollback"
    assert plan.note == "to generation 1"
    assert kit.actions(plan) == {
        "System added": "delete",
        "System shop": "update",
        "Check ready": "update",
        "Check home": "update",
    }
    assert kit.commit(memory, plan).generation == 3
    kit.sound(memory)
    assert bodies(memory) == bodies(memory, 1)
    assert kit.slices(memory) == kit.slices(memory, 1)
    assert kit.uids(memory) == uids
    assert memory.history(1)[0].kind == "rollback"


def test_it_goes_back_over_a_rename_with_the_same_identity(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": kit.system("a"), "b.yaml": kit.system("b")})
    uids = kit.uids(memory)
    kit.apply(memory, {"a.yaml": kit.system("x", renamedFrom="a"), "b.yaml": kit.system("b")})
    kit.apply(memory, {"a.yaml": kit.system("x", renamedFrom="a"), "b.yaml": kit.system("a", renamedFrom="b")})
    kit.commit(memory, plan_rollback(memory, 1))
    assert kit.uids(memory) == uids
    kit.sound(memory)


def test_what_was_deleted_comes_back_as_who_it_was(kit: Kit, memory: SqlStore) -> None:
    files = kit.shop()
    kit.apply(memory, files)
    uids = kit.uids(memory)
    kit.apply(memory, {**files, "systems.yaml": [kit.system("new")]}, settings=Settings(deletion="delete"))
    assert "System shop" not in kit.uids(memory)
    kit.commit(memory, plan_rollback(memory, 1))
    assert kit.uids(memory) == uids
    assert kit.slices(memory) == kit.slices(memory, 1)
    kit.sound(memory)


def test_a_uid_that_lives_on_elsewhere_isnt_given_twice(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": kit.system("a"), "b.yaml": kit.system("b")})
    kit.apply(memory, {"b.yaml": kit.system("b")})
    kit.apply(memory, {"a.yaml": kit.system("taken", renamedFrom="a")}, source="other")
    uid = kit.uids(memory)["System taken"]
    kit.commit(memory, plan_rollback(memory, 1, "shop"))
    assert kit.uids(memory)["System taken"] == uid
    assert kit.uids(memory)["System a"] != uid
    kit.sound(memory)


def test_it_mends_drift_on_the_way(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    before = kit.slices(memory)
    kit.apply(memory, kit.shop(url="https://new.example.net"))
    memory.db.run("update slice set body = '{}', digest = '00' where until is null")
    kit.commit(memory, plan_rollback(memory, 1))
    kit.sound(memory)
    assert kit.slices(memory) == before
    assert memory.outside_count() == 0


def test_a_protected_resource_is_orphaned_rather_than_deleted(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": kit.system("a")})
    kit.apply(memory, {"a.yaml": kit.system("a"), "b.yaml": kit.system("b", annotations={"gitops/protect": "true"})})
    assert kit.actions(plan_rollback(memory, 1)) == {"System b": "orphan"}


def test_the_guard_of_deletions_holds(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.many(1))
    kit.apply(memory, kit.many(20))
    with pytest.raises(PlanRefused, match="deletes 19 of 20") as caught:
        plan_rollback(memory, 1)
    assert caught.value.reason == "deletions"
    assert len(plan_rollback(memory, 1, options=Options(force=True)).resources) == 19
    assert len(plan_rollback(memory, 1, limits=Limits(min_resources=21)).resources) == 19


def test_each_source_goes_back_alone(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": kit.system("a")}, source="one")
    kit.apply(memory, {"b.yaml": kit.system("b")}, source="two")
    kit.apply(memory, {"a.yaml": kit.system("a", title="A")}, source="one")
    kit.apply(memory, {"b.yaml": kit.system("b", title="B")}, source="two")
    with pytest.raises(GitopsError, match="several sources"):
        plan_rollback(memory, 2)
    plan = plan_rollback(memory, 2, "one")
    assert kit.actions(plan) == {"System a": "update"}
    kit.commit(memory, plan)
    assert b"B" in bodies(memory)["System b"]
    two, one = memory.source("two"), memory.source("one")
    assert two is not None
    assert one is not None
    assert (two.held, bool(one.held)) == ("", True)


@pytest.mark.parametrize(
    ("generation", "source", "message"),
    [
        (0, "shop", "there is no generation 0"),
        (9, "shop", "there is no generation 9; the newest is 2"),
        (1, "later", "wasn't applied yet in generation 1"),
        (1, "nobody", "no source 'nobody'"),
    ],
)
def test_what_cant_be_gone_back_to(kit: Kit, memory: SqlStore, generation: int, source: str, message: str) -> None:
    kit.apply(memory, {"a.yaml": kit.system("a")})
    kit.apply(memory, {"b.yaml": kit.system("b")}, source="later")
    with pytest.raises(GitopsError, match=message):
        plan_rollback(memory, generation, source)


def test_what_another_source_came_to_need_cant_go(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": kit.system("a")}, source="base")
    kit.apply(memory, {"a.yaml": kit.system("a"), "e.yaml": kit.environment("e", url="x")}, source="base")
    kit.apply(memory, {"s.yaml": kit.system("s", ["e"])}, source="user")
    with pytest.raises(InvalidDocuments) as caught:
        plan_rollback(memory, 1, "base")
    assert "(in source user)" in caught.value.diagnostics[0].message


def test_a_rollback_to_what_there_is_would_only_hold_a_good_commit(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    with pytest.raises(GitopsError, match="already what it was in generation 1"):
        plan_rollback(memory, 1)


@pytest.fixture
def rolled_back(kit: Kit, store: SqlStore, repo: Repo) -> tuple[SqlStore, list[str]]:
    commits = []
    for n in range(2):
        repo.put("a.yaml", kit.system("a", title=f"A{n}"))
        commits.append(repo.commit())
        kit.apply_repo(store, repo.open())
    kit.commit(store, plan_rollback(store, 1))
    return store, commits


def test_it_sticks_for_the_same_and_for_older_commits(
    kit: Kit, repo: Repo, rolled_back: tuple[SqlStore, list[str]]
) -> None:
    store, commits = rolled_back
    for rev in (None, *commits):
        with pytest.raises(PlanRefused, match=f"rolled back from commit {commits[1][:12]}") as caught:
            kit.plan_repo(store, repo.open(rev=rev))
        assert caught.value.reason == "held"
    assert store.generation() == 3


def test_git_moving_past_it_frees_it(kit: Kit, repo: Repo, rolled_back: tuple[SqlStore, list[str]]) -> None:
    store, commits = rolled_back
    repo.put("a.yaml", kit.system("a", title="mended"))
    repo.commit()
    kit.apply_repo(store, repo.open())
    row = store.source("repo")
    assert row is not None
    assert row.held == ""
    assert not kit.plan_repo(store, repo.open()).pending
    kit.apply_repo(store, repo.open(rev=commits[1]))  # nothing is held any more


def test_a_commit_beside_it_is_no_older_one(kit: Kit, repo: Repo, rolled_back: tuple[SqlStore, list[str]]) -> None:
    store, commits = rolled_back
    repo.git("checkout", "-q", "-b", "side", commits[0])
    repo.put("a.yaml", kit.system("a", title="side"))
    repo.commit()
    assert kit.plan_repo(store, repo.open()).pending


def test_force_lifts_it(kit: Kit, repo: Repo, rolled_back: tuple[SqlStore, list[str]]) -> None:
    store, _ = rolled_back
    kit.apply_repo(store, repo.open(), force=True)
    row = store.source("repo")
    assert row is not None
    assert row.held == ""
    assert b"A1" in bodies(store)["System a"]


def test_a_second_rollback_still_holds_the_first_commit(
    kit: Kit, repo: Repo, rolled_back: tuple[SqlStore, list[str]]
) -> None:
    store, commits = rolled_back
    kit.commit(store, plan_rollback(store, 2))
    with pytest.raises(PlanRefused, match=commits[1][:12]):
        kit.plan_repo(store, repo.open(rev=commits[0]))


def test_a_shallow_clone_cant_tell_and_says_so(
    kit: Kit, repo: Repo, rolled_back: tuple[SqlStore, list[str]], tmp_path: Path
) -> None:
    store, _ = rolled_back
    repo.put("a.yaml", kit.system("a", title="mended"))
    repo.commit()
    clone = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth", "1", repo.path.as_uri(), str(clone)], check=True)
    shallow = open_source(clone, Overrides())
    assert shallow.name == "repo"
    with pytest.raises(PlanRefused, match="this clone doesn't have") as caught:
        kit.plan_repo(store, shallow)
    assert "unshallow" in (caught.value.hint or "")
    assert kit.plan_repo(store, shallow, force=True).pending
