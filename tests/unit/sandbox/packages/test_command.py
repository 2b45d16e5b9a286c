"""``gitops packages`` from the first line of an allow list to a set in force."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from reconciler.base.errors import GitopsError, UsageError
from reconciler.cli.commands.packages import command

if TYPE_CHECKING:
    from tests.unit.sandbox.packages.conftest import Wheels

Gitops = Callable[..., Result]


@pytest.fixture
def gitops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gitops:
    """Runs a subcommand in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda *arguments: CliRunner().invoke(command, arguments)


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_from_the_list_to_the_set(gitops: Gitops, wheels: Wheels) -> None:
    wheels.add("above", "1.0")
    assert gitops("status").stdout.splitlines() == [
        "State     pending: there is no lock file",
        "Locked    there is no script-packages.lock",
        "In force  nothing",
    ]
    Path("script-packages.txt").write_text("above\n")
    assert gitops("lock").stdout == "Locked 1 Python package and 0 npm packages in script-packages.lock.\n"
    assert gitops("lock").stdout == "script-packages.lock says so already.\n"
    pending = told(gitops("status", "--format", "json"))
    assert (pending["state"], pending["current"], pending["python"], pending["node"]) == ("pending", None, 1, 0)
    assert gitops("sync").stdout.startswith("Built 1 Python package and 0 npm packages as ")
    ready = told(gitops("status", "--format", "json"))
    assert (ready["state"], ready["current"], ready["why"]) == ("ready", pending["wanted"], None)
    again = told(gitops("sync", "--format", "json"))
    assert (again["digest"], again["built"]) == (pending["wanted"], False)
    assert Path(".gitops/packages/current/python/above.py").is_file()

    wheels.add("above", "2.0")
    changed = told(gitops("lock", "--format", "json"))
    assert changed["changed"] is True
    assert told(gitops("status", "--format", "json"))["state"] == "pending"


def test_faults(gitops: Gitops) -> None:
    missing = gitops("lock")
    assert isinstance(missing.exception, UsageError)
    assert "script-packages.txt can't be read" in str(missing.exception)
    unlocked = gitops("sync")
    assert isinstance(unlocked.exception, GitopsError)
    assert "there is no lock file script-packages.lock" in str(unlocked.exception)
    Path("list").write_text("fine\n-e .\n")
    faulty = gitops("lock", "--allow", "list")
    assert str(faulty.exception).startswith("list:2: '-e .' is no requirement")
    Path("script-packages.lock").write_text("{")
    assert "can't be read" in str(gitops("status").exception)
