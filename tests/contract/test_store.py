"""What every store does. A new one is added to ``case`` and passes the whole file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from reconciler.base.canonical import digest
from reconciler.base.errors import LockHeld, StalePlan
from reconciler.flows.settings import Settings
from reconciler.model.plan import Action, BlobChange, Plan, ResourceChange, SliceChange, Totals
from reconciler.model.resource import Hole, Key, Reference, Resource
from reconciler.model.slice import SliceKey
from reconciler.store.open import open_store
from reconciler.store.port import Mismatch, Writer

if TYPE_CHECKING:
    from tests.conftest import Kit


class Case(NamedTuple):
    """A store, plain SQL past it, and another store on the same data where there can be one."""

    store: Writer
    sql: Callable[..., list[tuple[Any, ...]]]
    again: Callable[[], Writer] | None


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def case(request: pytest.FixtureRequest, tmp_path: Path, sql: Callable[..., list[tuple[Any, ...]]]) -> Iterator[Case]:
    if request.param == "memory":
        memory = open_store(":memory:")
        yield Case(memory, lambda text, *values: memory.db.run(text, values).fetchall(), None)
        memory.close()
        return
    path = str(tmp_path / "store.db") if request.param == "sqlite" else request.getfixturevalue("postgres_store")
    opened = [open_store(path)]

    def again() -> Writer:
        opened.append(open_store(path))
        return opened[-1]

    yield Case(opened[0], lambda text, *values: sql(path, text, *values), again)
    for each in opened:
        each.close()


shared = pytest.mark.parametrize("case", ["sqlite", "postgresql"], indirect=True)
"""For what needs two users of one store: a store in memory has one."""


@pytest.fixture
def store(case: Case) -> Writer:
    return case.store


@pytest.fixture
def shop(kit: Kit, store: Writer) -> Writer:
    kit.apply(store, kit.shop())
    return store


def resource(
    name: str = "a", *, kind: str = "System", source: str = "src", body: bytes = b"{}", **more: Any
) -> Resource:
    return Resource(Key(kind, name), source, f"{name}.yaml", 0, 1, body, digest(body), **more)


def plan(base: int = 0, **parts: Any) -> Plan:
    whole: dict[str, Any] = {"source": "src", "kind": "apply", "commit": "c" * 40, "tree": "t", "inputs": "i"}
    return Plan(**{**whole, "base": base, "resources": (), "slices": (), **parts})


def create(uid: int, new: Resource) -> ResourceChange:
    return ResourceChange(Action.CREATE, uid, None, new)


def commit(store: Writer, made: Plan) -> int:
    return store.apply(made, actor="ada", host="ci", started=time.monotonic())


# -- positions and generations -----------------------------------------------------------------------------------------


def test_an_empty_store_has_nothing(store: Writer) -> None:
    assert (store.generation(), store.next_uid(), store.counts()) == (0, 1, (0, 0))
    assert store.source("shop") is None
    assert store.sources() == []
    assert list(store.resources()) == list(store.resources_at(0)) == store.orphans() == []
    assert list(store.slice_rows()) == list(store.slice_rows(0)) == []
    assert (store.slice_digests(), store.slices([]), store.names()) == ({}, {}, {})
    assert (store.blobs("shop"), store.blob_notes("shop"), store.count_documents("shop")) == ({}, [], (0, 0, 0))
    assert (store.outside(), store.outside_count(), store.mismatches(), store.history()) == ([], 0, [], [])
    assert (store.grants("shop"), store.setting("x")) == ([], None)
    assert store.seal_holds()


def test_each_apply_is_the_next_generation(store: Writer) -> None:
    for n in range(1, 4):
        assert commit(store, plan(n - 1, resources=(create(n, resource(f"r{n}")),), note=f"no {n}")) == n
        assert store.generation() == n
    rows = store.history()
    assert [(r.n, r.parent, r.note) for r in rows] == [(3, 2, "no 3"), (2, 1, "no 2"), (1, None, "no 1")]
    assert store.history(1) == rows[:1]
    assert store.history(0) == []
    row = rows[0]
    assert (row.actor, row.host, row.kind, row.source, row.commit, row.tree) == (
        "ada", "ci", "apply", "src", "c" * 40, "t",
    )  # fmt: skip
    assert row.counts == {"resources": {"create": 1}, "slices": {}}
    assert 0 <= row.duration_ms < 60_000
    assert abs(row.at - time.time()) < 120, "epoch seconds"


def test_a_plan_for_another_generation_is_stale(store: Writer) -> None:
    commit(store, plan(resources=(create(1, resource()),)))
    for base in (0, 2, 99):
        with pytest.raises(StalePlan) as caught:
            commit(store, plan(base, resources=(create(2, resource("b")),)))
        assert (caught.value.base, caught.value.now) == (base, 1)
        with pytest.raises(StalePlan):
            commit(store, plan(base))
    assert (store.generation(), store.counts()) == (1, (1, 0))


def test_a_failing_apply_leaves_nothing(case: Case) -> None:
    store = case.store
    commit(store, plan(resources=(create(1, resource()),)))
    twice = SliceChange(Action.CREATE, SliceKey(1, 2, 3), "", digest(b"{}"), b"{}")
    broken = plan(1, resources=(create(2, resource("b")),), slices=(twice, twice), blobs=(blob("b.yaml"),))
    with pytest.raises(Exception, match=r"(?i)unique"):
        commit(store, broken)
    assert (store.generation(), store.counts(), store.blobs("src")) == (1, (1, 0), {})
    assert store.seal_holds()
    case.sql("delete from resource")
    assert store.outside_count() == 1, "the journal is on again"


def blob(path: str, sha: str = "s", documents: int = 1, passed: int = 0, warnings: bytes = b"") -> BlobChange:
    return BlobChange(path, sha, documents, passed, warnings)


def test_a_plan_with_nothing_pending_moves_the_position_alone(store: Writer) -> None:
    first = resource()
    commit(store, plan(resources=(create(1, first),), blobs=(blob("a.yaml"),)))
    [old] = store.resources()
    moved = first._replace(path="b.yaml", nth=2, line=30, references=(Reference("Group", "g", ("spec",)),))
    keep = ResourceChange(Action.KEEP, 1, old, moved)
    totals = Totals(files=1, documents=2, passed_over=3, resources=4, slices=5)
    later = plan(
        1, commit="d" * 40, tree="u", inputs="j", hold="h", resources=(keep,), totals=totals,
        blobs=(blob("a.yaml", ""), blob("b.yaml", "z")),
    )  # fmt: skip
    assert not later.pending
    assert commit(store, later) == 1
    assert len(store.history()) == 1
    row = store.source("src")
    assert row is not None
    assert (row.name, row.commit, row.tree, row.inputs, row.held) == ("src", "d" * 40, "u", "j", "h")
    assert row.totals == {"files": 1, "documents": 2, "passed_over": 3, "resources": 4, "slices": 5}
    assert abs(row.at - time.time()) < 120
    assert store.blobs("src") == {"b.yaml": "z"}
    [now] = store.resources()
    assert (now.since, now.resource) == (1, moved)
    assert list(store.referrers([Key("Group", "g")])) == [(1, moved.key, moved.references[0])]
    assert store.seal_holds()


def test_sources_are_listed_by_name(store: Writer) -> None:
    for name in ("b", "a", "c"):
        commit(store, plan(source=name))
    assert [s.name for s in store.sources()] == ["a", "b", "c"]


def test_uids_are_never_given_twice(kit: Kit, store: Writer) -> None:
    seen: set[int] = set()
    for n in range(4):
        kit.apply(store, {"a.yaml": kit.system(f"n{n}")}, settings=Settings(deletion="delete"), force=True)
        [uid] = kit.uids(store).values()
        assert uid not in seen
        seen.add(uid)
        assert store.next_uid() > max(seen)


# -- resources ---------------------------------------------------------------------------------------------------------


def test_a_resource_comes_back_as_it_was(store: Writer) -> None:
    whole = Resource(
        Key("Check", "é"), "src", "ö/ü.yaml", 3, 44, '{"a":"☃"}'.encode(), digest('{"a":"☃"}'.encode()),
        (Reference("Group", "g", ("spec", "x", 0)), Reference("Group", "g", ("spec", "x", 1), lenient=True)),
        (Hole(("spec", 0, "url"), "{{ a }}", "url"),), ("S1", "S2"), protected=True, renamed_from="old",
    )  # fmt: skip
    plain = resource("plain")
    commit(store, plan(resources=(create(7, whole), create(9, plain))))
    found = {s.uid: s for s in store.resources()}
    assert {uid: s.resource for uid, s in found.items()} == {7: whole, 9: plain}
    assert {(s.status, s.since) for s in found.values()} == {("active", 1)}
    assert store.next_uid() == 10


def test_resources_are_found_by_key_source_and_path(store: Writer) -> None:
    mine = [resource("a"), resource("b"), resource("a", kind="Check")]
    commit(store, plan(resources=tuple(create(n, r) for n, r in enumerate(mine, 1))))
    commit(store, plan(1, source="other", resources=(create(9, resource("z", source="other")),)))

    def names(**how: Any) -> list[str]:
        return sorted(str(s.resource.key) for s in store.resources(**how))

    assert names() == ["Check a", "System a", "System b", "System z"]
    assert names(keys=[Key("System", "a"), Key("System", "z"), Key("System", "nobody")]) == ["System a", "System z"]
    assert names(keys=[]) == []
    assert names(source="src") == ["Check a", "System a", "System b"]
    assert names(source="src", paths=["a.yaml"]) == ["Check a", "System a"]
    assert names(source="src", paths=[]) == []
    assert names(source="other", paths=["a.yaml"]) == []
    assert names(source="nobody") == []


@pytest.mark.parametrize("n", [1, 299, 300, 301, 3001])
def test_any_number_of_keys_can_be_asked_for(store: Writer, n: int) -> None:
    made = [resource(f"r{i}") for i in range(n)]
    slices = tuple(SliceChange(Action.CREATE, SliceKey(i, 1, 0), "", digest(b"1"), b"1") for i in range(1, n + 1))
    commit(store, plan(resources=tuple(create(i, r) for i, r in enumerate(made, 1)), slices=slices))
    uids = range(1, n + 1)
    assert len(list(store.resources(keys=[r.key for r in made]))) == n
    assert len(list(store.resources(source="src", paths=[r.path for r in made]))) == n
    assert len(store.names(uids)) == n
    assert len(store.slice_digests(uids)) == n
    assert len(store.slices([c.key for c in slices])) == n
    assert len(store.slice_bodies(1, keys=[c.key for c in slices])) == n


def test_rows_live_from_one_generation_to_another(store: Writer) -> None:
    one, two = resource(body=b"1"), resource(body=b"2")
    commit(store, plan(resources=(create(1, one), create(2, resource("gone")))))
    old = {s.uid: s for s in store.resources()}
    commit(store, plan(1, resources=(ResourceChange(Action.UPDATE, 1, old[1], two),)))
    now = {s.uid: s for s in store.resources()}
    orphan = ResourceChange(Action.ORPHAN, 1, now[1], None)
    commit(store, plan(2, resources=(orphan, ResourceChange(Action.DELETE, 2, now[2], None))))
    found = [[(s.uid, s.status, s.resource.body, s.since) for s in store.resources_at(n)] for n in range(5)]
    assert found[0] == []
    assert sorted(found[1]) == [(1, "active", b"1", 1), (2, "active", b"{}", 1)]
    assert sorted(found[2]) == [(1, "active", b"2", 2), (2, "active", b"{}", 1)]
    assert found[3] == found[4] == [(1, "orphaned", b"2", 3)]
    assert [s.uid for s in store.resources_at(1, "src")] == [s.uid for s in store.resources_at(1)]
    assert list(store.resources_at(1, "other")) == []
    assert [o.uid for o in store.orphans()] == [1]
    assert store.names() == {1: Key("System", "a"), 2: Key("System", "gone")}, "those of the dead are kept"
    assert store.counts() == (1, 0)
    assert store.seal_holds()


def test_names_are_the_newest(store: Writer) -> None:
    commit(store, plan(resources=(create(1, resource("a")),)))
    [old] = store.resources()
    commit(store, plan(1, resources=(ResourceChange(Action.MOVE, 1, old, resource("b")),)))
    assert store.names() == store.names([1]) == {1: Key("System", "b")}
    assert store.names([5]) == {}
    assert list(store.resources(keys=[Key("System", "a")])) == []


def test_edges_follow_their_resources(store: Writer) -> None:
    to = [Reference("Check", "c", ("spec", "checks", i, "check")) for i in range(2)]
    user = resource("user", references=(*to, Reference("Group", "g", ("x",), lenient=True)))
    commit(store, plan(resources=(create(1, user), create(2, resource("c", kind="Check", references=to[:1])))))
    check = Key("Check", "c")
    assert sorted(r[0] for r in store.referrers([check])) == [1, 1, 2]
    assert [r[:2] for r in store.referrers([check], "System")] == [(1, user.key)] * 2
    assert list(store.referrers([])) == list(store.referrers([Key("Group", "c")])) == []
    [(_, _, lenient)] = store.referrers([Key("Group", "g")])
    assert lenient == user.references[2]
    old = {s.uid: s for s in store.resources()}
    commit(store, plan(1, resources=(ResourceChange(Action.UPDATE, 1, old[1], resource("user", references=to[1:])),)))
    assert sorted((r[0], r[2].path[2]) for r in store.referrers([check])) == [(1, 1), (2, 0)]
    old = {s.uid: s for s in store.resources()}
    changes = (
        ResourceChange(Action.ORPHAN, 2, old[2], None),
        ResourceChange(Action.DELETE, 1, old[1], None),
    )
    commit(store, plan(2, resources=changes))
    assert [r[0] for r in store.referrers([check])] == [2], "an orphan still refers, the dead don't"


# -- slices ------------------------------------------------------------------------------------------------------------


def test_slices_of_any_generation(kit: Kit, shop: Writer) -> None:
    kit.apply(shop, kit.shop(url="https://two.example.net/"))
    kit.apply(shop, {**kit.shop(), "systems.yaml": []}, settings=Settings(deletion="delete"))
    assert kit.urls(shop, 1)["shop/ready/staging"] == "https://s.example.net/ready"
    assert kit.urls(shop, 2)["shop/ready/staging"] == "https://two.example.net/"
    assert kit.urls(shop, 3) == kit.urls(shop) == kit.urls(shop, 0) == {}
    assert [len(list(shop.slice_rows(n))) for n in range(4)] == [0, 4, 4, 0]
    for n, row in ((when, r) for when in (1, 2) for r in shop.slice_rows(when)):
        assert row.source == "shop"
        assert digest(row.body) == row.digest
        assert shop.slice_bodies(n, keys=[row.key]) == {row.key: row.body}
        assert row.since == (2 if n == 2 and row.check == "ready" else 1)
    names = [(r.system, r.check, r.environment) for r in shop.slice_rows(1)]
    assert names == sorted(names)


def test_changes_of_slices_of_a_generation(kit: Kit, shop: Writer) -> None:
    first = shop.slice_digests()
    assert list(shop.slice_changes(1)) == [(k, "", d, "create") for k, d in sorted(first.items())]
    files = kit.shop(url="https://two.example.net/")
    files["systems.yaml"] = [kit.system("shop", ["staging"], ["ready", {"check": "home", "environments": []}])]
    kit.apply(shop, files)
    second = shop.slice_digests()
    changes = {k: (old, new, kind) for k, old, new, kind in shop.slice_changes(2)}
    assert sorted(kind for _, _, kind in changes.values()) == ["create", "delete", "delete", "delete", "update"]
    for key, (old, new, _) in changes.items():
        assert (old, new) == (first.get(key, ""), second.get(key, ""))
    assert list(shop.slice_changes(3)) == []


def test_slices_by_system_and_by_key(shop: Writer) -> None:
    all_of_them = shop.slice_digests()
    [system] = {k.system for k in all_of_them}
    assert shop.slice_digests([system]) == all_of_them
    assert shop.slice_digests([]) == shop.slice_digests([system + 1]) == {}
    key = next(iter(all_of_them))
    [found] = shop.slices([key, SliceKey(9, 9, 9)]).values()
    assert (found.key, found.digest, digest(found.body)) == (key, all_of_them[key], all_of_them[key])
    assert (shop.counts(), shop.counts("shop"), shop.counts("other")) == ((5, 4), (5, 4), (0, 0))


# -- blobs, grants, settings -------------------------------------------------------------------------------------------


def test_blobs_are_written_replaced_removed_and_forgotten(store: Writer) -> None:
    commit(store, plan(blobs=(blob("a"), blob("b", documents=2, passed=1, warnings=b"[1]"), blob("c", passed=4))))
    commit(store, plan(source="other", blobs=(blob("a", "else"),)))
    assert store.blobs("src") == {"a": "s", "b": "s", "c": "s"}
    assert store.blob_notes("src") == [("b", 2, 1, "[1]")]
    assert store.count_documents("src") == (3, 4, 5)
    assert store.count_documents("src", ["b", "c", "nothing"]) == (2, 3, 5)
    assert store.count_documents("src", []) == (0, 0, 0)
    commit(store, plan(blobs=(blob("a", "new"), blob("b", "two"), blob("c", ""))))
    assert store.blobs("src") == {"a": "new", "b": "two"}
    assert store.blob_notes("src") == [], "warnings that are no more are gone"
    commit(store, plan(blobs=(blob("z"),), forget_blobs=True))
    assert store.blobs("src") == {"z": "s"}
    assert store.blobs("other") == {"a": "else"}


def test_grants(store: Writer) -> None:
    for _ in range(2):
        store.grant("src", "secret", "DB_*", actor="ada")
    store.grant("src", "permission", "notify", actor="ada")
    store.grant("other", "secret", "*", actor="ada")
    assert store.grants("src") == [("permission", "notify"), ("secret", "DB_*")]
    assert store.revoke("src", "secret", "DB_*")
    assert not store.revoke("src", "secret", "DB_*")
    assert store.grants("src") == [("permission", "notify")]
    assert store.grants("other") == [("secret", "*")]
    assert store.generation() == 0


def test_settings(store: Writer) -> None:
    store.set_setting("a", "1")
    store.set_setting("a", "2")
    store.set_setting("b", "")
    assert (store.setting("a"), store.setting("b"), store.setting("c")) == ("2", "", None)


# -- writes made outside an apply --------------------------------------------------------------------------------------


def test_an_apply_is_no_write_from_outside(kit: Kit, shop: Writer) -> None:
    kit.apply(shop, kit.shop(url="https://two.example.net/"))
    kit.apply(shop, {**kit.shop(), "systems.yaml": []})
    shop.set_setting("a", "b")
    assert (shop.outside(), shop.outside_count()) == ([], 0)


def test_writes_from_outside_are_kept_with_what_was_there(case: Case, shop: Writer) -> None:
    before = {s.resource.key: s for s in shop.resources()}
    row = next(iter(shop.slice_rows()))
    case.sql("update resource set body = '{\"x\":1}' where kind = 'System'")
    case.sql('delete from slice where system = ? and "check" = ? and environment = ?', *row.key)
    case.sql("insert into slice values (?, 98, 99, 1, null, 'd', 'b')", row.key.system)
    found = shop.outside()
    system = before[Key("System", "shop")]
    assert [(w.table, w.op, w.uid, w.check, w.environment, w.digest, w.body) for w in found] == [
        ("resource", "update", system.uid, 0, 0, system.resource.digest, system.resource.body.decode()),
        ("slice", "delete", *row.key, row.digest, row.body.decode()),
        ("slice", "insert", row.key.system, 98, 99, "d", "b"),
    ]
    assert (found[0].kind, found[0].name, found[0].status) == ("System", "shop", "active")
    assert {w.source for w in found} == {"shop"}
    assert all(abs(w.at - time.time()) < 120 for w in found)
    assert (shop.outside_count(), shop.outside_count("shop"), shop.outside_count("other")) == (3, 3, 0)
    assert (shop.outside("shop"), shop.outside("other")) == (found, [])
    assert shop.mismatches() == [
        Mismatch("resource", system.uid, 0, 0),
        Mismatch("slice", row.key.system, 98, 99),
    ]
    assert not shop.seal_holds()


def test_a_row_that_moves_is_told_at_both_ends(case: Case, shop: Writer) -> None:
    case.sql("update slice set environment = environment + 50 where environment = (select max(environment) from slice)")
    ops = [(w.op, w.environment) for w in shop.outside()]
    assert sorted(op for op, _ in ops) == ["insert", "insert", "update", "update"]
    assert {e > 50 for op, e in ops if op == "insert"} == {True}
    assert not shop.seal_holds()
    assert shop.mismatches() == []


def test_what_is_history_is_nobodys_drift(kit: Kit, case: Case, shop: Writer) -> None:
    kit.apply(shop, kit.shop(url="https://two.example.net/"))
    case.sql("update slice set body = 'x' where until is not null")
    case.sql("delete from resource where until is not null")
    assert shop.outside() == []
    assert shop.seal_holds()
    case.sql(
        "update slice set until = null where until is not null and environment = (select min(environment) from slice)"
    )
    assert shop.outside_count() == 1


def test_a_plan_takes_away_the_writes_it_saw(case: Case, shop: Writer) -> None:
    for n in range(3):
        case.sql("update slice set body = ?", str(n))
    assert shop.outside_count() == 12
    commit(shop, plan(1, source="other", outside=5))
    assert shop.outside_count() == 12
    commit(shop, plan(1, source="shop", outside=5))
    assert [w.body for w in shop.outside()][-1] == "1"
    assert shop.outside_count() == 7
    commit(shop, plan(1, source="shop", outside=7))
    assert shop.outside_count() == 0


def test_what_has_no_owner_is_told_to_everybody(case: Case, shop: Writer) -> None:
    case.sql("insert into slice values (777, 1, 0, 1, null, 'd', 'b')")
    assert [w.source for w in shop.outside("shop")] == [""]
    assert shop.outside_count("other") == 1


@pytest.mark.parametrize(
    "write",
    [
        "update resource set digest = '00' where kind = 'Check'",
        "update resource set status = 'orphaned' where kind = 'Check'",
        "update slice set digest = 'no digest'",
        "delete from slice where environment = (select max(environment) from slice)",
        "delete from resource where kind = 'Check'",
        'update slice set "check" = "check" + 100',
        "update resource set uid = uid + 100 where kind = 'Check'",
    ],
)
def test_the_seal_breaks_with_any_row(case: Case, shop: Writer, write: str) -> None:
    assert shop.seal_holds()
    case.sql(write)
    assert not shop.seal_holds()


def test_a_seal_over_swapped_digests_breaks(case: Case, shop: Writer) -> None:
    rows = case.sql('select environment, digest, body from slice where "check" = (select min("check") from slice)')
    (one, d1, b1), (two, d2, b2) = rows
    if d1 == d2:
        rows = case.sql('select environment, digest, body from slice where "check" = (select max("check") from slice)')
        (one, d1, b1), (two, d2, b2) = rows
    assert d1 != d2
    case.sql("update slice set digest = ?, body = ? where environment = ? and digest = ?", d2, b2, one, d1)
    case.sql("update slice set digest = ?, body = ? where environment = ? and digest = ?", d1, b1, two, d2)
    assert shop.mismatches() == []
    assert not shop.seal_holds()


# -- several at once ---------------------------------------------------------------------------------------------------


@shared
def test_reads_in_a_snapshot_see_one_state(kit: Kit, case: Case, shop: Writer) -> None:
    assert case.again is not None
    other = case.again()
    with other.snapshot():
        before = (other.generation(), list(other.resources()), kit.slices(other), other.history())
        kit.apply(shop, kit.shop(url="https://two.example.net/"))
        with other.snapshot():
            assert (other.generation(), list(other.resources()), kit.slices(other), other.history()) == before
        assert other.generation() == 1, "an inner snapshot doesn't end the outer one"
    assert other.generation() == 2
    assert kit.slices(other) == kit.slices(shop)


@shared
def test_two_that_planned_for_one_generation_dont_both_win(kit: Kit, case: Case, shop: Writer) -> None:
    assert case.again is not None
    other = case.again()
    one = kit.plan(shop, kit.shop(url="https://one.example.net/"))
    two = kit.plan(other, kit.shop(url="https://two.example.net/"))
    commit(shop, one)
    with pytest.raises(StalePlan):
        commit(other, two)
    assert kit.urls(other)["shop/ready/staging"] == "https://one.example.net/"
    kit.sound(other)


@shared
def test_the_lock_has_one_holder_and_names_it(case: Case) -> None:
    assert case.again is not None
    other = case.again()
    with case.store.lock(actor="ada", timeout=0.0):
        started = time.monotonic()
        with pytest.raises(LockHeld, match="ada on ") as caught, other.lock(actor="bob", timeout=0.2):
            pass
        assert 0.15 < time.monotonic() - started < 5
        assert "(process " in caught.value.holder
        assert commit(other, plan()) == 0, "the lock orders applies; it doesn't keep the data right"
    with other.lock(actor="bob", timeout=0.0):
        pass


def test_a_lock_is_given_back_by_a_failure(case: Case) -> None:
    with pytest.raises(KeyError), case.store.lock(actor="ada", timeout=0.0):
        raise KeyError
    with case.store.lock(actor="bob", timeout=0.0):
        pass
