"""Maintenances: each time begins and ends once, by the clock or by somebody, and what was held back is told then."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.canonical import loads
from reconciler.base.errors import UsageError
from reconciler.flows.maintenances import Wanted, plan, suppression, tick
from reconciler.store.incidents import Author, NoSuch, NotBegun, Over
from reconciler.store.open import open_database
from reconciler.store.sql_maintenances import SqlMaintenances

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)

ALICE = Author("alice")
HOUR = 3600.0


@pytest.fixture
def planned(rig: Rig) -> SqlMaintenances:
    rig.apply(systems=["shop", "stock"])
    return SqlMaintenances(rig.hands.db)


def told(rig: Rig) -> list[tuple[str, str]]:
    return [(n, loads(p)["maintenanceId"]) for n, p in rig.hands.db.rows("select name, payload from event order by id")]


def at(rig: Rig, seconds: float) -> int:
    """Step, and let everybody keep the house; how many times something began or ended."""
    rig.step(seconds)
    return sum(tick(hands.db) for hands in (rig.hands, rig.more()))


def uid(rig: Rig, name: str = "System shop") -> int:
    return rig.kit.uids(rig.store)[name]


def test_the_life_of_a_planned_one(rig: Rig, planned: SqlMaintenances) -> None:
    made = planned.add("disks", author=ALICE, systems=["shop"], starts=rig.at + HOUR, ends=rig.at + 2 * HOUR)
    assert (made.status, made.id[:4]) == ("scheduled", "mnt-")
    assert [at(rig, 1800), at(rig, 1800), at(rig, 1800)] == [0, 1, 0]
    assert planned.maintenance(made.id).status == "active"
    assert [at(rig, 1799), at(rig, 1)] == [0, 1]
    over = planned.maintenance(made.id)
    assert (over.status, over.ended) == ("ended", rig.at)
    assert at(rig, HOUR) == 0
    assert told(rig) == [("maintenance.started", made.id), ("maintenance.completed", made.id)]
    assert planned.maintenances() == []
    assert planned.maintenances(ended=True, system=uid(rig)) == [over]
    assert planned.maintenances(ended=True, system=uid(rig, "System stock")) == []


def test_one_that_is_begun_and_ended_by_somebody(rig: Rig, planned: SqlMaintenances) -> None:
    made = planned.add("disks", author=ALICE, systems=["shop", "stock"])
    assert (made.status, made.ends) == ("active", None)
    assert at(rig, 100 * HOUR) == 0
    over = planned.end(made.id, "done", author=Author("bob"))
    assert (over.status, over.ends, over.ended) == ("ended", rig.at, rig.at)
    (started, context, actor), (completed, *_) = rig.hands.db.rows(
        "select payload, context_key, actor from event order by id"
    )
    assert (context, actor) == (made.id, "alice")
    assert loads(started)["systemIds"] == ["shop", "stock"]
    assert loads(completed) | {"timestamp": "", "startsAt": "", "endsAt": ""} == {
        "maintenanceId": made.id,
        "title": "disks",
        "description": "",
        "status": "completed",
        "systemId": "shop",
        "systemIds": ["shop", "stock"],
        "places": ["shop", "stock"],
        "startsAt": "",
        "endsAt": "",
        "recurring": False,
        "suppress": True,
        "message": "done",
        "depth": 0,
        "timestamp": "",
    }
    with pytest.raises(Over, match="is ended already"):
        planned.end(made.id, author=ALICE)
    assert planned.end(made.id, author=ALICE, key="12/b") == over, "a step that is done again"


def test_a_step_that_is_done_again_begins_no_second_one(rig: Rig, planned: SqlMaintenances) -> None:
    step = Author("deploy", 7, 12)
    first = planned.add("deploying", author=step, systems=["shop"], ends=rig.at + HOUR, key="12/a")
    assert planned.add("deploying", author=step, systems=["shop"], ends=rig.at + HOUR, key="12/a") == first
    assert told(rig) == [("maintenance.started", first.id)]


def test_one_that_recurs(rig: Rig, planned: SqlMaintenances) -> None:
    """It starts at a full hour: 08:00 UTC; every day at 9 for an hour."""
    made = plan(rig.hands.db, Wanted("daily", cron="0 9 * * *", seconds=HOUR), author=ALICE, systems=["shop"])
    assert (made.status, made.starts, made.ends) == ("scheduled", rig.at + HOUR, rig.at + 2 * HOUR)
    first = made.starts
    assert [at(rig, HOUR), at(rig, HOUR)] == [1, 1]
    again = planned.maintenance(made.id)
    assert (again.status, again.starts) == ("scheduled", first + 24 * HOUR)
    assert [at(rig, 23 * HOUR), planned.maintenance(made.id).status] == [1, "active"]
    rig.step(60)
    planned.end(made.id, author=ALICE)
    assert tick(rig.hands.db) == 1, "it moves on to the next day"
    assert planned.maintenance(made.id).starts == first + 48 * HOUR
    assert at(rig, 10 * 24 * HOUR) == 1, "nobody kept the house for days: those times are left out"
    assert planned.maintenance(made.id).status == "active"
    assert planned.maintenance(made.id).starts == first + 11 * 24 * HOUR
    assert len(told(rig)) == 5
    cancelled = planned.cancel(made.id, author=ALICE)
    assert (cancelled.status, len(told(rig))) == ("cancelled", 6)
    assert at(rig, 24 * HOUR) == 0
    with pytest.raises(Over, match="is cancelled already"):
        planned.cancel(made.id, author=ALICE)


def test_one_that_recurs_may_go_on_already(rig: Rig, planned: SqlMaintenances) -> None:
    rig.step(1800)
    made = plan(rig.hands.db, Wanted("daily", cron="0 8 * * *", seconds=HOUR), author=ALICE, systems=["shop"])
    assert (made.status, made.starts) == ("active", rig.at - 1800)


@pytest.mark.parametrize(("cron", "words"), [("0 * * * *", "comes again 60 minutes"), ("0 0 30 2 *", "never comes")])
def test_what_cant_recur(rig: Rig, planned: SqlMaintenances, cron: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan(rig.hands.db, Wanted("x", cron=cron, seconds=2 * HOUR), author=ALICE, systems=["shop"])


def test_one_that_nobody_saw_is_over_without_a_word(rig: Rig, planned: SqlMaintenances) -> None:
    made = planned.add("disks", author=ALICE, systems=["shop"], starts=rig.at + 1, ends=rig.at + 2)
    assert at(rig, HOUR) == 1
    assert planned.maintenance(made.id).status == "ended"
    assert told(rig) == []


def test_of_many_that_keep_the_house_one_begins_it(rig: Rig, planned: SqlMaintenances) -> None:
    for number in range(5):
        planned.add(f"work {number}", author=ALICE, systems=["shop"], starts=rig.at + 10, ends=rig.at + 20)
    rig.step(10)
    start = threading.Barrier(4)

    def keep(_: int) -> int:
        with closing(open_database(rig.path)) as db:
            db.tell_time(lambda: rig.at)
            start.wait(20)
            return tick(db)

    for _ in range(2):
        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(keep, range(4))) == 5
        rig.step(10)
    assert sorted(name for name, _ in told(rig)) == ["maintenance.completed"] * 5 + ["maintenance.started"] * 5


def test_what_cant_be_ended(rig: Rig, planned: SqlMaintenances) -> None:
    with pytest.raises(NoSuch, match="there is no maintenance 'mnt-0'"):
        planned.end("mnt-0", author=ALICE)
    made = planned.add("disks", author=ALICE, systems=["shop"], starts=rig.at + 1)
    with pytest.raises(NotBegun, match="hasn't begun"):
        planned.end(made.id, author=ALICE)
    assert planned.cancel(made.id, author=ALICE).status == "cancelled"
    assert told(rig) == []


# -- holding back ------------------------------------------------------------------------------------------------------


def test_what_is_held_back(rig: Rig, planned: SqlMaintenances) -> None:
    shop, stock, production, staging = (
        uid(rig, name) for name in ("System shop", "System stock", "Environment production", "Environment staging")
    )
    one = planned.add("disks", author=ALICE, systems=["shop::production"], ends=rig.at + HOUR)
    two = planned.add("all of it", author=ALICE, systems=["stock"], starts=rig.at + 60)
    planned.add("loud", author=ALICE, systems=["shop"], suppress=False)
    now = suppression(rig.hands.db)
    assert [now.of(shop, e) for e in (production, staging, 0)] == [one.id, None, None]
    assert now.of(stock, production) is None
    rig.step(60)
    now = suppression(rig.hands.db)
    assert [now.of(stock, e) for e in (production, staging, 0)] == [two.id] * 3
    assert now.of(0, 0) is None
    rig.step(HOUR)
    assert suppression(rig.hands.db).of(shop, production) is None, "its time is over, whoever keeps the house"


def test_what_cant_be_read_holds_nothing_back(rig: Rig, planned: SqlMaintenances) -> None:
    broken = planned.add("disks", author=ALICE, systems=["shop"])
    good = planned.add("disks", author=ALICE, systems=["stock"], ends=rig.at + 10)
    rig.hands.db.run("update maintenance set systems = ?, ends = ? where id = ?", ("[7", rig.at + 10, broken.id))
    now = suppression(rig.hands.db)
    assert (now.of(uid(rig)), now.of(uid(rig, "System stock"))) == (None, good.id)
    assert at(rig, 10) == 1, "neither does it hold up the others"
    rig.hands.db.run("drop table maintenance")
    assert suppression(rig.hands.db).of(uid(rig)) is None


def waiting(rig: Rig) -> list[tuple[Any, ...]]:
    """Changes of health that nobody has handled."""
    return rig.hands.db.rows("select scope, was, now from transition where handled_at is null and scope <> 'slice'")


def handle(rig: Rig) -> None:
    rig.hands.db.run("update transition set handled_at = ?", (rig.at,))


@pytest.fixture
def one_check(rig: Rig) -> SqlMaintenances:
    """One slice, in production, that fails at once."""
    rig.apply(environments=["production"], thresholds={"degraded": 1, "unhealthy": 2})
    return SqlMaintenances(rig.hands.db)


def test_the_last_change_is_told_in_the_end(rig: Rig, one_check: SqlMaintenances) -> None:
    made = one_check.add("disks", author=ALICE, systems=["shop"])
    rig.tick("unhealthy")
    rig.tick("unhealthy")
    handle(rig)
    assert waiting(rig) == []
    held = [(h.at, h.name, h.was, h.now) for h in one_check.held_back(made)]
    assert held == [
        (rig.at - 30, "shop::production", "healthy", "degraded"),
        (rig.at - 30, "shop", "healthy", "degraded"),
        (rig.at, "shop::production", "degraded", "unhealthy"),
        (rig.at, "shop", "degraded", "unhealthy"),
    ]
    rig.step(1)
    over = one_check.end(made.id, author=ALICE)
    assert waiting(rig) == [("environment", "degraded", "unhealthy"), ("system", "degraded", "unhealthy")]
    rig.tick("healthy")
    assert [(h.at, h.name, h.was, h.now) for h in one_check.held_back(over)] == held


def test_what_was_made_good_is_not_told(rig: Rig, one_check: SqlMaintenances) -> None:
    made = one_check.add("disks", author=ALICE, systems=["shop"])
    rig.tick("unhealthy")
    rig.tick("healthy")
    handle(rig)
    one_check.end(made.id, author=ALICE)
    assert waiting(rig) == []


def test_what_was_mended_meanwhile_is_told(rig: Rig, one_check: SqlMaintenances) -> None:
    rig.tick("unhealthy")
    handle(rig)
    rig.step(1)
    made = one_check.add("disks", author=ALICE, systems=["shop::production"])
    rig.tick("healthy")
    handle(rig)
    one_check.cancel(made.id, author=ALICE)
    assert waiting(rig) == [("environment", "degraded", "healthy"), ("system", "degraded", "healthy")]


def test_what_changed_after_the_end_tells_itself(rig: Rig, one_check: SqlMaintenances) -> None:
    """The housekeeping comes a little later."""
    made = one_check.add("disks", author=ALICE, systems=["shop"], ends=rig.at + 40)
    rig.tick("unhealthy")
    rig.tick("healthy")
    handle(rig)
    assert at(rig, 0) == 1
    assert one_check.maintenance(made.id).status == "ended"
    assert waiting(rig) == []


def test_one_that_began_later_holds_on_to_what_was_held_back_before(rig: Rig, one_check: SqlMaintenances) -> None:
    """One after the other, each begun before the last was over."""
    first = one_check.add("disks", author=ALICE, systems=["shop"])
    rig.tick("unhealthy")
    handle(rig)
    last = first
    for number in range(3):
        rig.step(30)
        following = one_check.add(f"more {number}", author=ALICE, systems=["shop"])
        rig.step(30)
        one_check.end(last.id, author=ALICE)
        assert waiting(rig) == []
        last = following
    assert len(one_check.held_back(one_check.maintenance(last.id))) == 2
    one_check.end(last.id, author=ALICE)
    assert waiting(rig) == [("environment", "healthy", "degraded"), ("system", "healthy", "degraded")]


def test_what_happened_before_is_not_held_back(rig: Rig, planned: SqlMaintenances) -> None:
    """However late a worker gets to see it."""
    made = planned.add("disks", author=ALICE, systems=["shop"])
    now = suppression(rig.hands.db)
    assert now.of(uid(rig), at=rig.at - 1) is None
    assert now.of(uid(rig), at=rig.at) == made.id


def test_while_another_goes_on_nothing_is_told(rig: Rig, one_check: SqlMaintenances) -> None:
    made = one_check.add("disks", author=ALICE, systems=["shop"])
    other = one_check.add("network", author=ALICE, systems=["shop"])
    loud = one_check.add("loud", author=ALICE, systems=["shop"], suppress=False)
    rig.tick("unhealthy")
    handle(rig)
    for each in (made, loud):
        one_check.end(each.id, author=ALICE)
        assert waiting(rig) == []
    one_check.end(other.id, author=ALICE)
    assert len(waiting(rig)) == 2
