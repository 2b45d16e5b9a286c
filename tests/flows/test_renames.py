"""A rename keeps identity: the uid, and with it slices and history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.flows.settings import Settings
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Document, Kit

DELETE = Settings(deletion="delete")


def renamed(document: Document, name: str) -> Document:
    metadata = {**document["metadata"], "renamedFrom": document["metadata"]["name"], "name": name}
    return {**document, "metadata": metadata}


@pytest.mark.parametrize("settings", [Settings(), DELETE])
def test_each_part_of_a_slice_can_be_renamed(kit: Kit, memory: SqlStore, settings: Settings) -> None:
    files = kit.shop()
    kit.apply(memory, files)
    uids = sorted(kit.uids(memory).values())
    keys = sorted(memory.slice_digests())
    staging = renamed(files["environments.yaml"][1], "test")
    files["environments.yaml"] = [files["environments.yaml"][0], staging]
    files["checks.yaml"] = [renamed(files["checks.yaml"][0], "up"), files["checks.yaml"][1]]
    files["systems.yaml"] = [renamed(kit.system("shop", ["production", "test"], ["up", "home"]), "store")]
    plan = kit.apply(memory, files, settings=settings).plan
    assert kit.actions(plan) == {"Environment test": "move", "Check up": "move", "System store": "move"}
    assert {c.reason for c in plan.resources} == {"renamed from staging", "renamed from ready", "renamed from shop"}
    assert plan.slices == (), "nothing that is rendered holds one of the names"
    assert sorted(kit.uids(memory).values()) == uids
    assert sorted(memory.slice_digests()) == keys
    assert "store/up/test" in kit.slices(memory)
    kit.sound(memory)
    assert not kit.plan(memory, files, quick=False, settings=settings).pending


def test_what_is_rendered_from_the_name_is_updated_in_place(kit: Kit, memory: SqlStore) -> None:
    files = kit.shop(url="https://x.example.net/{{ system.id }}")
    kit.apply(memory, files)
    files["systems.yaml"] = [renamed(files["systems.yaml"][0], "store")]
    plan = kit.apply(memory, files).plan
    assert plan.counts["slices"] == {"update": 2}
    assert kit.urls(memory)["store/ready/staging"] == "https://x.example.net/store"


def test_a_chain_of_renames(kit: Kit, memory: SqlStore) -> None:
    document = kit.system("a")
    kit.apply(memory, {"s.yaml": document})
    uid = kit.uids(memory)["System a"]
    for name in ("b", "c", "a"):
        document = renamed(document, name)
        kit.apply(memory, {"s.yaml": document})
        assert kit.uids(memory) == {f"System {name}": uid}
    kit.sound(memory)


def test_a_name_that_was_skipped_isnt_found(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"s.yaml": kit.system("a")})
    plan = kit.plan(memory, {"s.yaml": kit.system("c", renamedFrom="b")})
    assert kit.actions(plan) == {"System a": "orphan", "System c": "create"}


def test_the_note_may_stay_forever(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"s.yaml": kit.system("a")})
    files = {"s.yaml": kit.system("b", renamedFrom="a")}
    kit.apply(memory, files)
    assert not kit.plan(memory, files, quick=False).pending
    files["new.yaml"] = kit.system("a")
    plan = kit.apply(memory, files).plan
    assert kit.actions(plan) == {"System a": "create"}
    del files["new.yaml"]
    assert kit.actions(kit.plan(memory, files)) == {"System a": "orphan"}


def test_it_isnt_a_rename_while_the_old_name_is_declared(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"s.yaml": kit.system("a")})
    uid = kit.uids(memory)["System a"]
    kit.apply(memory, {"s.yaml": [kit.system("b", renamedFrom="a"), kit.system("a")]})
    assert kit.uids(memory)["System a"] == uid
    kit.sound(memory)


def test_a_rename_over_files(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"one.yaml": kit.system("a"), "two.yaml": kit.system("z")})
    uids = kit.uids(memory)
    kit.apply(memory, {"two.yaml": [kit.system("z"), kit.system("b", renamedFrom="a")]})
    assert kit.uids(memory) == {"System b": uids["System a"], "System z": uids["System z"]}


def test_an_orphan_is_found_by_its_old_name(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"s.yaml": kit.system("a"), "z.yaml": kit.system("z")})
    uid = kit.uids(memory)["System a"]
    kit.apply(memory, {"z.yaml": kit.system("z")})
    kit.apply(memory, {"z.yaml": kit.system("z"), "s.yaml": kit.system("b", renamedFrom="a")})
    assert kit.uids(memory)["System b"] == uid
    assert memory.orphans() == []
    kit.sound(memory)


def test_two_that_claim_one_name_dont_both_get_it(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"s.yaml": kit.system("a")})
    uid = kit.uids(memory)["System a"]
    files = {"s.yaml": [kit.system("b", renamedFrom="a"), kit.system("c", renamedFrom="a")]}
    kit.apply(memory, files)
    uids = kit.uids(memory)
    assert uids["System b"] == uid
    assert uids["System c"] != uid
    kit.sound(memory)
    assert not kit.plan(memory, files, quick=False).pending


def test_the_name_of_another_source_isnt_taken_by_a_rename(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"s.yaml": kit.system("a")}, source="owner")
    plan = kit.apply(memory, {"s.yaml": kit.system("b", renamedFrom="a")}, source="other").plan
    assert kit.actions(plan) == {"System b": "create"}


def test_who_still_uses_the_old_name_is_told(kit: Kit, memory: SqlStore) -> None:
    files = kit.shop()
    kit.apply(memory, files)
    files["checks.yaml"] = [renamed(files["checks.yaml"][0], "up"), files["checks.yaml"][1]]
    [fault] = kit.faults(memory, files)
    assert fault.place is not None
    assert (fault.code, fault.place.path) == ("unresolved-reference", "systems.yaml")
    assert "System shop still refers to Check 'ready', which is gone" in fault.message


def test_history_knows_a_slice_by_its_uids(kit: Kit, memory: SqlStore) -> None:
    files = kit.shop()
    kit.apply(memory, files)
    key = next(r.key for r in memory.slice_rows() if (r.system, r.check, r.environment) == ("shop", "home", "staging"))
    files["systems.yaml"] = [renamed(files["systems.yaml"][0], "store")]
    kit.apply(memory, files)
    row = next(r for r in memory.slice_rows() if r.key == key)
    assert (row.system, row.since) == ("store", 1)
