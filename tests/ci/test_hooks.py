"""The hooks for pre-commit: run by pre-commit itself, as local ones, since that needs no network."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from reconciler.cli.main import cli
from tests.ci.actions import read_yaml
from tests.ci.conftest import GITOPS, ROOT

if TYPE_CHECKING:
    from tests.conftest import Kit, Repo

MANIFEST = ROOT / ".pre-commit-hooks.yaml"
HOOKS: list[dict[str, Any]] = read_yaml(MANIFEST)
OLD = "apiVersion: checkstack.io/v1alpha1\nkind: System\nmetadata: {name: old, title: Old}\nspec: {}\n"


def pre_commit(*arguments: str, cwd: Path = ROOT, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(GITOPS).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, **({"PRE_COMMIT_HOME": str(home)} if home else {})}
    command = [sys.executable, "-m", "pre_commit", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def hooked(repo: Repo, kit: Kit) -> Repo:
    """A shop that uses the hooks for documents."""
    for path, documents in kit.shop().items():
        repo.put(path, documents)
    repo.put("gitops.yaml", "source: shop\n")
    local = [{**hook, "language": "system"} for hook in HOOKS if hook["id"] != "gitops-migrations"]
    with (repo.path / ".pre-commit-config.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump({"repos": [{"repo": "local", "hooks": local}]}, file)
    repo.commit()
    return repo


def test_the_manifest_is_one() -> None:
    done = pre_commit("validate-manifest", str(MANIFEST))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [hook["id"] for hook in HOOKS] == ["gitops-validate", "gitops-migrate", "gitops-migrations"]


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_each_entry_is_a_command(hook: dict[str, Any]) -> None:
    name, *arguments = shlex.split(hook["entry"])
    assert name == "gitops"
    assert not hook["pass_filenames"], "documents refer to one another"
    command: Any = cli
    with cli.make_context("gitops", ["--version"], resilient_parsing=True) as ctx:
        while arguments and not arguments[0].startswith("-"):
            command = command.get_command(ctx, arguments.pop(0))
            assert command is not None
        known = {option for p in command.params for option in p.opts}
    assert {a for a in arguments if a.startswith("-")} <= known


def test_pre_commit_runs_them(hooked: Repo, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = pre_commit("run", "--all-files", cwd=hooked.path, home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == 2

    hooked.put("old.yaml", OLD)
    hooked.git("add", "-A")
    done = pre_commit("run", cwd=hooked.path, home=home)
    assert done.returncode == 1
    assert "- hook id: gitops-migrate\n- exit code: 3" in done.stdout
    assert "gitops-validate" not in done.stdout, "an old document is valid"

    hooked.put("old.yaml", OLD.replace("name: old", "name: OLD"))
    hooked.git("add", "-A")
    done = pre_commit("run", cwd=hooked.path, home=home)
    assert "- hook id: gitops-validate\n- exit code: 1" in done.stdout
    assert "old.yaml:3:" in done.stdout


def test_pre_commit_passes_by_what_is_no_document(hooked: Repo, tmp_path: Path) -> None:
    hooked.put("notes.md", "# Notes\n")
    hooked.git("add", "-A")
    done = pre_commit("run", cwd=hooked.path, home=tmp_path / "home")
    assert done.returncode == 0
    assert done.stdout.count("Skipped") == 2
