"""Slices that another release stored: run as they were meant, refused by name, counted, rewritten by the next apply."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from reconciler._version import __version__
from reconciler.base.canonical import digest, dumps, loads
from reconciler.base.errors import PlanRefused, StoreInUse
from reconciler.flows import position
from reconciler.flows.work.events import Started, StoreAway, StoreBack, Taken
from reconciler.kinds import loaded
from reconciler.kinds.table import STRATEGIES
from reconciler.model.plan import Action, Cause, Plan, ResourceChange, SliceChange
from reconciler.report.style import Style
from reconciler.report.worker_log import event_json, event_text
from reconciler.store.backup import back_up
from reconciler.store.open import open_executing, open_store
from reconciler.store.restore import restore
from reconciler.store.sql_writer import SqlStore
from reconciler.versioning import stored
from reconciler.versioning.stored import Unreadable, census, current, heads, needs
from tests.servers.sources import Source
from tests.servers.targets import Targets, targets
from tests.servers.workers import Shift, working

if TYPE_CHECKING:
    from tests.conftest import Kit


@pytest.fixture
def there() -> Iterator[Targets]:
    with targets() as found:
        yield found


@pytest.fixture
def source(kit: Kit, tmp_path: Path) -> Source:
    return Source(kit, tmp_path / "store.db")


def body(strategy: str = "http@3", collector: str = "request@1", **config: Any) -> bytes:
    check = {
        "interval": 30_000,
        "strategy": {"type": strategy, "config": config},
        "collectors": [{"type": collector, "config": {"url": "https://x.example.net/"}}],
    }
    return dumps({"assignment": {}, "check": check})


# -- one body ----------------------------------------------------------------------------------------------------------


def test_what_is_current_comes_back_as_it_is() -> None:
    given = body(timeout=8000)
    assert current(given) is given


def test_what_is_behind_is_brought_to_head() -> None:
    strategy = loads(current(body("http@1", url="https://x.example.net/")))["check"]["strategy"]
    assert strategy["type"] == "http@3"
    assert strategy["config"]["timeout"] == 30_000
    assert "url" not in strategy["config"]


def test_a_collector_is_brought_to_head_by_the_steps_of_its_strategy() -> None:
    collectors = [{"type": "execute@1", "config": {"command": "echo", "args": ["a b"]}, "assertions": [], "id": "one"}]
    given = {"assignment": {}, "check": {"interval": 1, "strategy": {"type": "script@1"}, "collectors": collectors}}
    [found] = loads(current(dumps(given)))["check"]["collectors"]
    assert found["type"] == "execute@2"
    assert found["config"]["script"] == "echo 'a b'"
    assert found["id"] == "one"
    assert "command" not in found["config"]
    assert found["config"].keys() > {"script"}, "what has a default by now has it"


def test_what_came_since_has_its_default_but_where_null_may_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, "http", STRATEGIES["http"]._replace(model=f"{__name__}:Later"))
    monkeypatch.setattr(loaded, "_cache", {})
    stored._defaults.cache_clear()
    config = loads(current(body("http@2", timeout=5)))["check"]["strategy"]["config"]
    assert config == {"timeout": 5, "retries": 3, "limits": {"size": 10}}
    stored._defaults.cache_clear()


class Limits(BaseModel):
    size: int = 10
    rate: int | None = None


class Later(BaseModel):
    timeout: int = 30_000
    retries: int = 3
    limits: Limits = Limits()
    proxy: str | None = "http://proxy"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (body("http@4"), "strategies/http up to version 3"),
        (body(collector="request@2"), "http.request up to version 1"),
    ],
)
def test_what_is_newer_is_refused_by_name(given: bytes, names: str) -> None:
    with pytest.raises(Unreadable) as caught:
        current(given)
    told = str(caught.value)
    assert re.match(r"(http@4|request@2) was stored by a newer release; this one, gitops ", told)
    assert names in told
    assert __version__ in told
    assert "apply again" in told


@pytest.mark.parametrize(
    "given", [b"", b"nothing", b"[]", b'{"check":1}', body("nobody@9"), body("http"), body("http@0")]
)
def test_what_nobody_knows_is_left_to_whoever_reads_it(given: bytes) -> None:
    assert current(given) is given


def test_a_step_that_cant_take_it_is_told() -> None:
    given = {"check": {"strategy": {"type": "script@1"}, "collectors": [{"type": "execute@1", "config": [1]}]}}
    with pytest.raises(
        Unreadable, match=r"execute@1 of collectors/script\.execute .* can't be read any more .*: apply again"
    ):
        current(dumps(given))


def test_a_text_that_looks_like_a_pin_is_none() -> None:
    given = body(note={"type": "http@9"}, text='"type":"http@9"')
    assert current(given) is given
    assert census([given]) == (0, 0, None)


def test_counting_and_needs() -> None:
    found = census([body(), body("http@1"), body("http@2"), body("http@7"), body("http@8")])
    assert (found.behind, found.refused) == (2, 2)
    assert found.refusal is not None
    assert found.refusal.startswith("http@7 ")
    assert needs([body("http@2"), body("http@3"), body()]) == {"strategies/http": 3, "collectors/http.request": 1}
    assert heads()["strategies/http"] == STRATEGIES["http"].head


# -- a worker ----------------------------------------------------------------------------------------------------------


def as_stored(path: Path, change: Callable[[Any], None], *, check: str) -> None:
    """Bodies of a check's slices as another release would have written them."""
    store = open_store(str(path))
    try:
        with store.db.transaction(), store.db.unwatched():
            for row in list(store.slice_rows()):
                if row.check == check:
                    data = loads(row.body)
                    change(data)
                    text = dumps(data)
                    sql = 'update slice set body = ?, digest = ? where system = ? and "check" = ? and environment = ?'
                    store.db.run(sql, (text.decode(), digest(text), *row.key))
    finally:
        store.close()


