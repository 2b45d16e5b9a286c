"""Plan and commit: frozen, under the lock, exactly what was reviewed, and by whom."""

from __future__ import annotations

import socket
import zlib
from typing import TYPE_CHECKING

import pytest

from reconciler.base.canonical import digest
from reconciler.base.errors import GitopsError, InvalidDocuments, LockHeld, StalePlan
from reconciler.flows import position
from reconciler.flows.apply import Actor, apply_planned, apply_reviewed
from reconciler.flows.inspect import show, status
from reconciler.flows.settings import Settings
from reconciler.model.plan import Action, Cause, Plan, ResourceChange, SliceChange
from reconciler.plan.explain import resource_stories, slice_stories
from reconciler.plan.file import load_plan, plan_digest, save
from reconciler.store.open import open_store
from reconciler.store.sql_writer import SqlStore

if TYPE_CHECKING:
    from tests.conftest import Kit

ADA = Actor("ada", "here")


def test_the_first_apply_and_the_same_again(kit: Kit, memory: SqlStore) -> None:
    done = kit.apply(memory, kit.shop())
    assert (done.generation, done.committed) == (1, True)
    assert done.plan.counts == {"resources": {"create": 5}, "slices": {"create": 4}}
    again = kit.apply(memory, kit.shop())
    assert (again.generation, again.committed) == (1, False)
    assert len(memory.history()) == 1


