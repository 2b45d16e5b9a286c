"""``gitops incident`` and ``gitops maintenance``: whole sessions. GITOPS_UPDATE_GOLDENS=1 writes their words anew."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from reconciler.cli.names import incident_names, maintenance_names, place_names
from reconciler.flows.maintenances import tick
from reconciler.store.incidents import Author
from reconciler.store.open import open_store
from reconciler.store.sql_incidents import SqlIncidents

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops, Ran
    from tests.conftest import Repo

GOLDEN = Path(__file__).parent.parent / "golden" / "incidents"
UPDATE = bool(os.environ.get("GITOPS_UPDATE_GOLDENS"))


class Session:
    """Commands one after the other, with what they said, as a person at a terminal would have seen it."""

    def __init__(self, gitops: Gitops, group: str) -> None:
        self._gitops, self._group, self._told = gitops, group, ""
        self.id = ""

    def __call__(self, *arguments: str, code: int = 0) -> Ran:
        ran = self._gitops(self._group, *arguments)
        words = " ".join(f"'{a}'" if " " in a or not a else a for a in arguments)
        self._told += f"$ gitops {self._group} {words}\n{ran.out}{ran.err}"
        assert ran.code == code, ran
        found = re.search(r"^\w+ ((?:inc|mnt)-[0-9a-f]+)", ran.out)
        if found:
            self.id = found[1]
        return ran

    def expect(self, name: str) -> None:
        """Compare all of it with a file."""
        told = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<moment>", self._told)
        told = re.sub(r"(inc|mnt)-[0-9a-f]{4,}", r"\1-<id>", re.sub(r"\b\d+ s\b", "<n> s", told))
        expected = GOLDEN / f"{name}.txt"
        if UPDATE:
            expected.parent.mkdir(exist_ok=True)
            expected.write_text(told, encoding="utf-8")
        assert told == expected.read_text(encoding="utf-8"), f"GITOPS_UPDATE_GOLDENS=1 pytest {__file__} refreshes it"


@pytest.fixture
def applied(shop: Repo, gitops: Gitops) -> Repo:
    assert gitops("apply").code == 0
    return shop


def test_the_life_of_an_incident(applied: Repo, gitops: Gitops) -> None:
    session = Session(gitops, "incident")
    session("list")
    session("open", "--title", "Orders are slow", "--system", "shop", "--severity", "minor", "--description", "at noon")
    session("list")
    session("update", session.id, "the disk is full", "--status", "identified", "--severity", "critical")
    session("list", "--system", "shop")
    session("resolve", session.id, "cleaned up")
    session("show", session.id)
    session("list")
    session("list", "--all")
    session("resolve", session.id, code=1)
    session("expect", code=2)
    session.expect("incident")


def test_an_incident_as_data(applied: Repo, gitops: Gitops) -> None:
    made = gitops("incident", "open", "--title", "down", "--system", "shop::production", "--format", "json").json
    assert made["systems"] == ["shop::production"]
    assert (made["severity"], made["status"], made["actor"], made["resolved"]) == (
        "major",
        "investigating",
        "tester",
        None,
    )
    assert gitops("incident", "list", "--format", "json").json["incidents"] == [
        {k: v for k, v in made.items() if k != "format"}
    ]
    shown = gitops("incident", "show", made["id"], "--format", "json").json
    assert [entry["status"] for entry in shown.pop("timeline")] == ["investigating"]
    assert shown == made
    assert gitops("incident", "resolve", made["id"], "--quiet").out == ""
    assert gitops("incident", "list", "--format", "json").json["incidents"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("incident", "open", "--title", "x", "--system", "shpo"), 1, "did you mean shop?"),
        (("incident", "open", "--title", "x", "--system", "shop::prodution"), 1, "did you mean production?"),
        (("incident", "open", "--title", " "), 2, "the title is empty"),
        (("incident", "open"), 2, "--title"),
        (("incident", "show", "inc-0"), 1, "there is no incident 'inc-0'"),
        (("incident", "update", "inc-0", "x"), 1, "gitops incident list --all shows every one"),
        (("incident", "list", "--system", "shpo"), 1, "did you mean shop?"),
        (("maintenance", "add", "--title", "x"), 2, "--system"),
        (("maintenance", "add", "--title", "x", "--system", "shop", "--to", "noon"), 2, "'noon' is no moment"),
        (("maintenance", "add", "--title", "x", "--system", "shop", "--to", "2020-01-01"), 2, "before it begins"),
        (
            *(("maintenance", "add", "--title", "x", "--system", "shop", "--from", "2020-01-01", "--for", "1h"), 2),
            "in the past",
        ),
        (
            (
                *("maintenance", "add", "--title", "x", "--system", "shop", "--timezone", "Europe/Berlin"),
                *("--from", "2027-03-28 02:30"),
            ),
            2,
            "no clock in Europe/Berlin ever shows 2027-03-28 02:30",
        ),
        (("maintenance", "add", "--title", "x", "--system", "shop", "--for", "0s"), 2, "over at once"),
        (("maintenance", "add", "--title", "x", "--system", "shop", "--for", "1h", "--to", "2030-01-01"), 2, "exclude"),
        (("maintenance", "add", "--title", "x", "--system", "shop", "--cron", "0 2 * * *"), 2, "--cron needs --for"),
        (
            *(("maintenance", "add", "--title", "x", "--system", "shop", "--cron", "0 2 * *", "--for", "1h"), 2),
            "has 4 fields",
        ),
        (
            *(("maintenance", "add", "--title", "x", "--system", "shop", "--cron", "0 * * * *", "--for", "2h"), 2),
            "comes again 60 minutes after it began",
        ),
        (
            (
                *("maintenance", "add", "--title", "x", "--system", "shop", "--cron", "0 2 * * *", "--for", "1h"),
                *("--from", "2030-01-01"),
            ),
            2,
            "--from and --to make no sense",
        ),
        (
            *(("maintenance", "add", "--title", "x", "--system", "shop", "--timezone", "Mars/Base"), 2),
            "'Mars/Base' is no time zone",
        ),
        (("maintenance", "end", "mnt-0"), 1, "there is no maintenance 'mnt-0'"),
    ],
)
def test_what_cant_be_said(applied: Repo, gitops: Gitops, arguments: tuple[str, ...], code: int, words: str) -> None:
    told = gitops(*arguments)
    assert (told.code, told.out) == (code, "")
    assert words in told.err
    assert gitops("incident", "list", "--all", "--format", "json").json["incidents"] == []
    assert gitops("maintenance", "list", "--all", "--format", "json").json["maintenances"] == []


def test_without_a_store_nothing_is_kept(shop: Repo, gitops: Gitops) -> None:
    told = gitops("incident", "open", "--title", "x")
    assert told.code == 1
    assert "gitops apply makes it" in told.err
    assert not (shop.path / ".gitops").exists()
    assert gitops("incident", "list").out == "No incident is open.\n"


def test_the_life_of_maintenances(applied: Repo, gitops: Gitops) -> None:
    session = Session(gitops, "maintenance")
    session("list")
    session("add", "--title", "new disks", "--system", "shop", "--for", "2h")
    now = session.id
    session("add", "--title", "moving", "--system", "shop::production", "--from", "2096-11-22 02:00")
    later = session.id
    session(
        *("add", "--title", "updates", "--system", "shop", "--cron", "0 2 * * sun", "--for", "90m"),
        *("--timezone", "Europe/Berlin", "--no-suppress"),
    )
    again = session.id
    listed = gitops("maintenance", "list", "--format", "json").json["maintenances"]
    assert [(m["id"], m["status"], m["suppress"]) for m in listed] == [
        (now, "active", True),
        (again, "scheduled", False),
        (later, "scheduled", True),
    ]
    session("list", "--system", "shop")
    session("show", again)
    session("end", later, code=1)
    session("cancel", later, "it was moved")
    session("end", now, "all went well")
    session("cancel", again)
    session("list")
    session("show", now)
    session("list", "--all")
    session.expect("maintenance")


def test_what_recurs_comes_again_when_it_is_ended(applied: Repo, gitops: Gitops) -> None:
    """Every minute of the year for a second less, which always goes on but for one second."""
    made = gitops(
        *("maintenance", "add", "--title", "x", "--system", "shop", "--cron", "* * * * *", "--for", "59s"),
        *("--format", "json"),
    ).json
    assert made["recurs"] == {"cron": "* * * * *", "durationMs": 59_000, "timezone": "UTC"}
    store = open_store(str(applied.path / ".gitops" / "store.db"))
    store.db.tell_time(lambda: moment(made["from"]) + 90)
    tick(store.db)
    store.close()
    before = gitops("maintenance", "show", made["id"], "--format", "json").json
    assert before["status"] == "active"
    ended = gitops("maintenance", "end", made["id"], "--format", "json").json
    assert (ended["status"], ended["ended"]) == ("scheduled", None)
    assert ended["from"] > before["from"]


def moment(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_an_overview_tells_what_goes_on(applied: Repo, gitops: Gitops) -> None:
    assert "mnt-" not in gitops("status").out
    gitops("incident", "open", "--title", "Orders are slow", "--system", "shop", "--severity", "critical")
    gitops("maintenance", "add", "--title", "new disks", "--system", "shop::production")
    gitops("maintenance", "add", "--title", "later", "--system", "shop", "--from", "2096-01-01")
    for arguments in (("status",), ("status", "--system", "shop")):
        *_, incident, work = gitops(*arguments).out.splitlines()
        assert re.fullmatch(r"Incident inc-\w+ \(critical, investigating\) for \d+ s: shop: Orders are slow", incident)
        assert re.fullmatch(r"Maintenance mnt-\w+ until it is ended: shop::production: new disks", work)
    data = gitops("status", "--format", "json").json
    assert [i["title"] for i in data["incidents"]] == ["Orders are slow"]
    assert [m["title"] for m in data["maintenances"]] == ["new disks"]


def test_an_overview_of_many_incidents_stays_short(applied: Repo, gitops: Gitops) -> None:
    store = open_store(str(applied.path / ".gitops" / "store.db"))
    for n in range(23):
        SqlIncidents(store.db).open(f"no {n}", systems=["shop"], author=Author("ann"))
    store.close()
    *lines, last = gitops("status").out.splitlines()
    assert len([line for line in lines if line.startswith("Incident inc-")]) == 20
    assert last == "and 3 incidents before: gitops incident list"
    assert len(gitops("status", "--format", "json").json["incidents"]) == 23
    assert "--limit shows more" not in gitops("incident", "list").err
    assert gitops("incident", "list", "-n", "5").err == "These are the newest 5; --limit shows more\n"


def test_what_was_held_back_is_shown(web: Repo, gitops: Gitops) -> None:
    """So that somebody who wasn't called finds out why."""
    made = gitops("maintenance", "add", "--title", "disks", "--system", "shop", "--format", "json").json["id"]
    gitops("run", "ready", "--environment", "production")
    shown = gitops("maintenance", "show", made).out
    table = shown.partition("HELD BACK")[2].splitlines()
    assert [re.split(r"  +", line)[1:] for line in table[1:]] == [
        ["shop::production", "healthy → degraded"],
        ["shop", "healthy → degraded"],
    ]
    held = gitops("maintenance", "show", made, "--format", "json").json["heldBack"]
    assert [(h["system"], h["was"], h["now"]) for h in held] == [
        ("shop::production", "healthy", "degraded"),
        ("shop", "healthy", "degraded"),
    ]


def test_names_are_completed(applied: Repo, gitops: Gitops) -> None:
    incident = gitops("incident", "open", "--title", "down", "--format", "json").json["id"]
    work = gitops("maintenance", "add", "--title", "disks", "--system", "shop", "--format", "json").json["id"]
    ctx = click.Context(click.Command("x"))
    ctx.params["directory"] = str(applied.path)
    param: Any = None
    with ctx:
        assert [(c.value, c.help) for c in incident_names(ctx, param, "inc-")] == [(incident, "down")]
        assert [(c.value, c.help) for c in maintenance_names(ctx, param, "")] == [(work, "disks")]
        assert [c.value for c in place_names(ctx, param, "sh")] == ["shop"]
        assert [c.value for c in place_names(ctx, param, "shop::p")] == ["shop::production"]
