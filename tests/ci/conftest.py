"""A repository on a forge: a bare remote with a branch, what a job checks out of it, and the forge's API."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ci.actions import Runner
from tests.servers.forge import TOKEN, Forge, forging

if TYPE_CHECKING:
    from tests.conftest import Kit, Repo

ROOT = Path(__file__).parents[2]
GITOPS = str(Path(sys.executable).with_name("gitops"))


@pytest.fixture
def forge() -> Iterator[Forge]:
    """Its API for comments."""
    with forging() as served:
        yield served


class Hosted:
    """``main`` with a shop on a bare remote; :meth:`branch` makes request 5."""

    def __init__(self, repo: Repo, folder: Path, forge: Forge) -> None:
        self.repo, self.folder, self.forge = repo, folder, forge
        self.remote, self.work, self.temp, self.home = (folder / n for n in ("remote.git", "work", "temp", "home"))
        for made in (self.temp, self.home):
            made.mkdir()
        repo.git("clone", "-q", "--bare", str(repo.path), str(self.remote))
        repo.git("remote", "add", "origin", f"file://{self.remote}")
        self.name = ""

    @property
    def env(self) -> dict[str, str]:
        """What a job is given: a path, a home, and the way to a package index."""
        path = os.pathsep.join([str(Path(GITOPS).parent), os.environ["PATH"]])
        fixed = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "NO_COLOR": "1", "CI": "true"}
        index = {
            n: v for n, v in os.environ.items() if n.startswith("PIP_") or n.lower() in ("http_proxy", "https_proxy")
        }
        return {**index, "PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", "no_proxy": "127.0.0.1", **fixed}

    def branch(self, name: str = "change") -> None:
        """Commit what is in the folder to a branch, and push it as a request."""
        if name != self.name:
            self.repo.git("checkout", "-q", "-b", name)
        self.name = name
        self.repo.commit("propose")
        self.repo.git("push", "-q", "-f", "origin", f"HEAD:refs/heads/{name}", "HEAD:refs/pull/5/head")

    def push(self) -> str:
        """Commit to main."""
        self.repo.git("checkout", "-q", "main")
        commit = self.repo.commit("merged")
        self.repo.git("push", "-q", "-f", "origin", "main")
        return commit

    def merge(self) -> str:
        """What the forge makes for a run: main with the request merged into it."""
        scratch = self.folder / "merging"
        shutil.rmtree(scratch, ignore_errors=True)
        self.repo.git("clone", "-q", str(self.remote), str(scratch))
        self.repo.git("fetch", "-q", "origin", "refs/pull/5/head", cwd=scratch)
        self.repo.git("merge", "-q", "--no-ff", "-m", "merge", "FETCH_HEAD", cwd=scratch)
        self.repo.git("push", "-q", "-f", "origin", "HEAD:refs/pull/5/merge", cwd=scratch)
        return self.repo.git("rev-parse", "HEAD", cwd=scratch)

    def checkout(self, commit: str, *, depth: int | None = 1) -> None:
        """As the forges' runners do: the one commit, detached."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        self.repo.git("init", "-q", "-b", "none", cwd=self.work)
        self.repo.git("remote", "add", "origin", f"file://{self.remote}", cwd=self.work)
        how = [] if depth is None else [f"--depth={depth}"]
        what = ["+refs/heads/*:refs/remotes/origin/*"] if depth is None else []
        self.repo.git(
            "fetch", "-q", "--no-tags", *how, "origin", *what, f"+{commit}:refs/remotes/pull/5/merge", cwd=self.work
        )
        self.repo.git("checkout", "-q", "--detach", commit, cwd=self.work)

    def pull(self, *, fork: bool = False, depth: int | None = 1) -> Runner:
        """A run of GitHub for the request."""
        commit = self.merge()
        self.checkout(commit, depth=depth)
        base = self.repo.git("rev-parse", "main")
        pull = {
            "number": 5,
            "title": f"{self.name} $(touch pwned)",
            "base": {"sha": base, "ref": "main"},
            "head": {"ref": self.name, "repo": {"full_name": "mallory/monitoring" if fork else "team/monitoring"}},
        }
        github = {
            "event_name": "pull_request",
            "ref": "refs/pull/5/merge",
            "ref_name": "5/merge",
            "head_ref": self.name,
        }
        return self._runner({**github, "ref_type": "branch", "event": {"pull_request": pull}}, commit)

    def pushed(self, *, branch: str = "main") -> Runner:
        """A run of GitHub for a push."""
        commit = self.repo.git("rev-parse", branch)
        self.checkout(commit)
        github = {"event_name": "push", "ref": f"refs/heads/{branch}", "ref_name": branch, "ref_type": "branch"}
        return self._runner({**github, "event": {"repository": {"default_branch": "main"}}}, commit)

    def _runner(self, github: dict[str, object], commit: str) -> Runner:
        event = self.folder / "event.json"
        event.write_text(json.dumps(github["event"]), encoding="utf-8")
        variables = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.forge.url,
            "GITHUB_REPOSITORY": "team/monitoring",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_SHA": commit,
            "GITHUB_ACTOR": "octocat",
            "GITHUB_HEAD_REF": self.name,
        }
        context = {"repository": "team/monitoring", "token": TOKEN, **github}
        return Runner(ROOT / "action.yml", self.work, self.temp, github=context, env={**self.env, **variables})


@pytest.fixture
def hosted(repo: Repo, kit: Kit, tmp_path: Path, forge: Forge) -> Hosted:
    """A shop on a forge."""
    for path, documents in kit.shop().items():
        repo.put(path, documents)
    repo.put("gitops.yaml", "source: shop\n")
    repo.commit()
    return Hosted(repo, tmp_path, forge)