def test_one_file_that_changed_is_all_that_is_read(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    files = kit.files({**kit.shop(), "systems.yaml": kit.system("shop", ["staging"], ["ready"])})
    plan = kit.plan(memory, files)
    assert (files.reads, plan.reread) == (["systems.yaml"], 1)
    assert plan.counts == {"resources": {"update": 1}, "slices": {"delete": 3}}


def test_a_document_that_moves_makes_no_generation(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    files = kit.shop()
    moved = {"deep/all.yaml": [d for documents in files.values() for d in documents]}
    done = kit.apply(memory, moved)
    assert (done.generation, done.committed) == (1, False)
    assert all(c.action is Action.KEEP for c in done.plan.resources)
    assert {s.resource.path for s in memory.resources()} == {"deep/all.yaml"}
    row = memory.source("shop")
    assert row is not None
    assert row.commit == kit.files(moved).commit


def test_deletions_come_first_in_a_plan(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, {"a.yaml": [kit.system(n) for n in "cdef"]})
    files = {"a.yaml": [kit.system("b"), kit.system("c", title="C"), kit.system("g", renamedFrom="d"), kit.system("e")]}
    plan = kit.plan(memory, files, settings=Settings(deletion="delete"))
    assert [c.action.value for c in plan.resources if c.action is not Action.KEEP] == [
        "delete",
        "move",
        "update",
        "create",
    ]


def test_a_question_is_asked_only_when_something_is_pending(kit: Kit, memory: SqlStore) -> None:
    asked = []

    def confirm(plan: object) -> bool:
        asked.append(plan)
        return len(asked) > 1

    def go() -> bool:
        return apply_planned(
            memory, lambda: kit.plan(memory, kit.shop()), actor=ADA, lock_timeout=0.0, confirm=confirm
        ).committed

    assert [go(), memory.generation()] == [False, 0]
    assert memory.source("shop") is None
    assert [go(), memory.generation()] == [True, 1]
    assert [go(), len(asked)] == [False, 2]


def test_the_history_tells_who_what_and_how_long(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop(), actor=ADA)
    kit.apply(memory, kit.shop(url="https://new.example.net/"), actor=Actor("bob", "there"))
    rows = memory.history()
    assert [(r.actor, r.host, r.kind, r.source) for r in rows] == [
        ("bob", "there", "apply", "shop"),
        ("ada", "here", "apply", "shop"),
    ]
    assert rows[0].counts == {"resources": {"update": 1}, "slices": {"update": 2}}
    assert 0 < rows[0].duration_ms < 60_000


@pytest.mark.parametrize("variable", ["GITOPS_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"])
def test_who_applies(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for each in ("GITOPS_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
        monkeypatch.delenv(each, raising=False)
    assert Actor.here().name
    monkeypatch.setenv(variable, "robot")
    assert Actor.here() == Actor("robot", socket.gethostname())


def test_an_account_without_a_name_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError

    for each in ("GITOPS_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setattr("getpass.getuser", nameless)
    assert Actor.here().name.startswith("uid ")


# -- saved plans -------------------------------------------------------------------------------------------------------


def test_a_saved_plan_applies_exactly_itself(kit: Kit, memory: SqlStore) -> None:
    plan = load_plan(save(kit.plan(memory, kit.shop())))
    assert apply_reviewed(memory, plan, actor=ADA, lock_timeout=0.0).generation == 1
    cold = open_store(":memory:")
    kit.apply(cold, kit.shop())
    assert kit.slices(memory) == kit.slices(cold)
    assert list(memory.resources()) == list(cold.resources())
    assert not kit.plan(memory, kit.shop()).pending
    kit.sound(memory)
    cold.close()


def test_a_saved_plan_is_stale_once_the_store_moved(kit: Kit, memory: SqlStore) -> None:
    plan = kit.plan(memory, kit.shop())
    kit.apply(memory, {"a.yaml": kit.system("a")}, source="other")
    with pytest.raises(StalePlan) as caught:
        apply_reviewed(memory, plan, actor=ADA, lock_timeout=0.0)
    assert (caught.value.base, caught.value.now, caught.value.reason) == (0, 1, "stale")
    with pytest.raises(StalePlan):
        kit.commit(memory, plan)
    assert memory.generation() == 1


def test_a_saved_plan_isnt_applied_twice(kit: Kit, memory: SqlStore) -> None:
    plan = kit.plan(memory, kit.shop())
    apply_reviewed(memory, plan, actor=ADA, lock_timeout=0.0)
    with pytest.raises(StalePlan):
        apply_reviewed(memory, plan, actor=ADA, lock_timeout=0.0)


@pytest.mark.parametrize("damage", ["byte", "cut", "empty", "text", "release", "digest"])
def test_a_damaged_plan_is_refused(kit: Kit, memory: SqlStore, damage: str) -> None:
    data = save(kit.plan(memory, kit.shop()))
    broken = {
        "byte": data[:200] + bytes([data[200] ^ 1]) + data[201:],
        "cut": data[:-5],
        "empty": b"",
        "text": b"hello",
        "release": data.replace(b"plan 1", b"plan 9", 1),
        "digest": data.replace(plan_digest(data).encode(), b"0" * 32, 1),
    }[damage]
    with pytest.raises(GitopsError, match=r"is no saved plan|another release|is damaged"):
        load_plan(broken)


def test_any_bit_of_a_plan_file_counts(kit: Kit, memory: SqlStore) -> None:
    data = save(kit.plan(memory, {"a.yaml": kit.system("a")}))
    plan = load_plan(data)
    for at in range(0, len(data), 7):
        broken = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        try:
            assert load_plan(broken) == plan
        except GitopsError:
            continue


def test_equal_plans_have_equal_bytes(kit: Kit, memory: SqlStore) -> None:
    assert save(kit.plan(memory, kit.shop())) == save(kit.plan(memory, kit.shop()))
    assert plan_digest(save(kit.plan(memory, kit.shop()))) != plan_digest(save(kit.plan(memory, {})))


# -- the lock ----------------------------------------------------------------------------------------------------------


def test_nothing_is_planned_while_somebody_else_applies(kit: Kit, store: SqlStore) -> None:
    other = open_store(store.where)
    asked: list[Plan] = []

    def planned() -> Plan:
        asked.append(kit.plan(store, kit.shop()))
        return asked[-1]

    with other.lock(actor="bob", timeout=0.0), pytest.raises(LockHeld, match="bob on "):
        apply_planned(store, planned, actor=ADA, lock_timeout=0.0)
    with other.lock(actor="bob", timeout=0.0), pytest.raises(LockHeld):
        apply_reviewed(store, kit.plan(store, kit.shop()), actor=ADA, lock_timeout=0.0)
    assert asked == []
    other.close()


def test_a_refused_plan_gives_the_lock_back(kit: Kit, store: SqlStore) -> None:
    with pytest.raises(InvalidDocuments):
        kit.apply(store, {"a.yaml": "kind: ["})
    assert kit.apply(store, kit.shop()).generation == 1


# -- another release ---------------------------------------------------------------------------------------------------


def test_another_release_reads_everything_and_finds_nothing(
    kit: Kit, memory: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.apply(memory, kit.shop())
    monkeypatch.setattr(position, "engine_digest", lambda: "another")
    files = kit.files(kit.shop())
    done = kit.apply(memory, files)
    assert sorted(files.reads) == ["checks.yaml", "environments.yaml", "systems.yaml"]
    assert (done.committed, done.plan.pending) == (False, False)
    assert not kit.plan(memory, kit.shop()).pending
    assert kit.plan(memory, kit.shop()).reread == 0


def test_what_another_release_writes_otherwise_is_a_rewrite(
    kit: Kit, memory: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = kit.shop()
    files["home.yaml"] = [files["checks.yaml"].pop()]
    kit.apply(memory, files)
    before = kit.slices(memory)
    as_another_release_wrote(memory)
    monkeypatch.setattr(position, "engine_digest", lambda: "another")
    plan = kit.plan(memory, files)
    assert plan.pending
    assert plan.changed
    assert not plan.drifted
    assert {c.cause for c in plan.slices} == {Cause.REWRITE}
    assert {str(c.key): c.cause for c in plan.resources} == {"Check ready": Cause.REWRITE}
    both = kit.plan(memory, {**files, "home.yaml": kit.check("home", "https://changed.example.net/")})
    causes = {both.names[c.key.check]: c.cause for c in both.slices}
    assert causes == {"home": Cause.CHANGE, "ready": Cause.REWRITE}
    kit.apply(memory, files)
    assert kit.slices(memory) == before
    kit.sound(memory)


def as_another_release_wrote(store: SqlStore) -> None:
    """Bodies of the check ``ready`` and of its slices as an older release may have written them, by an apply."""
    [old] = [s for s in store.resources() if str(s.resource.key) == "Check ready"]
    body = old.resource.body.replace(b'"interval":30000', b'"interval":30001')
    new = old.resource._replace(body=body, digest=digest(body))
    slices = []
    for row in store.slice_rows():
        if row.check == "ready":
            text = row.body.replace(b'"interval":30000', b'"interval":30001')
            slices.append(SliceChange(Action.UPDATE, row.key, row.digest, digest(text), text))
    assert slices
    position_ = store.source("shop")
    assert position_ is not None
    plan = Plan(
        "shop", store.generation(), "apply", position_.commit, position_.tree, position_.inputs,
        (ResourceChange(Action.UPDATE, old.uid, old, new),), tuple(slices),
    )  # fmt: skip
    store.apply(plan, actor="a", host="h", started=0.0)


def test_templates_that_another_release_finds_are_stored_without_a_generation(
    kit: Kit, memory: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored beside a body must be fresh as well: plans that don't read the file again build on it."""
    files = {**kit.shop(), "systems.yaml": []}
    kit.apply(memory, files)
    memory.db.run("update resource set extra = '{}' where kind = 'Check'")
    memory.db.run("delete from outside")
    monkeypatch.setattr(position, "engine_digest", lambda: "another")
    assert kit.apply(memory, files).generation == 1
    kit.apply(memory, kit.shop())
    assert kit.urls(memory)["shop/ready/staging"] == "https://s.example.net/ready"


def test_other_settings_read_everything_again(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    plan = kit.plan(memory, kit.shop(), settings=Settings(include=("*.yaml",)))
    assert (plan.reread, plan.pending) == (3, False)
    assert kit.plan(memory, kit.shop(), settings=Settings(deletion="delete")).reread == 0


# -- grants ------------------------------------------------------------------------------------------------------------


def with_secret(kit: Kit) -> dict[str, object]:
    check = kit.check("up", "https://x.example.net/")
    header = {"name": "X-Key", "valueFrom": {"secret": "ORDERS_KEY"}}
    check["spec"]["collectors"][0]["config"]["headers"] = [header]
    return {"c.yaml": check}


def test_secrets_are_granted_by_the_operator(kit: Kit, memory: SqlStore) -> None:
    files = with_secret(kit)
    kit.apply(memory, files)
    memory.grant("shop", "secret", "PAYMENTS_*", actor="op")
    [fault] = kit.faults(memory, files)
    assert (fault.code, fault.message) == (
        "secret-not-granted",
        "source shop may not name the secret 'ORDERS_KEY'",
    )
    memory.grant("shop", "secret", "ORDERS_*", actor="op")
    assert not kit.plan(memory, files).pending
    memory.revoke("shop", "secret", "ORDERS_*")
    assert kit.faults(memory, files), "a grant that was taken back is noticed without a change in git"
    memory.revoke("shop", "secret", "PAYMENTS_*")
    assert not kit.plan(memory, files).pending


def test_grants_are_those_of_the_source(kit: Kit, memory: SqlStore) -> None:
    memory.grant("other", "secret", "NOTHING", actor="op")
    assert kit.apply(memory, with_secret(kit)).committed


# -- looking back ------------------------------------------------------------------------------------------------------


def test_a_past_apply_is_shown_as_a_plan(kit: Kit, memory: SqlStore) -> None:
    kit.apply(memory, kit.shop())
    files = kit.shop(url="https://new.example.net/")
    files["systems.yaml"].append(kit.system("added", [], ["home"]))
    made = kit.apply(memory, files).plan
    kit.apply(memory, {**files, "systems.yaml": [kit.system("added", [], ["home"])]})
    shown = show(memory, 2)
    assert kit.actions(shown.plan) == kit.actions(made)
    assert {(c.key, c.action, c.old_digest, c.digest) for c in shown.plan.slices} == {
        (c.key, c.action, c.old_digest, c.digest) for c in made.slices
    }
    [story] = [s for s in slice_stories(shown.plan, shown.before) if s.action is Action.UPDATE]
    assert (story.system, story.check, story.environments) == ("shop", "ready", ("production", "staging"))
    [url] = [f for f in story.fields if f.path.endswith("url")]
    assert not url.common
    assert url.values == (
        ("production", "https://p.example.net/ready", "https://new.example.net/"),
        ("staging", "https://s.example.net/ready", "https://new.example.net/"),
    )
    stories = {str(s.change.key): s.fields for s in resource_stories(shown.plan)}
    assert [f.path for f in stories["Check ready"]] == ["spec.collectors[0].config.url"]
    assert kit.actions(show(memory, 3).plan) == {"System shop": "orphan"}
    assert kit.actions(show(memory, 1).plan) == {str(s.resource.key): "create" for s in memory.resources_at(1)}
    for generation in (0, 4, -1):
        with pytest.raises(GitopsError, match="there is no generation"):
            show(memory, generation)


def test_the_state_of_a_store(kit: Kit, memory: SqlStore) -> None:
    empty = status(memory)
    assert (empty.generation, empty.sources, empty.resources, empty.slices, empty.orphans) == (None, (), 0, 0, ())
    kit.apply(memory, kit.shop())
    kit.apply(memory, {**kit.shop(), "systems.yaml": []})
    now = status(memory)
    assert now.generation is not None
    assert (now.generation.n, now.resources, now.slices, len(now.orphans), now.outside) == (2, 5, 4, 1, 0)


def test_a_small_file_that_unpacks_to_a_gigabyte_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.plan.file._MOST", 1000)
    body = b"[" + b" " * 5000 + b"]"
    bomb = b"gitops plan 1\n" + digest(body).encode() + b"\n" + zlib.compress(body)
    with pytest.raises(GitopsError, match="damaged"):
        load_plan(bomb)