def older(data: Any) -> None:
    data["check"]["strategy"] = {"type": "http@1", "config": {"url": "https://gone.example.net/", "method": "GET"}}


def newer(data: Any) -> None:
    data["check"]["collectors"][0]["type"] = "request@2"


def test_a_worker_runs_what_is_behind_and_refuses_what_is_newer(source: Source, there: Targets) -> None:
    for name in ("current", "older", "newer"):
        source.check(name, f"{there.url}/{name}")
    source.apply()
    as_stored(source.path, older, check="older")
    as_stored(source.path, newer, check="newer")

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: len({r.key for r in shift.runs()}) == 3)
        names = {uid: key.name for uid, key in reader_names(source.path).items()}
        outcomes = {names[r.key.check]: (r.outcome, r.reason) for r in shift.runs()}
        assert outcomes["current"] == outcomes["older"] == ("healthy", None)
        outcome, reason = outcomes["newer"]
        assert outcome == "degraded"
        assert (reason or "").startswith("request@2 was stored by a newer release")

    events = working(source.path, scenario)
    [started] = [e for e in events if isinstance(e, Started)]
    assert (started.behind, started.refused) == (1, 1)
    text = "\n".join(event_text(started, 0.0, Style()))
    assert "behind    1 slice of an older release, brought forward as they run" in text
    assert "refused   1 slice: request@2 was stored by a newer release" in text
    assert event_json(started, 0.0)["refused"] == 1
    assert there.asked["/older"] > 0
    assert there.asked["/newer"] == 0


def reader_names(path: Path) -> dict[int, Any]:
    store = open_store(str(path))
    try:
        return store.names()
    finally:
        store.close()


# -- an apply ----------------------------------------------------------------------------------------------------------


