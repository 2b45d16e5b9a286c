"""What is gone from git: orphaned or deleted, guarded, ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.base.errors import GitopsError, PlanRefused
from reconciler.flows.orphans import plan_delete, plan_release
from reconciler.flows.settings import Settings
from reconciler.model.resource import Key
from reconciler.plan.safety import Limits
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Kit

DELETE = Settings(deletion="delete")
PROTECT = {"gitops/protect": "true"}
SHOP = Key("System", "shop")


def without_system(kit: Kit) -> dict[str, list[dict[str, object]]]:
    return {**kit.shop(), "systems.yaml": []}


def test_an_orphan_keeps_running_and_is_recorded_state(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    before = kit.slices(memory)
    plan = kit.plan(memory, without_system(kit))
    assert kit.actions(plan) == {"System shop": "orphan"}
    assert plan.slices == ()
    kit.apply(memory, without_system(kit))
    assert kit.slices(memory) == before
    for quick in (True, False):
        later = kit.plan(memory, without_system(kit), quick=quick)
        assert not later.pending
        assert [o.resource.key for o in later.orphans] == [SHOP], "listed in every plan"
    kit.sound(memory)


def test_an_orphan_isnt_touched_by_changes_of_what_it_ran(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    before = kit.slices(memory)
    kit.apply(memory, without_system(kit))
    changed = {**kit.shop(url="https://new.example.net/"), "systems.yaml": []}
    kit.apply(memory, changed)
    assert kit.slices(memory) == before
    kit.sound(memory)


def test_deletion_ends_the_slices_as_well(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    plan = kit.plan(memory, without_system(kit), settings=DELETE)
    assert kit.actions(plan) == {"System shop": "delete"}
    assert plan.counts == {"resources": {"delete": 1}, "slices": {"delete": 4}}
    kit.apply(memory, without_system(kit), settings=DELETE)
    assert kit.slices(memory) == {}
    assert memory.orphans() == []
    kit.sound(memory)


def test_an_environment_left_by_its_systems_takes_its_slices_along(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    files = kit.shop()
    files["environments.yaml"] = files["environments.yaml"][:1]
    files["systems.yaml"] = [kit.system("shop", ["production"], ["ready", "home"])]
    plan = kit.plan(memory, files)
    assert kit.actions(plan) == {"Environment staging": "orphan", "System shop": "update"}
    assert plan.counts["slices"] == {"delete": 2}
    kit.apply(memory, files)
    kit.sound(memory)


def test_a_protected_resource_becomes_an_orphan_whatever_the_settings(kit: Kit, memory: SqlStore) -> None:
    files = {"a.yaml": kit.system("a", annotations=PROTECT), "b.yaml": kit.system("b")}
    kit.apply(memory, files)
    plan = kit.apply(memory, {"b.yaml": files["b.yaml"]}, settings=DELETE).plan
    assert kit.actions(plan) == {"System a": "orphan"}
    assert plan.resources[0].reason == "gone from git, but protected"
    with pytest.raises(PlanRefused, match="System a carries gitops/protect") as caught:
        plan_delete(memory, [Key("System", "a")])
    assert caught.value.reason == "protected"
    kit.commit(memory, plan_delete(memory, [Key("System", "a")], force=True))
    assert memory.orphans() == []
    kit.sound(memory)


def test_a_guard_that_is_taken_off_in_git_guards_no_longer(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": kit.system("a", annotations=PROTECT), "b.yaml": kit.system("b")})
    kit.apply(memory, {"a.yaml": kit.system("a"), "b.yaml": kit.system("b")})
    assert kit.actions(kit.plan(memory, {"b.yaml": kit.system("b")}, settings=DELETE)) == {"System a": "delete"}


@pytest.mark.parametrize(
    ("held", "gone", "refused"),
    [
        *((9, 9, False), (9, 8, False), (10, 3, False), (10, 4, True), (10, 10, True)),
        *((11, 3, False), (11, 4, True), (100, 30, False), (100, 31, True)),
    ],
)
def test_the_guard_of_deletions_counts_exactly(kit: Kit, memory: SqlStore, held: int, gone: int, refused: bool) -> None:
    kit.apply(memory, kit.many(held))
    files = dict(list(kit.many(held).items())[gone:]) or {"x.yaml": kit.system("x")}
    if not refused:
        assert kit.plan(memory, files, settings=DELETE).counts["resources"]["delete"] == gone
        return
    with pytest.raises(PlanRefused, match=f"deletes {gone} of {held} resources of source shop") as caught:
        kit.plan(memory, files, settings=DELETE)
    assert caught.value.reason == "deletions"
    assert f"({gone * 100 / held:.0f} %, the limit is 30 %)" in caught.value.message
    assert kit.plan(memory, files, settings=DELETE, force=True).pending
    assert kit.plan(memory, files).counts["resources"]["orphan"] == gone, "an orphan is no deletion"


def test_the_limits_can_be_set(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.many(4))
    files = dict(list(kit.many(4).items())[1:])
    strict = Settings(deletion="delete", limits=Limits(max_delete_percent=0, min_resources=1))
    with pytest.raises(PlanRefused, match="the limit is 0 %"):
        kit.plan(memory, files, settings=strict)
    lax = Settings(deletion="delete", limits=Limits(max_delete_percent=100, min_resources=1))
    assert kit.plan(memory, files, settings=lax).pending


@pytest.mark.parametrize("settings", [Settings(), DELETE])
def test_an_empty_source_is_refused(kit: Kit, memory: SqlStore, settings: Settings) -> None:
    kit.apply(memory, {"a.yaml": kit.system("a")})
    for files in ({}, {"b.yaml": ""}, {"chart.yaml": "apiVersion: v1\nkind: Pod\n"}):
        with pytest.raises(PlanRefused, match="has no documents, while the store holds 1 resource of") as caught:
            kit.plan(memory, files, settings=settings)
        assert caught.value.reason == "empty-source"
    kit.apply(memory, {}, settings=settings, force=True)
    kit.sound(memory)


def test_an_empty_source_that_was_meant_is_refused_once(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": kit.system("a")})
    kit.apply(memory, {}, force=True)
    assert not kit.plan(memory, {"readme.yaml": "# nothing\n"}).pending


def test_an_empty_source_is_no_matter_for_an_empty_store(kit: Kit, memory: SqlStore) -> None:
    assert kit.apply(memory, {}).generation == 0
    assert memory.source("shop") is not None


def test_a_file_that_failed_never_looks_deleted(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    for broken in ("kind: [", "apiVersion: gitops/v2\nkind: Sistem\n", b"\xff\xfe\x00"):
        files = {**kit.shop(), "systems.yaml": broken}
        assert kit.faults(memory, files, settings=DELETE, force=True)
    assert memory.generation() == 1
    kit.sound(memory)


def test_ending_orphans(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    kit.apply(memory, without_system(kit))
    plan = plan_delete(memory, [SHOP])
    assert (plan.kind, plan.note, plan.counts["slices"]) == ("delete", "System shop", {"delete": 4})
    assert kit.commit(memory, plan).generation == 3
    assert kit.slices(memory) == {}
    kit.sound(memory)
    later = kit.plan(memory, without_system(kit))
    assert not later.pending
    assert later.orphans == ()
    assert (later.totals.resources, later.totals.slices) == memory.counts("shop")


def test_an_orphaned_check_is_ended_in_each_of_its_slices(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    files = {"environments.yaml": kit.shop()["environments.yaml"]}
    kit.apply(memory, files)
    kit.commit(memory, plan_delete(memory, [Key("Check", "ready")]))
    assert sorted(kit.slices(memory)) == ["shop/home/production", "shop/home/staging"]
    kit.sound(memory)


def test_a_released_orphan_runs_on_and_may_be_taken_by_anybody(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    uids, before = kit.uids(memory), kit.slices(memory)
    kit.apply(memory, without_system(kit))
    kit.commit(memory, plan_release(memory, [SHOP]))
    assert memory.orphans() == []
    assert kit.slices(memory) == before
    kit.sound(memory)
    later = kit.plan(memory, without_system(kit))
    assert not later.pending
    assert (later.totals.resources, later.totals.slices) == memory.counts("shop")
    taken = kit.apply(memory, {"s.yaml": kit.shop()["systems.yaml"]}, source="other").plan
    assert kit.actions(taken) == {"System shop": "move"}
    assert taken.resources[0].reason == "taken over, was released"
    assert taken.slices == ()
    assert kit.uids(memory) == uids
    kit.sound(memory)


def test_a_released_resource_still_follows_what_it_refers_to(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    kit.apply(memory, without_system(kit))
    kit.commit(memory, plan_release(memory, [SHOP]))
    kit.apply(memory, {**kit.shop(url="https://new.example.net/"), "systems.yaml": []})
    assert kit.urls(memory)["shop/ready/staging"] == "https://new.example.net/"
    kit.sound(memory)


def test_only_orphans_are_ended(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    for plan in (plan_delete, plan_release):
        with pytest.raises(GitopsError, match="no such orphan: System shop"):
            plan(memory, [SHOP])
        with pytest.raises(GitopsError, match="no such orphan: System nobody"):
            plan(memory, [Key("System", "nobody")])


def test_orphans_of_two_sources_are_ended_one_source_at_a_time(kit: Kit, memory: SqlStore) -> None:
    for source in ("one", "two"):
        kit.apply(memory, {"a.yaml": kit.system(source)}, source=source)
        kit.apply(memory, {}, source=source, force=True)
    with pytest.raises(GitopsError, match="come from 2 sources: one, two"):
        plan_delete(memory, [Key("System", "one"), Key("System", "two")])


def test_declared_again_an_orphan_is_itself_again(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    uids, before = kit.uids(memory), kit.slices(memory)
    kit.apply(memory, without_system(kit))
    plan = kit.apply(memory, {**kit.shop(), "systems.yaml": [], "other.yaml": kit.shop()["systems.yaml"]}).plan
    assert kit.actions(plan) == {"System shop": "update"}
    assert plan.resources[0].reason == "declared again, was an orphan"
    assert plan.slices == ()
    assert (kit.uids(memory), kit.slices(memory)) == (uids, before)
    assert memory.orphans() == []
    kit.sound(memory)


def test_another_source_adopts_an_orphan_with_its_history(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    uids = kit.uids(memory)
    kit.apply(memory, without_system(kit))
    changed = kit.system("shop", ["staging"], ["ready"])
    plan = kit.apply(memory, {"s.yaml": changed}, source="other").plan
    assert kit.actions(plan) == {"System shop": "move"}
    assert plan.resources[0].reason == "moved from source shop"
    assert plan.counts["slices"] == {"delete": 3}
    assert kit.uids(memory) == uids
    assert not kit.plan(memory, without_system(kit), quick=False).pending, "the old owner has no say any more"
    kit.sound(memory)


def test_what_refers_to_an_orphan_is_refused(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    kit.apply(memory, {**kit.shop(), "systems.yaml": [], "checks.yaml": []})
    [fault] = kit.faults(memory, {**kit.shop(), "systems.yaml": kit.system("new", [], ["ready"]), "checks.yaml": []})
    assert fault.message == "Check 'ready' is an orphan: it is gone from git"
