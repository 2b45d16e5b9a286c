"""Deliveries: one row for a key, which says what is known even where whoever sent it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.store.sql_deliveries import (
    ENDED,
    Outgoing,
    abandon,
    begin,
    dead_letters,
    end,
    find,
    get,
    listed,
    retake,
)
from tests.servers.acting import Acting

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)


def outgoing(key: str, run: int = 7) -> Outgoing:
    return Outgoing(key, run, "actions[0]", 3, "webhook@1", "POST https://a.example", {"body": "é", "n": [1, None]})


def test_each_attempt_is_counted_until_it_is_delivered(rig: Rig) -> None:
    db = rig.hands.db
    first = begin(db, outgoing("a"))
    assert (first.status, first.attempts, first.created, first.updated) == ("pending", 1, rig.at, rig.at)
    assert (first.request, first.response, first.error, first.next_at) == (
        {"body": "é", "n": [1, None]},
        {},
        None,
        None,
    )
    rig.step(5)
    end(db, "a", "pending", response={"status": 503}, error="busy", after=10.5)
    waiting = find(db, "a")
    assert waiting is not None
    assert (waiting.next_at, waiting.error, waiting.response) == (rig.at + 10.5, "busy", {"status": 503})
    again = begin(db, outgoing("a"))
    assert (again.id, again.attempts, again.next_at) == (first.id, 2, None)
    end(db, "a", "delivered", response={"status": 200})
    done = begin(db, outgoing("a"))
    assert (done.status, done.attempts, done.response, done.error) == ("delivered", 2, {"status": 200}, None)


def test_what_was_given_up_stays_so(rig: Rig) -> None:
    db = rig.hands.db
    row = begin(db, outgoing("a"))
    end(db, "a", "dead", error="gone")
    assert begin(db, outgoing("a")).status == "dead"
    assert dead_letters(db) == 1
    [dead] = get(db, (row.id, row.id + 100))
    assert retake(db, dead)
    assert not retake(db, dead), "somebody else has it by now"
    [taken] = get(db, (row.id,))
    assert (taken.status, taken.attempts) == ("dead", 2)


def test_a_run_that_ended_leaves_dead_letters(rig: Rig) -> None:
    db = rig.hands.db
    for key, run in (("a", 7), ("b", 7), ("c", 8)):
        begin(db, outgoing(key, run))
    end(db, "a", "delivered")
    with db.transaction():
        abandon(db, 7, rig.at)
    assert [(row.key, row.status, row.error) for row in listed(db)] == [
        ("c", "pending", None),
        ("b", "dead", ENDED),
        ("a", "delivered", None),
    ]
    assert [row.key for row in listed(db, status="dead")] == ["b"]
    assert [row.key for row in listed(db, limit=1)] == ["c"]


def test_actions_on_the_store(rig: Rig, address: str) -> None:
    """All that actions do in a store, in either database."""
    acting = Acting(rig.kit, address)
    try:
        acting.declare("*")
        check = {"system": "shop", "check": "ready"}
        for action, config in (
            ("incident.create", {"title": "down"}),
            ("maintenance.start", {"title": "deploying", "duration": "1h"}),
            ("check.pause", {**check, "duration": "1h"}),
            ("check.resume", check),
            ("check.run_now", check),
        ):
            found = acting.perform(action, config, key=f"{action}-it")
            assert "error" not in found._fields, found
            assert acting.perform(action, config, key=f"{action}-it")._fields == found._fields
        assert len(acting.executing.db.rows("select id from incident")) == 1
    finally:
        acting.close()
