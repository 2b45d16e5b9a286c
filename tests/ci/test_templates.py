"""The GitLab template and the script for any forge: their lines are run by a plain sh, in real checkouts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from junitparser import JUnitXml

from reconciler.cli.main import cli
from tests.ci.actions import read_yaml
from tests.ci.conftest import ROOT
from tests.servers.forge import TOKEN, Forge

if TYPE_CHECKING:
    from tests.ci.conftest import Hosted
    from tests.conftest import Kit

SHELL = shutil.which("dash") or "sh"
SCRIPT = ROOT / "examples" / "ci" / "gitops.sh"
GITLAB: dict[str, Any] = read_yaml(ROOT / "examples" / "ci" / "gitlab.yml")
HOSTILE = "x;touch${IFS}pwned;$(touch${IFS}pwned)`touch${IFS}pwned`'\"&|"


def edit(hosted: Hosted, kit: Kit, url: str) -> None:
    hosted.repo.put("checks.yaml", [kit.check("ready", url), kit.check("home")])


def job(name: str) -> dict[str, Any]:
    """A job of the template with what it extends."""
    own = GITLAB[name]
    base = GITLAB[own["extends"]]
    variables = {**GITLAB["variables"], **base.get("variables", {}), **own.get("variables", {})}
    return {**base, **own, "variables": variables}


class Gitlab:
    """Runs jobs as GitLab's runner does: all lines in one shell, which stops at the first that fails."""

    def __init__(self, hosted: Hosted) -> None:
        self.hosted = hosted

    def __call__(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        spec = job(name)
        lines = [*spec["before_script"], *spec["script"]]
        assert all(isinstance(line, str) for line in lines), "a line that YAML takes for a map"
        hosted = self.hosted
        fixed = {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"{hosted.forge.url}/api/v4",
            "CI_PROJECT_ID": "42",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": hosted.name,
        }
        return subprocess.run(
            [SHELL, "-e", "-c", "\n".join(lines)],
            cwd=hosted.work,
            env={**hosted.env, **fixed, **spec["variables"], **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
        )

    def merge_request(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A job of a pipeline for request 3."""
        base = self.hosted.repo.git("merge-base", "main", "HEAD")
        return self(name, CI_MERGE_REQUEST_IID="3", CI_MERGE_REQUEST_DIFF_BASE_SHA=base, **variables)


@pytest.fixture
def gitlab(hosted: Hosted) -> Gitlab:
    return Gitlab(hosted)


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_merge_request_of_gitlab(hosted: Hosted, kit: Kit, gitlab: Gitlab, forge: Forge) -> None:
    forge.known = True
    for said, url in (("created", "/first"), ("updated", "/second")):
        edit(hosted, kit, "{{ environment.url }}" + url)
        hosted.branch(HOSTILE)
        hosted.checkout(hosted.repo.git("rev-parse", "HEAD"), depth=None)
        good(gitlab.merge_request("gitops:validate"))
        assert (hosted.work / "gl-code-quality-report.json").read_text(encoding="utf-8").strip() == "[]"
        good(gitlab.merge_request("gitops:plan"))
        assert f"The comment was {said}" in good(gitlab.merge_request("gitops:comment", GITOPS_FORGE_TOKEN=TOKEN))
        assert url in forge.bodies[0]
    assert len(forge.comments) == 1
    assert not list(hosted.folder.rglob("pwned"))
    assert not (hosted.work / ".gitops").exists()


def test_a_merge_request_of_a_fork_has_no_token(hosted: Hosted, kit: Kit, gitlab: Gitlab, forge: Forge) -> None:
    edit(hosted, kit, "{{ environment.url }}/theirs")
    hosted.branch()
    hosted.checkout(hosted.repo.git("rev-parse", "HEAD"), depth=None)
    good(gitlab.merge_request("gitops:plan"))
    assert "No comment was written: there is no token" in good(gitlab.merge_request("gitops:comment"))
    assert forge.asked == []


def test_faults_are_kept_by_gitlab_as_artifacts(hosted: Hosted, gitlab: Gitlab) -> None:
    hosted.repo.put("bad.yaml", "apiVersion: gitops/v2\nkind: System\nmetadata: {name: UP}\nspec: {}\n")
    hosted.branch()
    hosted.checkout(hosted.repo.git("rev-parse", "HEAD"), depth=None)
    assert gitlab.merge_request("gitops:validate").returncode == 1
    reports = job("gitops:validate")["artifacts"]["reports"]
    (fault,) = read_yaml(hosted.work / reports["codequality"])
    assert fault["location"]["path"] == "bad.yaml"
    assert JUnitXml.fromfile(str(hosted.work / reports["junit"])).failures == 1
    assert job("gitops:validate")["artifacts"]["when"] == "always"


def test_gitlab_applies_what_was_merged(hosted: Hosted, gitlab: Gitlab) -> None:
    hosted.checkout(hosted.repo.git("rev-parse", "main"), depth=None)
    store = str(hosted.folder / "store.db")
    assert "Applied as generation 1" in good(gitlab("gitops:apply", GITOPS_STORE=store))
    assert "No changes." in good(gitlab("gitops:apply", GITOPS_STORE=store))


def test_gitlab_gives_the_token_and_the_store_to_one_job_each() -> None:
    names = [name for name in GITLAB if name.startswith("gitops:")]
    assert {n: GITLAB[n].get("environment") for n in names if "environment" in GITLAB[n]} == {
        "gitops:comment": {"name": "gitops-comment", "action": "access"},
        "gitops:apply": "production",
    }
    assert GITLAB["gitops:apply"]["resource_group"]
    for name in names:
        merge_requests = [rule for rule in GITLAB[name]["rules"] if rule["if"].endswith('== "merge_request_event"')]
        assert bool(merge_requests) is (name != "gitops:apply")


class Script:
    """The script for any forge, by a plain sh."""

    def __init__(self, hosted: Hosted) -> None:
        self.hosted = hosted
        self.store = str(hosted.folder / "store.db")

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        hosted = self.hosted
        given = {"GITOPS_CI_OUT": str(hosted.temp / "out"), "GITOPS_STORE": self.store}
        return subprocess.run(
            [SHELL, str(SCRIPT), *arguments],
            cwd=hosted.work,
            env={**hosted.env, **given, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
        )


@pytest.fixture
def script(hosted: Hosted) -> Script:
    return Script(hosted)


def test_the_script_reviews_and_applies(hosted: Hosted, kit: Kit, script: Script, forge: Forge) -> None:
    edit(hosted, kit, "{{ environment.url }}/first")
    hosted.branch(HOSTILE)
    hosted.checkout(hosted.repo.git("rev-parse", "HEAD"), depth=None)
    hosted.repo.git("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", cwd=hosted.work)
    told = good(script("review"))
    assert "~ Check ready" in told
    assert forge.asked == []
    assert not Path(script.store).exists()
    plan = hosted.temp / "out" / "plan.md"
    assert "/first" in plan.read_text(encoding="utf-8")
    assert JUnitXml.fromfile(str(hosted.temp / "out" / "junit.xml")).failures == 0

    where = {"GITOPS_FORGE": "github", "GITOPS_FORGE_API": forge.url, "GITOPS_FORGE_REPOSITORY": "team/monitoring"}
    for said in ("created", "updated"):
        told = good(script("review", f"origin/{HOSTILE}~1", GITOPS_FORGE_PULL="5", GITOPS_FORGE_TOKEN=TOKEN, **where))
        assert f"The comment was {said}" in told
    assert forge.bodies == [plan.read_text(encoding="utf-8")]

    assert "Applied as generation 1" in good(script("apply"))
    assert "No changes." in good(script("apply"))
    assert not list(hosted.folder.rglob("pwned"))


def test_the_script_fails_as_its_commands_do(hosted: Hosted, script: Script) -> None:
    hosted.repo.put("bad.yaml", "apiVersion: gitops/v2\nkind: System\nmetadata: {name: UP}\nspec: {}\n")
    hosted.branch()
    hosted.checkout(hosted.repo.git("rev-parse", "HEAD"))
    assert script("review", "HEAD").returncode == 1
    assert script("apply").returncode == 1
    assert not Path(script.store).exists()
    assert JUnitXml.fromfile(str(hosted.temp / "out" / "junit.xml")).failures == 1
    hosted.checkout(hosted.repo.git("rev-parse", "main"))
    for wrong in ([], ["nonsense"], ["apply", "now"], ["review", "nowhere"], ["review", "--upload-pack=touch pwned"]):
        assert script(*wrong).returncode == 2, wrong
    assert not list(hosted.folder.rglob("pwned"))


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-actions", "action.yml"),
        ("vendor.github-workflows", "examples/ci/github.yml"),
        ("vendor.gitlab-ci", "examples/ci/gitlab.yml"),
    ],
)
def test_the_forges_take_the_files(schema: str, file: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(ROOT / file)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_and_flag_that_a_template_runs_exists() -> None:
    """Of all three; a flag that is passed only when asked for is no less wrong."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("action.yml", "examples/ci/gitlab.yml")]
    calls = re.findall(
        r"(?:\"\$(?:GITOPS|gitops)\"|^ *- gitops) ([a-z]+)(.*)$", "\n".join([*texts, SCRIPT.read_text()]), re.M
    )
    seen: dict[str, set[str]] = {}
    for name, rest in calls:
        seen.setdefault(name, set()).update(re.findall(r"(?<!\S)--[a-z-]+", rest))
    asked_for = set(re.findall(r"(?<=set -- \"\$@\" )--[a-z-]+", texts[0]))
    assert asked_for == {"--wait-healthy", "--rollback-on-failure"}
    seen["apply"] |= asked_for
    assert {"validate", "plan", "comment", "apply"} <= set(seen)
    with cli.make_context("gitops", ["--version"], resilient_parsing=True) as ctx:
        for name, flags in seen.items():
            command = cli.get_command(ctx, name)
            assert command is not None
            assert flags <= {option for p in command.params for option in p.opts}, name


def test_the_script_is_shipped_to_be_run() -> None:
    assert os.access(SCRIPT, os.X_OK)
    assert subprocess.run([SHELL, "-n", str(SCRIPT)]).returncode == 0
