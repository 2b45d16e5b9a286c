"""Writes made behind the back of the tool: told apart from pending changes, and mended by the next apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.flows.inspect import drift
from reconciler.flows.orphans import plan_release
from reconciler.flows.settings import Settings
from reconciler.model.plan import Action, Cause
from reconciler.model.resource import Key
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Kit

SLICE_WRITES = {
    "update": "update slice set digest = '0badc0de0badc0de0badc0de0badc0de', body = '{}' where environment <> 0",
    "one update": "update slice set digest = '00', body = '{}' where rowid_of_one",
    "body only": "update slice set body = replace(body, 'https', 'http')",
    "no digest": "update slice set digest = 'by hand', body = 'no json'",
    "delete": "delete from slice where rowid_of_one",
    "delete all": "delete from slice",
    "closed": "update slice set until = 1 where rowid_of_one",
    "moved": "update slice set environment = 99 where rowid_of_one",
    "insert": 'insert into slice select system, "check", 0, since, null, digest, body from slice where rowid_of_one',
}
_ONE = '(system, "check", environment) = (select system, "check", environment from slice where until is null limit 1)'
RESOURCE_WRITES = {
    "body and digest": "update resource set body = '{}', digest = '00' where kind = 'Check'",
    "body only": "update resource set body = replace(body, 'https', 'http') where kind = 'Check'",
    "no digest": "update resource set digest = 'by hand' where kind = 'Check'",
    "status": "update resource set status = 'orphaned' where kind = 'System' and source = 'shop'",
    "name": "update resource set name = 'elsewhere' where kind = 'System' and source = 'shop'",
    "delete": "delete from resource where kind = 'System' and source = 'shop'",
    "delete of a check": "delete from resource where kind = 'Check'",
    "delete of environments": "delete from resource where kind = 'Environment'",
    "closed": "update resource set until = 1 where kind = 'System' and source = 'shop'",
    "insert": (
        "insert into resource select 99, since, null, 'System', 'smuggled', source, path, idx, line, status, protected,"
        " digest, body, extra from resource where kind = 'System' and source = 'shop'"
    ),
}


def by_hand(store: SqlStore, sql: str) -> None:
    changed = store.db.run(sql.replace("rowid_of_one", _ONE)).rowcount
    assert changed > 0


@pytest.fixture
def applied(kit: Kit, memory: SqlStore) -> SqlStore:
    kit.apply(memory, kit.shop())
    kit.apply(memory, {"other.yaml": kit.system("other")}, source="other")
    return memory


@pytest.mark.parametrize("deletion", ["orphan", "delete"])
@pytest.mark.parametrize("what", SLICE_WRITES)
def test_a_slice_written_by_hand_is_drift_and_is_mended(kit: Kit, applied: SqlStore, what: str, deletion: str) -> None:
    before, uids = kit.slices(applied), kit.uids(applied)
    by_hand(applied, SLICE_WRITES[what])
    assert drift(applied).drifted
    settings = Settings(deletion="delete" if deletion == "delete" else "orphan")
    plan = kit.plan(applied, kit.shop(), settings=settings)
    assert plan.pending
    assert plan.drifted
    assert not plan.changed, plan.slices
    assert plan.resources == ()
    kit.apply(applied, kit.shop(), settings=settings)
    kit.sound(applied)
    assert (kit.slices(applied), kit.uids(applied)) == (before, uids)
    assert not drift(applied).drifted
    assert not kit.plan(applied, kit.shop()).pending


@pytest.mark.parametrize("deletion", ["orphan", "delete"])
@pytest.mark.parametrize("what", RESOURCE_WRITES)
def test_a_resource_written_by_hand_is_drift_and_is_mended(
    kit: Kit, applied: SqlStore, what: str, deletion: str
) -> None:
    before, uids = kit.slices(applied), kit.uids(applied)
    by_hand(applied, RESOURCE_WRITES[what])
    assert drift(applied).drifted
    settings = Settings(deletion="delete" if deletion == "delete" else "orphan")
    plan = kit.plan(applied, kit.shop(), settings=settings)
    assert plan.pending
    assert plan.drifted
    assert not plan.changed, [*plan.resources, *plan.slices]
    kit.apply(applied, kit.shop(), settings=settings)
    kit.sound(applied)
    assert kit.uids(applied) == uids, "identity, and with it history, is kept"
    assert kit.slices(applied) == before
    assert not drift(applied).drifted
    assert not kit.plan(applied, kit.shop()).pending


def test_drift_and_change_at_once_are_told_apart(kit: Kit, applied: SqlStore) -> None:
    by_hand(applied, "update slice set body = '{}', digest = '00' where \"check\" = 2 and environment = 3")
    files = kit.shop()
    files["systems.yaml"].append(kit.system("new", ["staging"], ["ready"]))
    plan = kit.plan(applied, files)
    assert plan.drifted
    assert plan.changed
    assert {(c.action, c.cause) for c in plan.slices} == {
        (Action.CREATE, Cause.CHANGE),
        (Action.UPDATE, Cause.DRIFT),
    }
    kit.apply(applied, files)
    kit.sound(applied)


def test_what_is_written_over_by_a_change_in_git_is_a_change(kit: Kit, applied: SqlStore) -> None:
    by_hand(applied, "update slice set body = '{}', digest = '00'")
    plan = kit.plan(applied, kit.shop(url="https://new.example.net"))
    by_cause = {cause: sum(c.cause is cause for c in plan.slices) for cause in Cause}
    assert by_cause == {Cause.CHANGE: 2, Cause.DRIFT: 2, Cause.REWRITE: 0}


def test_a_write_that_was_put_back_is_no_drift(kit: Kit, applied: SqlStore) -> None:
    body = applied.db.run("select body from slice limit 1").fetchone()[0]
    by_hand(applied, "update slice set body = '{}' where rowid_of_one")
    applied.db.run("update slice set body = ? where body = '{}'", (body,))
    applied.db.run("insert into slice values (1, 1, 77, 1, null, '00', '')")
    applied.db.run("delete from slice where environment = 77")
    row = applied.db.run("select * from slice limit 1").fetchone()
    by_hand(applied, "delete from slice where rowid_of_one")
    applied.db.run("insert into slice values (?, ?, ?, ?, ?, ?, ?)", row)
    assert not drift(applied).drifted
    assert not kit.plan(applied, kit.shop()).pending
    kit.apply(applied, kit.shop())
    assert applied.outside_count() == 0


def test_drift_names_what_was_written_and_the_fields(kit: Kit, applied: SqlStore) -> None:
    by_hand(applied, "update slice set body = replace(body, '30000', '5') where rowid_of_one")
    row = next(r for r in drift(applied).rows if r.op == "update")
    assert row.what.startswith("slice shop/")
    assert [(f.path, f.new) for f in row.fields if f.path.endswith(("interval", "timeout"))]


def test_drift_belongs_to_its_source_alone(kit: Kit, applied: SqlStore) -> None:
    by_hand(applied, "update slice set body = '{}'")
    assert not kit.plan(applied, {"other.yaml": kit.system("other")}, source="other").pending
    changed = {"other.yaml": kit.system("other", fields={"a": 1})}
    kit.apply(applied, changed, source="other")
    plan = kit.plan(applied, kit.shop())
    assert plan.drifted
    assert not plan.changed
    kit.apply(applied, kit.shop())
    kit.sound(applied)


def test_drift_after_a_takeover_belongs_to_the_new_owner(kit: Kit, applied: SqlStore) -> None:
    files = kit.shop()
    kept = {**files, "systems.yaml": []}
    kit.apply(applied, kept)
    mine = {"systems.yaml": files["systems.yaml"]}
    kit.apply(applied, mine, source="taker")
    by_hand(applied, "update slice set body = '{}', digest = '00'")
    assert not kit.plan(applied, kept).pending
    assert kit.plan(applied, mine, source="taker").drifted
    kit.apply(applied, mine, source="taker")
    kit.sound(applied)


def test_a_write_between_plan_and_apply_is_found_by_the_next_plan(kit: Kit, applied: SqlStore) -> None:
    changed = kit.shop(url="https://new.example.net")
    plan = kit.plan(applied, changed)
    by_hand(applied, "update slice set body = '{}', digest = '00' where \"check\" = 1")
    kit.commit(applied, plan)
    assert kit.plan(applied, changed).drifted
    kit.apply(applied, changed)
    kit.sound(applied)


def test_ending_an_orphan_doesnt_forget_drift(kit: Kit, applied: SqlStore) -> None:
    files = kit.shop()
    kit.apply(applied, {**files, "more.yaml": kit.system("more")})
    kit.apply(applied, files)
    by_hand(applied, "update slice set body = '{}', digest = '00'")
    kit.commit(applied, plan_release(applied, [Key("System", "more")]))
    assert kit.plan(applied, files).drifted
    kit.apply(applied, files)
    assert kit.plan(applied, files).pending is False
    assert drift(applied).rows == ()


@pytest.mark.parametrize("sql", ["update slice set body = '{}', digest = '00'", "delete from slice"])
def test_drift_of_an_orphan_is_mended_as_it_was(kit: Kit, applied: SqlStore, sql: str) -> None:
    files = kit.shop()
    before = kit.slices(applied)
    kept = {**files, "systems.yaml": []}
    kit.apply(applied, kept)
    by_hand(applied, sql)
    plan = kit.plan(applied, kept)
    assert plan.drifted
    assert not plan.changed
    kit.apply(applied, kept)
    kit.sound(applied)
    assert kit.slices(applied) == before
