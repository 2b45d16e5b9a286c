"""The examples are what they claim: valid ones plan as written and settle, faulty ones are told to the letter.

Everything runs through the command line in real repositories. ``GITOPS_UPDATE_GOLDENS=1`` rewrites what is expected.
The commit in a plan's headline depends on every byte of the example, so it is spelt ``COMMIT`` there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from reconciler.flows.opened import open_source
from reconciler.flows.render import RenderedSlice, rendered
from reconciler.flows.settings import Overrides
from reconciler.source.yaml import load
from reconciler.versioning.upgrade import upgrade

EXAMPLES = Path(__file__).parents[2] / "examples"
NEGATIVE = EXAMPLES / "negative"
POSITIVE = ["01-quickstart", "02-environments", "03-version-1", "04-automation", "05-several-sources", "06-policies"]
SOURCES = {"05-several-sources": ("platform", "shop")}
"""Folders of an example that are sources, in the order they are applied in; else the example itself is one."""
UPDATE = os.environ.get("GITOPS_UPDATE_GOLDENS") == "1"
FAULTS = sorted(path.name for path in NEGATIVE.iterdir() if path.is_dir())
NOT_OURS = ("README.md", "expected-plan.txt", "expected-diagnostics.txt")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command in a folder, away from the settings of who runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "GITOPS_", "FORCE_", "CLICOLOR"))}
    environment = kept | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
        "NO_COLOR": "1",
    }

    def run(folder: Path, command: Sequence[str], *, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    return run


def gitops(*arguments: str) -> list[str]:
    """The command line of this checkout."""
    return [sys.executable, "-m", "reconciler", *arguments]


def commit(run: Run, folder: Path) -> None:
    """Everything in the folder becomes a commit."""
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    run(folder, ["git", "add", "-A"])
    run(folder, ["git", *identity, "commit", "-q", "-m", "example"])


def checked_out(run: Run, example: Path, folder: Path) -> Path:
    """A repository with what lies in the example, without what only explains it."""
    shutil.copytree(example, folder, ignore=shutil.ignore_patterns(*NOT_OURS))
    recipe = folder / "recipe.sh"
    if recipe.exists():
        run(folder, ["sh", "recipe.sh"])
        recipe.unlink()
    run(folder, ["git", "init", "-q", "-b", "main"])
    commit(run, folder)
    return folder


def compare(file: Path, text: str) -> None:
    """The text is that of the file; with ``GITOPS_UPDATE_GOLDENS=1`` it becomes so."""
    if UPDATE:
        file.write_text(text, encoding="utf-8")
    assert file.exists(), f"{file} is missing; GITOPS_UPDATE_GOLDENS=1 pytest tests/examples writes it"
    assert text == file.read_text(encoding="utf-8"), f"{file} differs; GITOPS_UPDATE_GOLDENS=1 rewrites it"


def slices(folder: Path) -> list[RenderedSlice]:
    """What executors would read of the files in the folder."""
    found = rendered(open_source(folder, Overrides(), worktree=True))
    assert found
    return found


def test_all_are_found() -> None:
    assert sorted(p.name for p in EXAMPLES.iterdir() if re.match(r"[0-9]{2}-", p.name)) == POSITIVE
    assert len(FAULTS) >= 30
    assert all((NEGATIVE / name / "expected-diagnostics.txt").exists() or UPDATE for name in FAULTS)


@pytest.mark.parametrize("name", POSITIVE)
def test_an_example_plans_as_written_and_settles(name: str, tmp_path: Path, run: Run) -> None:
    store = ("--store", str(tmp_path / "store.db"))
    for below in SOURCES.get(name, ("",)):
        example = EXAMPLES / name / below
        folder = checked_out(run, example, tmp_path / "work" / (below or name))
        assert "error" not in run(folder, gitops("validate")).stdout
        planned = run(folder, gitops("plan", *store))
        compare(example / "expected-plan.txt", re.sub(r" at [0-9a-f]{7}, ", " at COMMIT, ", planned.stdout))
        assert planned.stderr == ""
        run(folder, gitops("plan", *store, "--exit-code"), code=3)
        assert "Applied as generation" in run(folder, gitops("apply", *store)).stdout
        again = run(folder, gitops("apply", *store, "--exit-code"))
        assert "No changes." in again.stdout
        assert run(folder, gitops("drift", *store)).stdout.startswith("No drift.")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_to_the_letter(name: str, tmp_path: Path, run: Run) -> None:
    folder = checked_out(run, NEGATIVE / name, tmp_path / name)
    told = run(folder, gitops("validate"), code=1)
    compare(NEGATIVE / name / "expected-diagnostics.txt", told.stdout + told.stderr)
    assert "Traceback" not in told.stdout + told.stderr

    committed = run(folder, gitops("validate", "--rev", "HEAD"), code=1)
    refused = run(folder, gitops("apply", "--store", "store.db"), code=1)
    assert refused.stdout == ""
    assert refused.stderr.startswith(committed.stdout or committed.stderr)
    if (folder / "store.db").exists():
        shutil.copy(folder / "store.db", tmp_path)
        told = run(tmp_path, gitops("history", "--store", "store.db"))
        assert told.stdout.startswith("Nothing was applied yet.")


def test_the_policies_of_an_example_come_out_as_their_cases_say(tmp_path: Path, run: Run) -> None:
    folder = checked_out(run, EXAMPLES / "06-policies", tmp_path / "work")
    assert run(folder, gitops("policy", "test")).stdout.endswith("cases come out as written.\n")
    file = folder / "policies" / "timeouts.yaml"
    file.write_text(file.read_text().replace("timeout * 2 <=", "timeout * 3 <="))
    assert "half of the interval is fine" in run(folder, gitops("policy", "test"), code=1).stdout


def test_version_1_means_the_same_once_it_is_migrated(tmp_path: Path, run: Run) -> None:
    """Each document as version 2 writes it, in the same file: the very slices come out."""
    old = checked_out(run, EXAMPLES / "03-version-1", tmp_path / "old")
    new = tmp_path / "new"
    new.mkdir()
    run(new, ["git", "init", "-q", "-b", "main"])
    migrated = 0
    for file in sorted(old.rglob("*.yaml")):
        if file.name == "gitops.yaml":
            shutil.copy(file, new)
            continue
        upgraded = [upgrade(parsed.value) for parsed in load(file.read_bytes())[0]]
        documents = [json.dumps(u.data) for u in upgraded if u.data is not None]
        migrated += len(documents)
        (new / file.name).write_text("\n---\n".join(documents) + "\n")
    account = {"apiVersion": "gitops/v2", "kind": "ServiceAccount", "metadata": {"name": "app-oncall"}}
    # Version 2 takes no account that nobody declares, nor one that may not do what the automation does.
    (new / "account.yaml").write_text(json.dumps({**account, "spec": {"permissions": ["*"]}}))
    commit(run, new)
    assert migrated == 10
    assert slices(new) == slices(old)
    assert "warning" not in run(new, gitops("validate")).stdout
