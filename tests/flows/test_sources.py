"""Several sources in one store: who owns what, and who needs what of whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.flows.plan import Options, make_plan
from reconciler.flows.settings import Settings
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Kit

DELETE = Settings(deletion="delete")


@pytest.fixture
def base(kit: Kit, memory: SqlStore) -> SqlStore:
    """Source ``base`` brings environments and checks, source ``team`` the system that uses them."""
    shop = kit.shop()
    kit.apply(memory, {**shop, "systems.yaml": []}, source="base")
    kit.apply(memory, {"systems.yaml": shop["systems.yaml"]}, source="team")
    return memory


def test_a_name_has_one_owner(kit: Kit, memory: SqlStore) -> None:
    kit.apply(
        memory, {"a.yaml": "\n# where it stands\n" + "{apiVersion: gitops/v2, kind: System, metadata: {name: a}}"}
    )
    [fault] = kit.faults(memory, {"mine.yaml": kit.system("a")}, source="other")
    assert (fault.code, str(fault.place)) == ("owned-elsewhere", "mine.yaml:1:68")
    assert fault.message == "System a belongs to source shop (a.yaml:3)"
    assert memory.generation() == 1


def test_a_change_in_one_source_renders_the_slices_of_another(kit: Kit, base: SqlStore) -> None:
    changed = {**kit.shop(), "systems.yaml": []}
    changed["environments.yaml"] = [
        kit.environment("production", url="https://moved.example.net"),
        changed["environments.yaml"][1],
    ]
    plan = kit.apply(base, changed, source="base").plan
    assert plan.counts == {"resources": {"update": 1}, "slices": {"update": 1}}
    assert kit.urls(base)["shop/ready/production"] == "https://moved.example.net/ready"
    team = {"systems.yaml": kit.shop()["systems.yaml"]}
    assert not kit.plan(base, team, source="team", quick=False).pending
    kit.sound(base)


def test_a_parent_in_another_source_reaches_down(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"e.yaml": kit.environment("parent", url="https://one.example.net")}, source="base")
    team = {
        "e.yaml": kit.environment("child", "parent"),
        "c.yaml": kit.check("up", "{{ environment.url }}/"),
        "s.yaml": kit.system("s", ["child"], ["up"]),
    }
    kit.apply(memory, team, source="team")
    assert kit.urls(memory) == {"s/up/child": "https://one.example.net/"}
    kit.apply(memory, {"e.yaml": kit.environment("parent", url="https://two.example.net")}, source="base")
    assert kit.urls(memory) == {"s/up/child": "https://two.example.net/"}


def test_what_another_source_needs_cant_go(kit: Kit, base: SqlStore) -> None:
    files = {**kit.shop(), "systems.yaml": []}
    files["checks.yaml"] = files["checks.yaml"][1:]
    [fault] = kit.faults(base, files, source="base", settings=DELETE)
    assert fault.code == "unresolved-reference"
    assert fault.message == "System shop still refers to Check 'ready', which is gone (in source team)"
    kit.apply(base, {"systems.yaml": kit.system("shop", ["production"], ["home"])}, source="team")
    assert kit.actions(kit.apply(base, files, source="base", settings=DELETE).plan) == {"Check ready": "delete"}
    kit.sound(base)


def test_a_change_that_breaks_a_slice_of_another_source_names_it(kit: Kit, base: SqlStore) -> None:
    files = {**kit.shop(), "systems.yaml": []}
    files["environments.yaml"] = [kit.environment("production"), files["environments.yaml"][1]]
    faults = kit.faults(base, files, source="base")
    assert [f.code for f in faults] == ["template-undefined"]
    assert "environment production" in faults[0].message
    assert "system shop" in faults[0].message
    assert "team" in faults[0].message, "the owner of the slice"


def test_a_faulty_template_of_another_source_isnt_placed_in_this_one(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": kit.environment("e", url="https://x.example.net")}, source="base")
    team = {"a.yaml": [kit.check("up", "{{ environment.url }}/"), kit.system("s", ["e"], ["up"])]}
    kit.apply(memory, team, source="team")
    [fault] = kit.faults(memory, {"a.yaml": kit.environment("e")}, source="base")
    assert "source team" in fault.message
    assert fault.excerpt is None


def test_references_over_sources_are_checked_against_the_store(kit: Kit, memory: SqlStore) -> None:
    team = {"systems.yaml": kit.shop()["systems.yaml"]}
    faults = kit.faults(memory, team, source="team", settings=Settings(external={"Check": ("ready", "home")}))
    assert sorted(f.message for f in faults) == [
        "there is no Check named 'home'",
        "there is no Check named 'ready'",
        "there is no Environment named 'production'",
        "there is no Environment named 'staging'",
    ]


def test_offline_external_names_are_taken_as_given(kit: Kit, memory: SqlStore) -> None:
    files = kit.files({"systems.yaml": kit.shop()["systems.yaml"]})
    settings = Settings(external={"Check": ("ready", "home"), "Environment": ("production",)})
    options = Options(force=True, trust_external=True)
    with pytest.raises(Exception, match="1 error in the documents"):
        make_plan(files, settings, memory, options=options)
    settings = Settings(external={"Check": ("ready", "home"), "Environment": ("production", "staging")})
    plan = make_plan(files, settings, memory, options=options)
    assert kit.actions(plan) == {"System shop": "create"}
    assert plan.slices == (), "what isn't known can't be rendered"


def test_each_source_keeps_its_own_files_of_the_same_name(kit: Kit, memory: SqlStore) -> None:
    for source in ("one", "two"):
        kit.apply(memory, {"a.yaml": kit.system(source)}, source=source)
    plan = kit.apply(memory, {"b.yaml": kit.system("one")}, source="one").plan
    assert kit.actions(plan) == {}
    assert not kit.plan(memory, {"a.yaml": kit.system("two")}, source="two", quick=False).pending
    kit.sound(memory)


def test_moving_a_document_between_sources_in_two_steps(kit: Kit, base: SqlStore) -> None:
    """Out of one source it is an orphan that nobody may need, into the other it is adopted."""
    uids = kit.uids(base)
    kit.apply(base, {"none.yaml": kit.system("other")}, source="team")
    plan = kit.apply(base, kit.shop(), source="base").plan
    assert kit.actions(plan) == {"System shop": "move"}
    assert {k: v for k, v in kit.uids(base).items() if k in uids} == uids
    assert (plan.totals.resources, plan.totals.slices) == base.counts("base")


def test_the_sources_of_a_store(kit: Kit, base: SqlStore) -> None:
    assert [s.name for s in base.sources()] == ["base", "team"]
    assert base.counts() == (5, 4)
    assert base.counts("base") == (4, 0)
    assert base.counts("team") == (1, 4)
