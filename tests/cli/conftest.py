"""The command line in this process, for most tests, and as a process of its own where a process is what is tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from click.testing import CliRunner

from reconciler.cli.main import cli
from tests.servers.answers import Answers, answering
from tests.servers.checks import http_check

if TYPE_CHECKING:
    from tests.conftest import Kit, Repo

GITOPS = (sys.executable, "-m", "reconciler")
_GROUPS = ("automation", "check", "delivery", "incident", "maintenance", "orphan", "policy", "source", "store")
"""Commands that have commands."""


class Ran(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The result as data."""
        return json.loads(self.out)


class Gitops:
    """Runs commands in a folder, as somebody who isn't at a terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None, directory: bool = True) -> Ran:
        """In this process."""
        given = self._placed(arguments) if directory else list(arguments)
        result = CliRunner().invoke(cli, given, env=dict(env or {}))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    def process(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ran:
        """As a process of its own."""
        done = subprocess.run(
            [*GITOPS, *arguments], cwd=self.folder, env={**os.environ, **(env or {})}, capture_output=True, text=True
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def _placed(self, arguments: tuple[str, ...]) -> list[str]:
        words = 2 if arguments[0] in _GROUPS else 1
        return [*arguments[:words], "-C", str(self.folder), *arguments[words:]]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, _no_git_variables: None) -> None:
    for name in list(os.environ):
        if name.startswith("GITOPS_") or name in ("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GITOPS_ACTOR", "tester")


@pytest.fixture
def gitops(repo: Repo) -> Gitops:
    """The command line in ``repo``."""
    return Gitops(repo.path)


@pytest.fixture
def shop(repo: Repo, kit: Kit) -> Repo:
    """A repository with one commit: two environments, two checks, one system, four slices."""
    for path, documents in kit.shop().items():
        repo.put(path, documents)
    repo.put("gitops.yaml", "source: shop\n")
    repo.put(".gitignore", ".gitops/\n")
    repo.commit()
    return repo


@pytest.fixture
def server() -> Iterator[Answers]:
    """Answers 200, unless told otherwise."""
    with answering() as answers:
        yield answers


@pytest.fixture
def web(repo: Repo, kit: Kit, gitops: Gitops, server: Answers) -> Repo:
    """A shop in two environments on the server, with one check that fails in production at once; applied."""
    assigned = {"check": "ready", "thresholds": {"degraded": 1, "unhealthy": 2}}
    repo.put(
        "environments.yaml",
        [
            kit.environment("production", url=f"{server.url}/p"),
            kit.environment("staging", url=f"{server.url}/s"),
        ],
    )
    repo.put("checks.yaml", [http_check(kit, "ready", "/ready"), http_check(kit, "home", "/")])
    repo.put("systems.yaml", [kit.system("shop", ["production", "staging"], [assigned, "home"])])
    repo.put("gitops.yaml", "source: shop\n")
    repo.put(".gitignore", ".gitops/\n")
    repo.commit()
    server.status["/p/ready"] = 503
    assert gitops("apply").code == 0
    return repo
