"""How maintenances stand, by their times."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.report.incidents_text import incident_text, maintenance_line, maintenance_text, phase
from reconciler.report.style import PLAIN
from reconciler.store.incidents import Incident, Maintenance, Place, Update

AT = 1_800_000_000.0
SHOP = (Place(1, 0, "shop"),)


def work(**how: Any) -> Maintenance:
    told = ("mnt-1", "new disks", "", SHOP, "scheduled", AT, AT + 60, None, None, "UTC", True, 0, 0, "alice")
    return Maintenance._make((*told, AT - 60, AT - 60, None, None))._replace(**how)


@pytest.mark.parametrize(
    ("how", "at", "word"),
    [
        ({}, AT - 1, "scheduled"),
        ({}, AT, "going on"),
        ({"status": "active"}, AT + 59, "going on"),
        ({"status": "active"}, AT + 60, "over"),
        ({"cron": "0 2 * * *"}, AT + 60, "scheduled"),
        ({"status": "active", "ends": None}, AT + 1e6, "going on"),
        ({"status": "cancelled", "ended": AT}, AT + 30, "cancelled"),
    ],
)
def test_times_tell_how_it_stands_though_no_worker_saw_them(how: dict[str, Any], at: float, word: str) -> None:
    assert phase(work(**how), at) == word


def test_who_did_it() -> None:
    told = list(maintenance_text(work(run=12, description="at night"), AT, PLAIN, following=(), held=()))
    assert "By run   12 (gitops automation show 12)" in told
    assert told[-1] == "About    at night"
    incident = Incident("inc-1", "down", "", "major", "investigating", SHOP, 3, 12, "automation page", AT, AT, None)
    said = list(
        incident_text(incident, [Update(0, AT, "automation page", "investigating", "major", "")], AT + 5, PLAIN)
    )
    assert "By run    12 (gitops automation show 12)" in said
    assert "Open for  5 s" in said


def test_a_line_of_one_that_nobody_ends() -> None:
    assert maintenance_line(work(status="active", ends=None), "Began") == "Began mnt-1: new disks, until it is ended."
    assert maintenance_line(work(title="\x1b[2J", ended=AT), "Ended") == "Ended mnt-1: \ufffd[2J."
