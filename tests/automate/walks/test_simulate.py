"""Automations tried on the files on disk: which gates open, which path is taken, and what would have been sent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reconciler.cli.main import cli
from reconciler.store.open import open_store

EXAMPLE = Path(__file__).parents[3] / "examples" / "04-automation"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "source"
    shutil.copytree(EXAMPLE, copy)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("NO_COLOR", "1")
    return copy


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(folder: Path) -> Run:
    def invoke(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(cli, ["automation", *arguments])
        return done.exit_code, done.stdout, done.stderr

    return invoke


def scenario(folder: Path, **more: Any) -> str:
    path = folder.parent / "scenario.json"
    event = {"event": "healthcheck.system_health_changed", "at": "2026-01-05T22:00:00Z"}
    path.write_text(json.dumps({**event, "payload": {"systemId": "orders-api", "newStatus": "unhealthy"}, **more}))
    return str(path)


def test_the_scenarios_of_the_example_come_out_as_expected(run: Run) -> None:
    code, out, _ = run("test")
    assert (code, out.splitlines()[-1]) == (0, "6 scenarios, all as expected")


def test_a_scenario_that_comes_out_otherwise_is_told(run: Run, folder: Path) -> None:
    page = folder / "monitoring" / "page.yaml"
    page.write_text(page.read_text().replace("severity: critical", "severity: minor").replace("for: 5m", "for: 7m"))
    code, out, _ = run("test", "scenarios/page.yaml")
    assert code == 1
    assert "✗ scenarios/page.yaml: At night somebody is woken" in out
    assert "    sent[0].config.severity is 'minor', not 'critical'" in out
    assert "4 scenarios, 1 not as expected" in out


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"status": "failed"}, "status is 'success', not 'failed'"),
        ({"stopped": "filter"}, "it was expected to be stopped by filter, and no gate stopped it"),
        ({"path": ["actions[0]", "actions[3]"]}, "path[1] is actions[1].else[0].parallel[0], not actions[3]"),
        ({"sent": []}, "0 actions were expected, and 4 would be done: incident.create@1 at actions[0]"),
        ({"sent": [{"config": {"nothing": 1}}] + [{}] * 3}, "sent[0].config.nothing isn't there"),
        ({"sent": [{"action": "log"}] + [{}] * 3}, "sent[0].action is 'incident.create@1', not 'log'"),
    ],
)
def test_differences_are_sentences(expect: Any, said: str, run: Run, folder: Path) -> None:
    code, out, _ = run("test", scenario(folder, automation="page-when-down", expect=expect))
    assert code == 1
    assert said in out


def test_simulate_shows_the_gates_the_path_and_what_would_be_sent(run: Run, folder: Path) -> None:
    then = [{"after": "1h", "event": "healthcheck.system_healthy", "payload": {"systemId": "orders-api"}}]
    code, out, _ = run("simulate", "page-when-down", "--event", scenario(folder, then=then))
    assert code == 0
    for line in (
        "  ✓ down: filter",
        "  ✓ down: for (taken as lasting)",
        "   +5m ✓ actions[0]  incident.create@1  incident",
        "   +5m ✓ actions[1]  choose  taken else",
        "   +5m ✓ actions[1].else[0].parallel[1][0]  delay  waited 10m",
        "   +1h ✓ actions[3]  incident.resolve@1",
        "    url: ${{ secrets.PAGER_URL }}",
        "    title: orders-api is still down",
        "✓ success",
    ):
        assert line in out.splitlines()


def test_simulate_as_json(run: Run, folder: Path) -> None:
    code, out, _ = run("simulate", "page-when-down", "--event", scenario(folder), "--format", "json")
    told = json.loads(out)
    assert (code, told["status"], told["trigger"]) == (0, "success", "down")
    assert [each["path"] for each in told["sent"]][-1] == "actions[3]"
    assert told["steps"][-2]["result"] == {"resumed": "timeout"}


def test_simulate_reads_standard_input(folder: Path) -> None:
    given = Path(scenario(folder)).read_text()
    done = CliRunner().invoke(cli, ["automation", "simulate", "page-when-down", "--event", "-"], input=given)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "✓ success")
    done = CliRunner().invoke(cli, ["automation", "simulate", "page-when-down", "--event", "-"], input="evnt: x\n")
    assert done.exit_code == 1
    assert "<stdin>:1:1" in done.stderr


def test_simulate_says_which_gate_holds(run: Run, folder: Path) -> None:
    payload = {"systemId": "orders-api", "newStatus": "unhealthy", "environmentId": "staging"}
    code, out, _ = run("simulate", "page-when-down", "--event", scenario(folder, payload=payload, trigger="down"))
    assert code == 0
    assert "  ✗ down: filter" in out.splitlines()
    assert "It would not start." in out
    code, out, _ = run("simulate", "page-when-down", "--event", scenario(folder, event="incident.created"))
    assert "  ✗ down: event (waits for healthcheck.system_health_changed)" in out.splitlines()
    code, out, _ = run("simulate", "page-when-down", "--event", scenario(folder, trigger="none"))
    assert "there is no trigger none" in out


def test_a_failed_run_exits_with_1_and_waits_for_ever_are_told(run: Run, folder: Path) -> None:
    results = {"incident": {"error": "the store is full"}}
    code, out, _ = run("simulate", "page-when-down", "--event", scenario(folder, results=results))
    assert code == 1
    assert "✗ failed: actions[0]: the store is full" in out
    page = folder / "monitoring" / "page.yaml"
    page.write_text(page.read_text().replace("        timeout: 1d\n", ""))
    code, out, _ = run("simulate", "page-when-down", "--event", scenario(folder))
    assert code == 0
    assert "… waiting: nothing in the scenario wakes it" in out


def test_started_by_hand_no_gate_is_in_the_way(run: Run, folder: Path) -> None:
    given = scenario(folder, event="manual", context="orders-api", health={"orders-api": "degraded"})
    code, out, _ = run("simulate", "nightly-probe", "--event", given)
    assert code == 1
    assert "✗ failed: Not healthy before the morning." in out
    assert "✓ by hand: event (started by hand: no gate is in the way)" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("event: 5", "scenario.json:1:8: error[wrong-type]"),
        ("evnt: a\nevent: b", "the document has no key 'evnt'"),
        ("event: a\nat: noon", "has to be a moment as in"),
        ("event: a\nresults: {x: {again: 5s}}", "error is missing"),
        ("event: a\nthen: [{after: -1s}]", "bad-duration"),
        ("event: [", "error["),
        ("event: a\nhealth: {orders-api: fine}", "has to be healthy, degraded or unhealthy"),
        ("event: a\nhealth: {orders-api: 5}", "has to be healthy, degraded or unhealthy"),
        ("event: a\nhealth: {a: {status: healthy, in_status_for_ms: x}}", "has to be a number of milliseconds"),
        ("event: a\nhealth: {a: {status: healthy, environments: [b]}}", "environments has to be a map"),
        ("event: a\nhealth: {a: {status: healthy, environments: {b: 1}}}", "has to be healthy, degraded or unhealthy"),
        ("event: a\npayload: [1]", "error["),
        ("event: a\nresults: {x: 5}", "error["),
        ("- event: a", "error["),
        ("event: a\nat: '9999-12-31T23:59:59Z'", "has to be a moment as in"),
    ],
)
def test_what_is_wrong_in_a_scenario_is_shown_at_its_line(text: str, said: str, run: Run, folder: Path) -> None:
    path = folder.parent / "scenario.json"
    path.write_text(text)
    code, out, err = run("simulate", "page-when-down", "--event", str(path))
    assert code == 1
    assert said in out + err


def test_a_file_of_none_or_several_is_told(run: Run, folder: Path) -> None:
    path = folder.parent / "scenario.json"
    for text, number in (("", 0), ("event: a\n---\nevent: b\n", 2)):
        path.write_text(text)
        code, _, err = run("simulate", "page-when-down", "--event", str(path))
        assert code == 2
        assert f"holds {number} scenarios" in err


def test_what_is_missing_is_said(run: Run, folder: Path) -> None:
    code, _, err = run("simulate", "page-when-done", "--event", scenario(folder))
    assert code == 1
    assert "there is no automation 'page-when-done' in the documents" in err
    assert "page-when-down" in err
    code, out, err = run("test", scenario(folder))
    assert code == 1
    assert "a scenario that is tested needs automation" in out + err
    assert run("test", "nowhere.yaml")[0] == 2
    shutil.rmtree(folder / "scenarios")
    code, _, err = run("test")
    assert code == 1
    assert "there is no scenario" in err


def test_a_recorded_run_is_walked_again_as_the_documents_are_now(run: Run, folder: Path) -> None:
    (folder / "gitops.yaml").write_text("source: automation\nstore: kept.db\n")
    payload = {"systemId": "orders-api", "systemName": None, "newStatus": "unhealthy", "environmentId": None}
    event = {"id": "transition:1", "name": "healthcheck.system_health_changed", "at": 1_767_646_800.0}
    store = open_store(str(folder / "kept.db"))
    with store.db.transaction():
        store.db.run(
            "insert into automation_run (automation, generation, digest, trigger_id, event, detail, event_id, lane, "
            "context_key, status, created, lease, worker, lease_until) values (1, 1, 'd', 'down', ?, ?, '0:t', '', "
            "'orders-api', 'failed', 0, 0, '', 0)",
            (event["name"], json.dumps({**event, "payload": payload, "contextKey": "orders-api", "actor": None})),
        )
        for seq, path, status, error in ((0, "actions[0]", "success", None), (1, "actions[3]", "failed", "no such")):
            store.db.run(
                "insert into automation_step (run, seq, path, block, action, status, at, attempts, result, error) "
                "values (1, ?, ?, 'action', 'x', ?, 0, 1, '{\"id\":\"inc-9\"}', ?)",
                (seq, path, status, error),
            )
    store.close()
    code, out, _ = run("simulate", "page-when-down", "--run", "1")
    assert code == 1
    assert "✓ down: filter" in out
    assert "✗ failed: actions[3]: no such" in out
    code, _, err = run("simulate", "page-when-down", "--run", "2")
    assert code == 1
    assert "there is no run 2 in the store" in err
    assert run("simulate", "page-when-down")[0] == 2
