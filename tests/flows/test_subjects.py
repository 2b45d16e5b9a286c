"""Whose run it is: names, titles, intervals, and the fields of environments with their parents underneath."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.flows.subjects import Subjects
from reconciler.model.slice import SliceKey
from reconciler.sandbox.runners.variables import Subject

if TYPE_CHECKING:
    from reconciler.store.sql_writer import SqlStore
    from tests.conftest import Kit


def keys(store: SqlStore) -> dict[str, SliceKey]:
    return {f"{r.system}/{r.check}/{r.environment or '-'}": r.key for r in store.slice_rows()}


def family(kit: Kit) -> dict[str, Any]:
    return {
        "e.yaml": [
            kit.environment("base", region="eu", tier=1, nested={"a": 1}),
            kit.environment("shared", "base", tier=2),
            {
                **kit.environment("production", "shared", url="https://p.example.net", id="not this"),
                "metadata": {"name": "production", "title": "Production"},
            },
        ],
        "c.yaml": [kit.check("ready", title="Is it ready?"), kit.check("home")],
        "s.yaml": [
            kit.system("shop", ["production"], ["ready", {"check": "home", "environments": []}], title="The shop"),
        ],
    }


def test_names_titles_and_fields(store: SqlStore, kit: Kit) -> None:
    kit.apply(store, family(kit))
    found = keys(store)
    subject, fields = Subjects(store).of(found["shop/ready/production"])
    assert subject == Subject("ready", "Is it ready?", 30, "shop", "The shop", "production", "Production")
    assert fields == {
        "region": "eu",
        "tier": 2,
        "nested": {"a": 1},
        "url": "https://p.example.net",
        "id": "not this",
    }


def test_a_run_without_an_environment(store: SqlStore, kit: Kit) -> None:
    kit.apply(store, family(kit))
    subject, fields = Subjects(store).of(keys(store)["shop/home/-"])
    assert subject == Subject("home", "home", 30, "shop", "The shop")
    assert fields == {}


def test_a_new_generation_is_seen(store: SqlStore, kit: Kit) -> None:
    given = family(kit)
    kit.apply(store, given)
    subjects, key = Subjects(store), keys(store)["shop/ready/production"]
    assert subjects.of(key).fields["region"] == "eu"
    given["e.yaml"][0] = kit.environment("base", region="us", tier=1)
    kit.apply(store, given)
    assert subjects.of(key).fields["region"] == "us"


def test_what_is_gone_keeps_its_name(store: SqlStore, kit: Kit) -> None:
    from reconciler.flows.settings import Settings

    given = family(kit)
    kit.apply(store, given)
    key = keys(store)["shop/ready/production"]
    del given["c.yaml"][0]
    given["s.yaml"] = [kit.system("shop", ["production"], ["home"])]
    kit.apply(store, given, settings=Settings(deletion="delete"), force=True)
    subject, _ = Subjects(store).of(key)
    assert (subject.check_id, subject.check_name, subject.system_id) == ("ready", "ready", "shop")


def test_a_name_that_somebody_else_has_by_now_is_not_mixed_up(store: SqlStore, kit: Kit) -> None:
    from reconciler.flows.settings import Settings

    given = family(kit)
    kit.apply(store, given)
    key = keys(store)["shop/ready/production"]
    gone = {**given, "c.yaml": [kit.check("home")], "s.yaml": [kit.system("shop", ["production"], ["home"])]}
    kit.apply(store, gone, settings=Settings(deletion="delete"), force=True)
    again = {**gone, "c.yaml": [kit.check("home"), kit.check("ready", title="Another one")]}
    kit.apply(store, again)
    assert Subjects(store).of(key).subject.check_name == "ready"


def test_an_orphan_still_runs_with_its_fields(store: SqlStore, kit: Kit) -> None:
    given = family(kit)
    kit.apply(store, given)
    key = keys(store)["shop/ready/production"]
    kit.apply(store, {"other.yaml": [kit.environment("elsewhere")]}, force=True)
    assert {s.status for s in store.resources() if s.resource.key.name != "elsewhere"} == {"orphaned"}
    subject, fields = Subjects(store).of(key)
    assert subject.environment_name == "Production"
    assert fields["region"] == "eu"


def test_a_working_tree_needs_no_store(memory: SqlStore, kit: Kit) -> None:
    kit.apply(memory, family(kit))
    assert Subjects(memory).of(keys(memory)["shop/ready/production"]).subject.system_name == "The shop"


def test_ten_thousand_at_once_and_one_by_one(memory: SqlStore, kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    environments = [kit.environment(f"e{i}", number=i) for i in range(10)]
    checks = [kit.check(f"c{i}") for i in range(10)]
    systems = {
        f"s{i}.yaml": kit.system(f"s{i}", [f"e{n}" for n in range(10)], [f"c{n}" for n in range(10)])
        for i in range(100)
    }
    kit.apply(memory, {"e.yaml": environments, "c.yaml": checks, **systems})
    every = [row.key for row in memory.slice_rows()]
    assert len(every) == 10_000
    asked: list[str] = []
    run = type(memory.db).run

    def counted(db: Any, sql: str, *values: Any) -> Any:
        asked.append(sql)
        return run(db, sql, *values)

    monkeypatch.setattr(type(memory.db), "run", counted)
    subjects = Subjects(memory)
    began = time.perf_counter()
    found = subjects.many(every)
    took = time.perf_counter() - began
    assert len(found) == 10_000
    assert len(asked) < 15
    assert took < 3, "a second on a slow machine is far too much already"
    asked.clear()
    for key in every[:100]:
        assert subjects.of(key) is found[key]
    assert len(asked) == 100, "one look at the generation for each"
