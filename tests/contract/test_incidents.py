"""Incidents: each change is told once, whoever asks for it how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.canonical import loads
from reconciler.store.incidents import Author, NoSuch, Over
from reconciler.store.sql_incidents import SqlIncidents

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)

ALICE = Author("alice")


@pytest.fixture
def incidents(rig: Rig) -> SqlIncidents:
    rig.apply(systems=["shop", "stock"])
    return SqlIncidents(rig.hands.db)


def told(rig: Rig) -> list[tuple[str, str, dict[str, Any]]]:
    rows = rig.hands.db.rows("select name, context_key, payload from event order by id")
    return [(name, context, loads(payload)) for name, context, payload in rows]


def test_the_life_of_an_incident(rig: Rig, incidents: SqlIncidents) -> None:
    opened = incidents.open(
        "Orders are slow", author=ALICE, severity="minor", systems=["shop"], description="since noon"
    )
    assert opened.id.startswith("inc-")
    assert (opened.status, opened.at, opened.resolved) == ("investigating", rig.at, None)
    rig.step(60)
    incidents.update(opened.id, "a full disk", author=Author("bob"), status="identified", severity="major")
    rig.step(60)
    over = incidents.resolve(opened.id, "cleaned up", author=ALICE)
    assert (over.status, over.severity, over.resolved) == ("resolved", "major", rig.at)
    found, timeline = incidents.incident(opened.id)
    assert found == over
    assert [(u.n, u.actor, u.status, u.severity, u.message) for u in timeline] == [
        (0, "alice", "investigating", "minor", "since noon"),
        (1, "bob", "identified", "major", "a full disk"),
        (2, "alice", "resolved", "major", "cleaned up"),
    ]
    assert incidents.incidents() == []
    assert incidents.incidents(resolved=True) == [over]
    names, contexts, payloads = zip(*told(rig), strict=True)
    assert names == ("incident.created", "incident.updated", "incident.resolved")
    assert set(contexts) == {"shop"}
    assert payloads[1] == {
        "incidentId": opened.id,
        "title": "Orders are slow",
        "description": "since noon",
        "severity": "major",
        "status": "identified",
        "previousSeverity": "minor",
        "previousStatus": "investigating",
        "systemId": "shop",
        "systemIds": ["shop"],
        "places": ["shop"],
        "message": "a full disk",
        "depth": 0,
        "timestamp": "2027-01-15T08:01:00.000Z",
    }
    assert set(payloads[0]) == set(payloads[1]) == set(payloads[2])


def test_a_step_that_is_done_again_makes_no_second_one(rig: Rig, incidents: SqlIncidents) -> None:
    step = Author("page-when-down", 7, 12)
    first = incidents.open("down", author=step, systems=["shop"], key="12/a")
    assert incidents.open("down", author=step, systems=["shop"], key="12/a") == first
    assert (first.automation, first.run) == (7, 12)
    for _ in range(2):
        incidents.update(first.id, "still", author=step, key="12/b")
    for _ in range(2):
        incidents.resolve(first.id, author=step, key="12/c")
    assert [name for name, _, _ in told(rig)] == ["incident.created", "incident.updated", "incident.resolved"]
    assert len(incidents.incident(first.id)[1]) == 3
    assert incidents.open("down", author=step, systems=["shop"], key="13/a").id != first.id
    assert len(incidents.incidents(resolved=True, automation=7)) == 2
    assert incidents.incidents(automation=8) == []


def test_what_an_incident_is_about(rig: Rig, incidents: SqlIncidents) -> None:
    """All of a system, one environment of it, and what nobody knows; one event tells of all."""
    both = incidents.open("both", author=ALICE, systems=["shop::production", "stock", "shop::production"])
    assert [(p.name, p.system > 0, p.environment > 0) for p in both.systems] == [
        ("shop::production", True, True),
        ("stock", True, False),
    ]
    nobody = incidents.open("nobody", author=ALICE)
    odd = incidents.open("odd", author=ALICE, systems=["shpo", "shop::moon"])
    assert [p.system for p in odd.systems] == [0, 0]
    (_, first, one), (_, second, two), _ = told(rig)
    assert (first, one["systemId"], one["systemIds"]) == (both.id, "shop", ["shop", "stock"])
    assert (second, two["systemId"], two["systemIds"]) == (nobody.id, None, [])
    uid = rig.kit.uids(rig.store)["System stock"]
    assert incidents.incidents(system=uid) == [both]


def test_a_system_that_is_renamed_stays_what_it_is_about(rig: Rig, incidents: SqlIncidents) -> None:
    opened = incidents.open("down", author=ALICE, systems=["shop::staging"])
    renamed = rig.kit.system("store", ["production", "staging"], ["ready"], renamedFrom="shop")
    environments = [rig.kit.environment(e) for e in ("production", "staging")]
    rig.kit.apply(rig.store, {"a.yaml": [renamed, rig.kit.check("ready"), *environments]}, force=True)
    assert [p.name for p in incidents.incident(opened.id)[0].systems] == ["store::staging"]


def test_what_cant_be_done(incidents: SqlIncidents) -> None:
    with pytest.raises(NoSuch, match="there is no incident 'inc-0'"):
        incidents.update("inc-0", "?", author=ALICE)
    opened = incidents.open("down", author=ALICE)
    incidents.resolve(opened.id, author=ALICE)
    with pytest.raises(Over, match="is resolved already"):
        incidents.resolve(opened.id, author=ALICE)


def test_whatever_is_said_can_be_kept(incidents: SqlIncidents) -> None:
    odd = "\0half \ud800 of a pair"
    opened = incidents.open(odd * 100, author=ALICE, description=odd, systems=[odd])
    incidents.update(opened.id, odd, author=ALICE)
    over, timeline = incidents.incident(incidents.resolve(opened.id, "x" * 100_000, author=ALICE).id)
    assert over.title.startswith("\ufffdhalf ? of a pair")
    assert [len(entry.message) for entry in timeline] == [len(odd), len(odd), 20_000]


def test_ids_grow_where_the_short_ones_are_taken(incidents: SqlIncidents, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def token(size: int) -> str:
        given.append(size)
        return "ab" * size

    monkeypatch.setattr("reconciler.store.sql_places.secrets.token_hex", token)
    assert [incidents.open("x", author=ALICE).id for _ in range(2)] == ["inc-abab", "inc-ababab"]
    assert given == [2] * 6 + [3]