def test_the_next_apply_rewrites_what_is_behind(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(":memory:")
    kit.apply(store, kit.shop())
    before = kit.slices(store)
    as_an_older_release_applied(kit, store)
    assert {b["check"]["strategy"]["type"] for b in kit.slices(store).values()} == {"http@2", "http@3"}
    monkeypatch.setattr(position, "engine_digest", lambda: "a newer one")
    plan = kit.plan(store, kit.shop())
    assert {c.cause for c in plan.slices} == {Cause.REWRITE}
    assert {str(c.key): c.cause for c in plan.resources} == {"Check ready": Cause.REWRITE}
    kit.commit(store, plan)
    assert kit.slices(store) == before
    assert census(store.all_bodies()) == (0, 0, None)
    kit.sound(store)
    store.close()


def test_what_another_source_left_behind_is_rendered_anew_and_run(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment changes in one source; the check that renders with it was stored by an older release."""
    store = open_store(":memory:")
    shop = kit.shop()
    kit.apply(store, {"environments.yaml": shop.pop("environments.yaml")}, source="base")
    kit.apply(store, shop)
    as_an_older_release_applied(kit, store)
    monkeypatch.setattr(position, "engine_digest", lambda: "a newer one")
    moved = {
        "environments.yaml": [
            kit.environment("production", url="https://moved.example.net"),
            kit.environment("staging", url="https://s.example.net"),
        ]
    }
    kit.apply(store, moved, source="base")
    [slice_] = [row for row in store.slice_rows() if (row.check, row.environment) == ("ready", "production")]
    assert loads(slice_.body)["check"]["strategy"]["type"] == "http@2"
    check = loads(current(slice_.body))["check"]
    assert check["strategy"]["type"] == "http@3"
    assert check["collectors"][0]["config"]["url"] == "https://moved.example.net/ready"
    plan = kit.plan(store, shop)
    assert {c.cause for c in plan.slices} | {c.cause for c in plan.resources} == {Cause.REWRITE}
    kit.commit(store, plan)
    assert census(store.all_bodies()) == (0, 0, None)
    kit.sound(store)
    store.close()


def as_an_older_release_applied(kit: Kit, store: SqlStore) -> None:
    """The check ``ready`` and its slices at ``http@2``."""

    def aged(text: bytes) -> bytes:
        return text.replace(b'"type":"http@3"', b'"type":"http@2"')

    [old] = [s for s in store.resources() if str(s.resource.key) == "Check ready"]
    new = old.resource._replace(body=aged(old.resource.body), digest=digest(aged(old.resource.body)))
    slices = [
        SliceChange(Action.UPDATE, row.key, row.digest, digest(aged(row.body)), aged(row.body))
        for row in store.slice_rows()
        if row.check == "ready"
    ]
    row = store.source("shop")
    assert row is not None
    changes = (ResourceChange(Action.UPDATE, old.uid, old, new, Cause.CHANGE, "aged"),)
    plan = Plan(
        source="shop",
        base=store.generation(),
        kind="apply",
        commit=row.commit,
        tree=row.tree,
        inputs="older",
        resources=changes,
        slices=tuple(slices),
    )
    kit.commit(store, plan)


# -- workers that are too old ------------------------------------------------------------------------------------------


@pytest.fixture
def path(kit: Kit, tmp_path: Path) -> Path:
    made = tmp_path / "store.db"
    store = open_store(str(made))
    kit.apply(store, kit.shop())
    store.close()
    return made


def register(path: Path, name: str, knows: dict[str, int] | None, *, ago: float = 0.0) -> None:
    hands = open_executing(str(path))
    now = hands.now()
    hands.db.tell_time(lambda: now - ago)
    info = {"version": "0.0.9"} if knows is None else {"version": "0.0.9", "knows": knows}
    hands.register(name, host=socket.gethostname(), pid=1, info=info)
    hands.close()


def changed(kit: Kit, path: Path, **how: Any) -> bool:
    store = open_store(str(path))
    try:
        return kit.apply(store, kit.shop(url="https://new.example.net/"), **how).committed
    finally:
        store.close()


def test_workers_that_know_all_hinder_nothing(kit: Kit, path: Path) -> None:
    register(path, "w1", heads())
    assert changed(kit, path)


def test_an_apply_is_refused_while_a_live_worker_is_too_old(kit: Kit, path: Path) -> None:
    register(path, "w1", heads())
    register(path, "w2", {**heads(), "strategies/http": 2})
    with pytest.raises(PlanRefused) as caught:
        changed(kit, path)
    assert caught.value.reason == "old-workers"
    host = socket.gethostname()
    told = rf"worker w2 on {re.escape(host)} \(gitops 0.0.9, seen \d+ seconds ago\) is too old to read what would be "
    assert re.fullmatch(
        told + r"written: it knows strategies/http up to version 2, and this is version 3", caught.value.message
    )
    assert "--allow-old-workers" in (caught.value.hint or "")
    store = open_store(str(path))
    assert store.generation() == 1
    store.close()


def test_one_that_doesnt_say_what_it_knows_is_too_old(kit: Kit, path: Path) -> None:
    register(path, "w1", None)
    register(path, "w2", {})
    with pytest.raises(PlanRefused, match=r"written, and so is another: it doesn't know collectors/http.request"):
        changed(kit, path)


def test_what_is_dead_stops_or_knows_what_is_written_doesnt_count(kit: Kit, path: Path) -> None:
    register(path, "dead", {}, ago=61.0)
    register(path, "other", {**heads(), "strategies/tcp": 0})
    register(path, "stops", {})
    hands = open_executing(str(path))
    hands.beat("stops", stopping=True)
    hands.close()
    assert changed(kit, path)


def test_an_apply_that_writes_no_slice_isnt_refused(kit: Kit, path: Path) -> None:
    register(path, "old", {})
    store = open_store(str(path))
    files = {**kit.shop(), "more.yaml": kit.system("more")}
    assert kit.apply(store, files).committed
    store.close()


def test_a_real_worker_says_what_it_knows(source: Source, there: Targets) -> None:
    source.check("ready", f"{there.url}/ready")
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: shift.hands.workers() and shift.runs())
        [row] = shift.hands.workers()
        assert row.info["knows"] == heads()
        source.check("other", f"{there.url}/other")
        source.apply()

    working(source.path, scenario)


# -- a store that is replaced ------------------------------------------------------------------------------------------


def test_a_worker_goes_on_with_the_store_that_was_put_in_place(source: Source, there: Targets, tmp_path: Path) -> None:
    source.check("first", f"{there.url}/first")
    source.apply()
    back_up(str(source.path), str(tmp_path / "backup.db"))
    source.check("second", f"{there.url}/second")
    source.apply()

    async def scenario(shift: Shift) -> None:
        await shift.until(lambda: there.asked["/second"])
        with pytest.raises(StoreInUse):
            restore(str(source.path), str(tmp_path / "backup.db"), actor="ada")
        restore(str(source.path), str(tmp_path / "backup.db"), actor="ada", force=True)
        await shift.until(lambda: shift.said(StoreBack))
        asked = there.asked["/second"]
        runs = len(source.runs())
        await shift.until(lambda: len(source.runs()) > runs + 1)
        assert there.asked["/second"] <= asked + 1, "it isn't in the backup"

    events = working(source.path, scenario)
    [away] = [e for e in events if isinstance(e, StoreAway)]
    assert "isn't the file any more that was opened" in away.sentence
    assert [e.generation for e in events if isinstance(e, Taken)][-1] == 1
