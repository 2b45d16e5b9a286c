"""A client library that isn't installed: told with the line by whoever plans, and no verdict on the target by who runs.

The command is a process in which the import system doesn't find the library, as in an installation without the extra.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.kinds.extras import EXTRAS, absent
from reconciler.kinds.table import STRATEGIES

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo

_BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Block())
"""

CONFIGS: dict[str, dict[str, Any]] = {
    "postgres": {"host": "127.0.0.1", "port": 1, "database": "d", "user": "u"},
    "mysql": {"host": "127.0.0.1", "port": 1, "database": "d", "user": "u"},
    "redis": {"host": "127.0.0.1", "port": 1},
    "grpc": {"host": "127.0.0.1", "port": 1},
    "ssh": {"host": "127.0.0.1", "port": 1, "username": "u", "password": "${{ secrets.P }}"},
}


@pytest.fixture
def databases(repo: Repo, kit: Kit) -> Repo:
    checks = [
        kit.document(
            "Check", name, {"interval": "1m", "strategy": {"type": f"{name}@1", "config": config}, "collectors": []}
        )
        for name, config in CONFIGS.items()
    ]
    for check in checks:
        name = check["metadata"]["name"]
        repo.put(f"{name}.yaml", [check, kit.system(f"on-{name}", (), [name])])
    repo.put("gitops.yaml", "source: databases\n")
    repo.put(".gitignore", ".gitops/\n")
    repo.commit()
    return repo


def without(tmp_path: Path, names: Iterable[str]) -> dict[str, str]:
    """Variables of a process that has no such libraries."""
    (tmp_path / "sitecustomize.py").write_text(_BLOCK.format(names=set(names)))
    return {"PYTHONPATH": str(tmp_path)}


def files(warnings: list[dict[str, Any]]) -> list[str]:
    return [warning["place"]["path"] for warning in warnings]


def test_every_extra_is_known() -> None:
    assert set(CONFIGS) == set(EXTRAS) <= set(STRATEGIES)
    assert not any(absent(strategy) for strategy in STRATEGIES), "the tests need every extra"


def test_validate_says_where(gitops: Gitops, databases: Repo, tmp_path: Path) -> None:
    nothing = without(tmp_path, (package for _, package in EXTRAS.values()))
    ran = gitops.process("validate", "--format", "json", env=nothing)
    assert ran.code == 0
    told = {d["place"]["path"]: d for d in ran.json["diagnostics"]}
    assert set(told) == {f"{name}.yaml" for name in EXTRAS}
    for name in EXTRAS:
        found = told[f"{name}.yaml"]
        assert (found["code"], found["severity"]) == ("missing-extra", "warning")
        assert found["message"] == f"the strategy {name} needs a client library that isn't installed here"
        assert found["hint"] == f"pip install 'gitops-reconciler[{name}]', where the check runs"
        line = (databases.path / f"{name}.yaml").read_text().splitlines()[found["place"]["line"] - 1]
        assert f"{name}@1" in line[found["place"]["column"] - 1 :]
    assert gitops.process("validate", "--format", "json").json["diagnostics"] == []


def test_plans_tell_it_as_long_as_it_is_true(gitops: Gitops, databases: Repo, tmp_path: Path) -> None:
    half = without(tmp_path, ["psycopg", "asyncssh"])
    for command in ("plan", "apply", "plan"):
        ran = gitops.process(command, "--format", "json", env=half)
        assert files(ran.json["warnings"]) == ["postgres.yaml", "ssh.yaml"], command
    assert gitops.process("plan", "--format", "json").json["warnings"] == []
    fewer = without(tmp_path, ["psycopg"])
    assert files(gitops.process("plan", "--format", "json", env=fewer).json["warnings"]) == ["postgres.yaml"]


def test_runs_are_degraded_and_say_why(gitops: Gitops, databases: Repo, tmp_path: Path) -> None:
    nothing = without(tmp_path, (package for _, package in EXTRAS.values()))
    ran = gitops.process("test", "--format", "json", env={**nothing, "GITOPS_SECRETS": "env", "P": "x"})
    assert ran.code == 1
    for run in ran.json["runs"]:
        name = run["check"]
        assert run["outcome"] == "degraded", run
        assert f"pip install 'gitops-reconciler[{name}]'" in run["reason"]
