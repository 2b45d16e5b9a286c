"""``gitops automation list|runs|show|run|cancel`` beside a worker. GITOPS_UPDATE_GOLDENS=1 writes the words anew."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops, Ran
    from tests.conftest import Kit, Repo

GOLDEN = Path(__file__).parent.parent / "golden" / "automations"
UPDATE = bool(os.environ.get("GITOPS_UPDATE_GOLDENS"))


def log(message: str) -> dict[str, Any]:
    return {"action": "log@1", "config": {"message": message}}


@pytest.fixture
def deploys(repo: Repo, kit: Kit, gitops: Gitops) -> Repo:
    """Two automations: one goes both ways, one waits for ever."""
    opened = {"title": "Deploying {{ trigger.payload.version }}", "systems": ["shop"]}
    branch = {
        "when": "trigger.payload.version is defined",
        "sequence": [
            {"id": "open", "action": "incident.create@1", "config": opened},
            {"repeat": {"count": 2, "sequence": [log("round {{ repeat.index }}")]}},
            {"action": "incident.resolve@1", "config": {"message": "done"}},
        ],
    }
    triggers = [
        {"event": "automation.cron@1", "config": {"cronPattern": "0 6 * * mon-fri", "timezone": "Europe/Berlin"}},
        {"id": "down", "event": "healthcheck.system_health_changed", "for": "5m"},
    ]
    deploy = {
        "runAs": "deployer",
        "mode": "queued",
        "triggers": triggers,
        "actions": [
            log("by hand"),
            {"choose": [branch], "else": [{"stop": {"reason": "there is no version", "error": True}}]},
        ],
    }
    waits = {
        "triggers": [{"event": "maintenance.started"}],
        "actions": [{"waitForTrigger": {"event": "maintenance.completed", "contextKey": "shop", "timeout": "1h"}}],
    }
    repo.put(
        "automations.yaml",
        [
            kit.document("Automation", "deploy", deploy),
            kit.document("Automation", "wait", waits),
            kit.document("ServiceAccount", "deployer", {"permissions": ["incident.*"]}),
            kit.system("shop"),
        ],
    )
    repo.put(".gitignore", ".gitops/\n")
    repo.commit()
    assert gitops("apply").code == 0
    return repo


@contextmanager
def working(repo: Repo) -> Iterator[None]:
    """A worker."""
    command = [sys.executable, "-m", "reconciler", "worker", "-C", str(repo.path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


class Session:
    """Commands one after the other, with what they said."""

    def __init__(self, gitops: Gitops) -> None:
        self._gitops, self._told = gitops, ""

    def __call__(self, *arguments: str, code: int = 0) -> Ran:
        ran = self._gitops("automation", *arguments)
        self._told += f"$ gitops automation {' '.join(arguments)}\n{ran.out}{ran.err}"
        assert ran.code == code, ran
        return ran

    def expect(self, name: str) -> None:
        told = self._told
        for pattern, stands in (
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<moment>"),
            (r"inc-[0-9a-f]{4,}", "inc-<id>"),
            (r"\b[\d.]+ (ms|s)\b", "<time>"),
            (r"payload [^ ]*/", "payload <folder>/"),
            (r" {2,}(?=\S)", "  "),
        ):
            told = re.sub(pattern, stands, told)
        told = "".join(line.rstrip() + "\n" for line in told.splitlines())
        expected = GOLDEN / f"{name}.txt"
        if UPDATE:
            expected.parent.mkdir(exist_ok=True)
            expected.write_text(told, encoding="utf-8")
        assert told == expected.read_text(encoding="utf-8"), f"GITOPS_UPDATE_GOLDENS=1 pytest {__file__} refreshes it"


def test_runs_from_their_start_to_their_end(deploys: Repo, gitops: Gitops, tmp_path: Path) -> None:
    payload = tmp_path / "payload.json"
    payload.write_text(json.dumps({"version": "1.2", "password": "hunter2-and-more"}))
    session = Session(gitops)
    session("list")
    session("runs")
    with working(deploys):
        _until(lambda: gitops("workers", "--format", "json").json["workers"])
        session("run", "deploy", "--payload", str(payload), "--context", "shop", "--wait")
        session("run", "deploy", "--wait", code=1)
        session("show", "1")
        session("show", "1", "--full")
        session("show", "2")
        session("run", "wait", "--quiet")
        run = _until(lambda: _waiting(gitops))
        session("show", str(run))
        session("cancel", str(run))
        session("cancel", str(run), code=1)
        session("runs", "deploy")
        session("runs", "--status", "cancelled")
        session("list")
    session.expect("runs")
    shown = gitops("automation", "show", "1", "--format", "json").json
    assert (shown["status"], shown["event"], shown["context"], shown["actor"]) == (
        "success",
        "manual",
        "shop",
        "tester",
    )
    assert shown["payload"] == {"version": "1.2", "password": "(masked 1)"}
    assert [step["path"] for step in shown["steps"]][:3] == [
        "actions[0]",
        "actions[1]",
        "actions[1].choose[0].sequence[0]",
    ]
    assert [a["type"] for a in shown["artifacts"]] == ["incident"]
    listed = gitops("automation", "list", "--format", "json").json["automations"]
    assert [(a["name"], a["mode"], a["going"]) for a in listed] == [("deploy", "queued", 0), ("wait", "single", 0)]
    told = gitops("automation", "runs", "--context", "shop", "--format", "json").json["runs"]
    assert ("deploy", "success") in [(r["automation"], r["status"]) for r in told]


def _waiting(gitops: Gitops) -> int | None:
    runs = gitops("automation", "runs", "wait", "--format", "json").json["runs"]
    return next((r["run"] for r in runs if r["status"] == "waiting" and r["event"] == "manual"), None)


def _until(ask: Any, *, within: float = 30.0) -> Any:
    deadline = time.monotonic() + within
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_without_a_worker_it_waits(deploys: Repo, gitops: Gitops) -> None:
    asked = gitops("automation", "run", "deploy")
    assert (asked.code, asked.out) == (
        0,
        "Asked for a run of deploy, as event 1. gitops automation runs deploy shows it.\n",
    )
    assert "No worker is alive" in asked.err
    told = gitops("automation", "run", "deploy", "--wait", "--timeout", "0.3s", "--quiet")
    assert (told.code, told.out) == (1, "")
    assert "no worker has taken it up within 0 seconds" in told.err


def test_whoever_stops_waiting_is_told_that_the_run_goes_on(
    deploys: Repo, gitops: Gitops, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reconciler.flows.automations.follow", interrupted)
    told = gitops("automation", "run", "deploy", "--wait")
    assert told.code == 130
    assert "The run goes on. gitops automation runs deploy shows it" in told.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "7"), 1, "there is no run 7"),
        (("cancel", "7"), 1, "there is no run 7"),
        (("show", "seven"), 2, "'seven'"),
        (("runs", "deplay"), 1, "did you mean deploy?"),
        (("run", "deplay"), 1, "did you mean deploy?"),
        (("run", "deploy", "--timeout", "1s"), 2, "--timeout needs --wait"),
        (("run", "deploy", "--payload", "nowhere.json"), 1, "can't be read"),
        (("run", "deploy", "--payload", "list.json"), 1, "JSON, but no object"),
        (("run", "deploy", "--payload", "deep.json"), 1, "deeper than 32"),
    ],
)
def test_what_cant_be_asked(
    deploys: Repo,
    gitops: Gitops,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "deep.json").write_text('{"a":' * 40 + "1" + "}" * 40)
    monkeypatch.chdir(tmp_path)
    told = gitops("automation", *arguments)
    assert (told.code, told.out) == (code, "")
    assert words in told.err
    assert gitops("automation", "runs", "--format", "json").json["runs"] == []


def test_where_nothing_was_applied(repo: Repo, gitops: Gitops) -> None:
    repo.commit()
    assert gitops("automation", "list").out == "No automation was applied.\n"
    assert gitops("automation", "runs").out == "No automation has run yet.\n"
    assert gitops("automation", "run", "deploy").code == 1
