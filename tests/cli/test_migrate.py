"""``gitops migrate`` as a new user tries it: on the version 1 example, with a store that was filled from it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Repo

EXAMPLE = Path(__file__).parents[2] / "examples" / "03-version-1"
GROUP = "apiVersion: checkstack.io/v1alpha1\nkind: Group\nmetadata: {name: g}\n"


@pytest.fixture
def legacy(repo: Repo) -> Repo:
    """The example, committed."""
    for path in (".checkstack", "gitops.yaml"):
        source = EXAMPLE / path
        copy: Callable[..., object] = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, repo.path / path)
    repo.put(".gitignore", ".gitops/\n")
    repo.commit("version 1")
    return repo


def test_the_way_of_a_new_user(legacy: Repo, gitops: Gitops) -> None:
    assert gitops("apply").code == 0
    shown = gitops("migrate", "--diff")
    assert (shown.code, legacy.git("status", "--porcelain")) == (0, "")
    assert "-kind: Healthcheck\n+apiVersion: gitops/v2\n+kind: Check\n" in shown.out
    assert "Would rewrite 9 documents in 2 files; 3 things left to you." in shown.err
    assert gitops("migrate", "--check").code == 3
    written = gitops("migrate", "--write")
    assert written.code == 0
    assert "Rewrote 9 documents in 2 files" in written.out
    legacy.commit("version 2")
    applied = gitops("apply")
    assert applied.code == 0
    assert "No changes" in applied.out
    assert gitops("migrate", "--check").code == 0
    assert not list(legacy.path.rglob("*.gitops-migrate*"))


def test_an_account_that_is_declared_lets_its_automation_go_along(legacy: Repo, gitops: Gitops) -> None:
    legacy.put(
        "accounts.yaml",
        "apiVersion: gitops/v2\nkind: ServiceAccount\nmetadata: {name: app-oncall}\nspec: {permissions: ['*']}\n",
    )
    legacy.commit()
    gitops("apply")
    assert gitops("migrate", "--write").code == 0
    assert "  runAs: app-oncall\n" in (legacy.path / ".checkstack/automations.yaml").read_text()
    legacy.commit()
    assert "No changes" in gitops("apply").out


def test_the_diff_is_a_patch(legacy: Repo, gitops: Gitops) -> None:
    legacy.put("crlf.yaml", (GROUP.replace("\n", "\r\n") + "spec: {}").encode())
    legacy.commit()
    command = [sys.executable, "-m", "reconciler", "migrate", "--diff", "-q"]
    patch = subprocess.run(command, cwd=legacy.path, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["git", "apply", "-"], cwd=legacy.path, input=patch, check=True)
    assert gitops("migrate", "--check", "--allow-dirty").code == 0


def test_colours(legacy: Repo, gitops: Gitops) -> None:
    shown = gitops("migrate", "--diff", env={"FORCE_COLOR": "1"}).out
    assert "\x1b[32m+kind: Check\x1b[0m\n" in shown
    assert "\x1b[31m-kind: Healthcheck\x1b[0m\n" in shown


def test_only_one_document(legacy: Repo, gitops: Gitops) -> None:
    for name in ("Healthcheck/billing-home", "check/billing-home"):
        found = gitops("migrate", "--only", name, "--format", "json").json
        assert [d["name"] for file in found["files"] for d in file["documents"]] == ["billing-home"]
    assert gitops("migrate", "--only", "billing-home").code == 2
    assert gitops("migrate", "--only", "Nothing/x").code == 2


def test_paths(legacy: Repo, gitops: Gitops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(legacy.path / ".checkstack")
    found = gitops("migrate", "checks.yaml", "--format", "json").json
    assert [file["path"] for file in found["files"]] == [".checkstack/checks.yaml"]
    monkeypatch.chdir(legacy.path)
    assert gitops("migrate", ".checkstack", "--format", "json").json["counts"]["changed"] == 2
    for path, told in (
        ("/etc/hostname", "is outside of"),
        ("missing.yaml", "there is no file"),
        ("gitops.yaml", "holds no documents"),
    ):
        refused = gitops("migrate", path)
        assert (refused.code, told in refused.err) == (2, True)


def test_versions(legacy: Repo, gitops: Gitops) -> None:
    assert gitops("migrate", "--to", "gitops/v2").code == 0
    refused = gitops("migrate", "--to", "gitops/v9")
    assert refused.code == 2
    assert "there is gitops/v2" in refused.err
    assert gitops("migrate", "--check", "--write").code == 2


def test_what_cant_be_read_is_not_known_to_be_current(legacy: Repo, gitops: Gitops) -> None:
    assert gitops("migrate", "--write").code == 0
    legacy.put("broken.yaml", "apiVersion: gitops/v2\nkind: Group\n  metadata: [\n")
    assert gitops("migrate", "--check", "--allow-dirty").code == 1


def test_uncommitted_changes_are_safe(legacy: Repo, gitops: Gitops) -> None:
    path = legacy.path / ".checkstack/checks.yaml"
    path.write_text("# mine\n" + path.read_text())
    refused = gitops("migrate", "--write")
    assert refused.code == 1
    assert "not committed: .checkstack/checks.yaml; nothing was written" in refused.err
    assert "Healthcheck" in path.read_text()
    assert "checkstack" in (legacy.path / ".checkstack/catalog.yaml").read_text()
    assert gitops("migrate", "--write", "--allow-dirty").code == 0
    assert path.read_text().startswith("# mine\napiVersion: gitops/v2\n")


def test_what_is_left_stands_with_file_and_line(repo: Repo, gitops: Gitops) -> None:
    repo.put(
        "legacy.yaml",
        """\
        apiVersion: checkstack.io/v1alpha1
        kind: Automation
        metadata: {name: odd}
        spec:
          triggers: [{event: healthcheck.check_failed, filter: "a ~ b"}]
          actions: [{action: automation.log, config: {message: x}}]
        ---
        apiVersion: checkstack.io/v1alpha1
        kind: Group
        metadata: {name: ends-}
        ---
        apiVersion: checkstack.io/v1alpha1
        kind: System
        metadata: {name: s}
        spec:
          notificationPolicy: {autoOpenIncidentOnUnhealthy: true}
        """,
    )
    repo.commit()
    found = gitops("migrate", "--format", "json").json
    told = [(d["place"]["line"], d["code"], d["hint"] is not None) for d in found["left"]]
    assert told == [(5, "untranslatable", True), (10, "bad-name", True), (16, "left-out", True)]
    assert [d["name"] for d in found["files"][0]["documents"]] == ["s"]
    assert gitops("migrate", "--write").code == 0
    text = (repo.path / "legacy.yaml").read_text()
    assert "\n# notificationPolicy: {autoOpenIncidentOnUnhealthy: true}\nspec: {}\n" in text
    assert 'filter: "a ~ b"' in text
    assert "name: ends-" in text


def test_other_documents_of_a_broken_file_are_rewritten(repo: Repo, gitops: Gitops) -> None:
    repo.put("mixed.yaml", GROUP + "---\na: [\n---\n" + GROUP.replace("name: g", "name: h"))
    repo.commit()
    found = gitops("migrate", "--write", "--format", "json").json
    assert [d["name"] for d in found["files"][0]["documents"]] == ["g", "h"]
    assert [d["code"] for d in found["left"]] == ["yaml-syntax"]


def test_a_folder_without_git(tmp_path: Path, gitops: Gitops) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "g.yaml").write_text(GROUP)
    assert type(gitops)(folder)("migrate", "--write").code == 0
    assert (folder / "g.yaml").read_text() == GROUP.replace("checkstack.io/v1alpha1", "gitops/v2")
