"""What lies in examples/deploy: every file can be read, and every metric that it names is served."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from reconciler.flows.work.events import Started
from reconciler.flows.work.knobs import Knobs
from reconciler.flows.work.vitals import families
from reconciler.store.executing import Vitals
from tests.packaging.pages import REFERENCE, ROOT, section
from tests.servers.workers import Shift, working

if TYPE_CHECKING:
    pass

DEPLOY = ROOT / "examples" / "deploy"
_NAME = re.compile(r"\bgitops_[a-z_]+")
_TYPED = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all series of a worker: its own, those of automations, and those of PostgreSQL."""
    page: list[str] = []

    async def scenario(shift: Shift) -> None:
        import asyncio

        await shift.until(lambda: shift.said(Started))
        address = shift.said(Started)[0].metrics
        fetched = ""
        while "gitops_slices_overdue" not in fetched:
            with await asyncio.to_thread(urllib.request.urlopen, f"{address}/metrics") as answer:
                fetched = answer.read().decode()
            await asyncio.sleep(0.01)
        page.append(fetched)

    knobs = Knobs(metrics=("127.0.0.1", 0), grace=1.0, scripts=1)
    working(tmp_path_factory.mktemp("store") / "store.db", scenario, knobs=knobs)
    of_a_server = families(Vitals(0, 0, {}, 0, 0, {"idle": 1}, 100))
    return set(_series(page[0])) | {family.name for family in of_a_server}


def _series(page: str) -> Iterator[str]:
    for name, kind in _TYPED.findall(page):
        yield from (f"{name}{end}" for end in ("_bucket", "_sum", "_count")) if kind == "histogram" else (name,)


def _documents(name: str) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all((DEPLOY / name).read_text(encoding="utf-8")))


def test_the_dashboard_asks_for_what_is_served(served: set[str]) -> None:
    board = json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({p["id"] for p in panels}) == len(panels) >= 15
    assert [v["name"] for v in board["templating"]["list"]] == ["datasource"]
    taken: set[tuple[int, int]] = set()
    asked: set[str] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["description"], panel["title"]
        assert panel["type"] in ("timeseries", "stat")
        assert len({t["refId"] for t in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == panel["datasource"]["uid"] == "${datasource}"
            asked |= set(_NAME.findall(target["expr"]))
            assert target["expr"].count("(") == target["expr"].count(")")
    assert asked - served == set()
    for wanted in ("gitops_run_lateness_seconds_bucket", "gitops_queue_depth", "gitops_takeovers_total"):
        assert wanted in asked


def test_the_alerts_ask_for_what_is_served(served: set[str]) -> None:
    (rules,) = _documents("alerts.yaml")
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len({a["alert"] for a in alerts}) == len(alerts) >= 10
    asked: set[str] = set()
    for alert in alerts:
        assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
        assert set(alert["annotations"]) == {"summary", "description"}
        assert alert["expr"].count("(") == alert["expr"].count(")")
        assert re.fullmatch(r"\d+m", alert.get("for", "1m"))
        asked |= set(_NAME.findall(alert["expr"]))
    assert asked - served == set()


def test_the_metrics_are_told(served: set[str]) -> None:
    text = section(REFERENCE / "running.md", "Metrics")
    told = set(_NAME.findall(text))
    names = {re.sub("_(bucket|sum|count)$", "", name) for name in served if not name.startswith("gitops_automation_")}
    assert {name for name in told if name != "gitops_automation_"} == names


@pytest.mark.parametrize("name", sorted(p.name for p in DEPLOY.glob("*.yaml")))
def test_files_can_be_read(name: str) -> None:
    assert all(isinstance(document, dict) for document in _documents(name))


def test_workers_of_the_examples_can_be_started() -> None:
    """Their arguments are those of the command; each is probed, and has time to end in good order."""
    import click

    from reconciler.cli.main import cli

    with click.Context(cli) as ctx:
        worker = cli.get_command(ctx, "worker")
    assert worker is not None
    flags = {option for p in worker.params for option in p.opts}
    (compose,) = _documents("compose-postgres.yaml")
    services = {name: s for name, s in compose["services"].items() if name.startswith("worker")}
    pods = [d["spec"]["template"]["spec"] for d in _documents("kubernetes-postgres.yaml")]
    commands = [s["command"] for s in services.values()]
    for pod in pods:
        (container,) = pod["containers"]
        commands.append(container["args"])
        assert pod["terminationGracePeriodSeconds"] > Knobs().grace
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert sum("--region" in command for command in commands) == 2
    for command in commands:
        assert command[0] == "worker"
        assert {word for word in command if word.startswith("--")} <= flags
    for service in services.values():
        assert int(service["stop_grace_period"].removesuffix("s")) > Knobs().grace
        assert service["cap_drop"] == ["ALL"]


def test_the_files_are_told_of() -> None:
    told = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in Path(DEPLOY).iterdir() if p.name != "README.md" and f"`{p.name}`" not in told] == []
