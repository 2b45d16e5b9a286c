"""The table of actions: each that a document can name is done by something here, is told of, and has tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.base.errors import GitopsError
from reconciler.flows.acting import table
from reconciler.flows.acting.port import Delivered, Needing
from reconciler.kinds.loaded import load
from reconciler.kinds.table import ACTIONS

ROOT = Path(__file__).parents[2]
OUTSIDE = {"webhook", "notify", "github.issue", "gitlab.issue"}


def test_each_action_is_done_by_something() -> None:
    ours = {name for name, entry in ACTIONS.items() if entry.model.startswith("reconciler.")}
    assert set(table.ACTIONS) == ours
    made = {name: table.action(name) for name in ours}
    assert {name for name, each in made.items() if isinstance(each, Delivered)} == OUTSIDE
    assert {name for name, each in made.items() if isinstance(each, Needing)} == {"notify"}
    assert all(table.action(name) is each for name, each in made.items())


@pytest.mark.parametrize("name", sorted(OUTSIDE))
def test_what_leaves_the_host_can_be_tried_again(name: str) -> None:
    assert "retry" in load(ACTIONS[name]).model.model_fields


@pytest.mark.parametrize("name", sorted(table.ACTIONS))
def test_each_action_has_a_test_that_performs_it(name: str) -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_actions_*.py"))
    assert re.search(rf'perform\(\s*"{re.escape(name)}"', tests)


def test_the_page_tells_of_each_and_of_what_it_leaves() -> None:
    page = (ROOT / "examples" / "reference" / "automations.md").read_text(encoding="utf-8")
    rows = {row[0]: row[2] for row in re.findall(r"^\| `([a-z_.]+)` \| (.*?) \| (.*?)\|$", page, re.MULTILINE)}
    left = {name: getattr(load(ACTIONS[name]).model, "PRODUCES", None) for name in table.ACTIONS}
    told = {name: f"`artifacts.<id>.{what}` " if what else "" for name, what in left.items()}
    assert {name: rows.get(name) for name in told} == told


class _Tea:
    async def act(self, asked: Any, hands: Any) -> Any:
        raise NotImplementedError


def brought(monkeypatch: pytest.MonkeyPatch, *loads: Any) -> None:
    """As if distributions brought an action called tea."""
    points = tuple(SimpleNamespace(value=f"tea{n}:Tea", load=each) for n, each in enumerate(loads))
    table.action.cache_clear()
    monkeypatch.setattr(table, "by_name", lambda _: {"tea": points})


def test_another_distribution_brings_an_action(monkeypatch: pytest.MonkeyPatch) -> None:
    brought(monkeypatch, lambda: _Tea)
    assert isinstance(table.action("tea"), _Tea)


def broken() -> Any:
    raise ImportError("no leaves")


@pytest.mark.parametrize(
    ("loads", "said"),
    [
        ((), "nothing here does tea"),
        ((lambda: _Tea, lambda: _Tea), "the action tea is brought twice"),
        ((broken,), "the plugin that does tea can't be loaded: no leaves"),
    ],
)
def test_a_plugin_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, loads: Any, said: str) -> None:
    brought(monkeypatch, *loads)
    with pytest.raises(GitopsError, match=said):
        table.action("tea")


PLUGIN = """
from typing import Annotated
from pydantic import Field
from reconciler.automate.port import Done
from reconciler.kinds.marks import Ref, Runtime, Secret
from reconciler.kinds.modelling import Model
from reconciler.kinds.table import Entry

class Letter(Model):
    to: Annotated[str, Secret()] = Field(description="Whom to.", examples=["a"])
    about: Annotated[str, Ref("System"), Runtime()] = Field(description="What about.", examples=["a"])

class Send:
    async def act(self, asked, hands):
        return Done({"to": asked.config["to"], "about": asked.config["about"]})

ENTRY = Entry("actions/pigeon.send", 1, 1, "pigeon:Letter")
"""
PERFORMED = """
import sys
from reconciler.kinds.table import extend
from tests.conftest import Kit
from tests.servers.acting import Acting

extend()
acting = Acting(Kit(), sys.argv[1])
acting.environ["GITOPS_SECRET_NEST"] = "hidden-nest"
acting.declare("pigeon.*", systems=("shop",))
for system in ("shop", "other"):
    print(acting.perform("pigeon.send", {"to": "${{ secrets.NEST }}", "about": system}))
acting.close()
"""


def test_an_installed_plugin_is_performed_within_the_same_bounds(tmp_path: Path) -> None:
    info = tmp_path / "pigeon-1.0.dist-info"
    info.mkdir()
    (tmp_path / "pigeon.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon\nVersion: 1.0\n")
    groups = "[gitops.actions]\npigeon.send = pigeon:ENTRY\n\n[gitops_acting.actions]\npigeon.send = pigeon:Send\n"
    (info / "entry_points.txt").write_text(groups)
    done = subprocess.run(
        [sys.executable, "-c", PERFORMED, str(tmp_path / "store.db")],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    first, second = done.stdout.splitlines() or ("", "")
    assert first == "Done(result={'to': '****', 'about': 'shop'}, artifacts={})", done.stderr
    assert "the account oncall may not touch other" in second
