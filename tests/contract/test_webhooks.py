"""What came in by webhooks is in the inbox once, however often and by whomever it is sent again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.canonical import loads
from reconciler.store.open import open_database
from reconciler.store.sql_webhooks import Full, Taken, take

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)

DAY = 86_400.0


def sent(rig: Rig, *marks: str, hook: str = "deploy", automations: tuple[int, ...] = (7,), most: int = 100) -> Taken:
    meant_for = [(automation, marks) for automation in automations]
    with_id = {"hook": hook, "body": {"a": 1}}
    return take(rig.more().db, hook, with_id, meant_for, actor="webhook from x", remember=DAY, most=most)


def inbox(rig: Rig) -> list[tuple[Any, ...]]:
    return rig.hands.db.rows("select name, context_key, automation, actor from event order by id")


def test_each_once(rig: Rig) -> None:
    first = sent(rig, "id:1")
    assert first.new
    assert sent(rig, "id:1") == Taken(first.events, False)
    assert sent(rig, "id:2").new
    assert sent(rig, "id:1", hook="other").new, "ids are those of a hook"
    assert inbox(rig) == [
        ("webhook", "deploy", 7, "webhook from x"),
        ("webhook", "deploy", 7, "webhook from x"),
        ("webhook", "other", 7, "webhook from x"),
    ]
    ((payload,),) = rig.hands.db.rows("select payload from event where id = ?", first.events)
    assert loads(payload) == {"hook": "deploy", "body": {"a": 1}}


def test_one_mark_that_is_known_is_enough(rig: Rig) -> None:
    sent(rig, "signature:a", "id:1")
    assert not sent(rig, "signature:a", "id:2").new
    assert not sent(rig, "signature:b", "id:2").new, "what was sent again is known from then on"
    assert len(inbox(rig)) == 1


def test_each_automation_has_an_event_of_its_own(rig: Rig) -> None:
    one = sent(rig, "id:1")
    both = sent(rig, "id:1", automations=(7, 8))
    assert both.new, "an automation that is new hasn't had it"
    assert both.events[0] == one.events[0]
    assert [automation for _, _, automation, _ in inbox(rig)] == [7, 8]


def test_marks_are_forgotten(rig: Rig) -> None:
    sent(rig, "id:1")
    rig.step(DAY + 1)
    assert sent(rig, "id:1").new
    assert rig.hands.db.rows("select count(*) from webhook_seen") == [(1,)]


def test_an_inbox_that_nobody_reads_fills_up(rig: Rig) -> None:
    for number in range(3):
        sent(rig, f"id:{number}", most=3)
    with pytest.raises(Full, match="3 events wait"):
        sent(rig, "id:3", most=3)
    rig.hands.db.run("update event set handled_at = 1")
    assert sent(rig, "id:3", most=3).new


def test_of_many_that_come_at_once_one_counts(rig: Rig) -> None:
    """As a sender that gave up on the first server asks the second one."""
    start = threading.Barrier(4)

    def ask(_: int) -> list[Taken]:
        with closing(open_database(rig.path)) as db:
            start.wait(20)
            return [take(db, "deploy", {}, [(7, [f"id:{n}"])], actor="x", remember=DAY, most=1000) for n in range(10)]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(ask, range(4)))
    assert len(inbox(rig)) == 10
    for same in zip(*found, strict=True):
        assert sum(taken.new for taken in same) == 1
        assert len({taken.events for taken in same}) == 1
