"""``gitops sandbox``: the policy of a store, and what the host enforces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reconciler.cli.main import cli


@pytest.fixture
def told(tmp_path: Path) -> Any:
    """Run ``gitops sandbox policy ...`` on a store of its own; (exit code, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        where = ["-C", str(tmp_path), "--store", str(tmp_path / "store.db")]
        ran = CliRunner().invoke(cli, ["sandbox", "policy", arguments[0], *where, *arguments[1:]])
        return ran.exit_code, ran.stdout, ran.stderr

    return run


def test_the_shipped_policy_without_a_store(told: Any) -> None:
    code, out, _ = told("show", "--format", "json")
    assert code == 0
    assert json.loads(out)["policy"]["onUnavailable"] == "fail"


def test_set_and_show(told: Any) -> None:
    code, out, err = told("set", "network.allow=db.example.net:5432,10.1.0.0/16:443", "resources.cpuSeconds=null")
    assert code == 0, err
    assert "db.example.net:5432, 10.1.0.0/16:443" in out
    policy = json.loads(told("show", "--format", "json")[1])["policy"]
    assert policy["network"]["allow"] == ["db.example.net:5432", "10.1.0.0/16:443"]
    assert policy["resources"]["cpuSeconds"] is None
    assert policy["resources"]["maxProcesses"] == 256


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("network.allow=169.254.169.254:80", "link-local"),
        ("netwrk.mode=deny", "there is no such key"),
        ("resources.cpuSeconds=many", "resources.cpuSeconds"),
    ],
)
def test_what_is_wrong_stores_nothing(told: Any, pair: str, said: str) -> None:
    before = told("show")
    code, _, err = told("set", pair)
    assert code == 1
    assert "the policy wasn't changed" in err
    assert said in err
    assert told("show") == before


def test_a_file_and_a_reset(told: Any, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text('{"filesystem": {"scratchBytes": 1048576}, "onUnavailable": "degrade"}')
    assert told("set", "--file", str(file), "onUnavailable=fail")[0] == 0
    policy = json.loads(told("show", "--format", "json")[1])["policy"]
    assert (policy["filesystem"]["scratchBytes"], policy["onUnavailable"]) == (1048576, "fail")
    assert told("set", "--reset")[0] == 0
    assert json.loads(told("show", "--format", "json")[1])["policy"]["filesystem"]["scratchBytes"] is None


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("=1",)])
def test_usage(told: Any, arguments: tuple[str, ...]) -> None:
    assert told("set", *arguments)[0] == 2


def test_probe_says_how_or_why_not() -> None:
    ran = CliRunner().invoke(cli, ["sandbox", "probe", "--format", "json"])
    said = json.loads(ran.stdout)
    assert ran.exit_code == (0 if said["ready"] else 1)
    layers = {row["layer"]: row for row in said["layers"]}
    assert set(layers) >= {"privilege", "filesystem", "network", "system calls", "limits", "control group", "landlock"}
    for row in said["layers"]:
        assert bool(row["how"]) is row["enforceable"]
        assert bool(row["whyNot"]) is not row["enforceable"]
