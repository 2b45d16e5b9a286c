"""Whole texts of plans and diagnostics, from folders. GITOPS_UPDATE_GOLDENS=1 writes them anew."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Repo

GOLDEN = Path(__file__).parent.parent / "golden"
UPDATE = bool(os.environ.get("GITOPS_UPDATE_GOLDENS"))
PLANS = sorted(p.parent.name for p in (GOLDEN / "plan").glob("*/1"))
DIAGNOSTICS = sorted(p.name for p in (GOLDEN / "diagnostics").iterdir() if p.is_dir())


def test_there_are_goldens() -> None:
    assert len(PLANS) > 5
    assert len(DIAGNOSTICS) > 5


def lay(repo: Repo, stage: Path) -> str:
    """Make the repository what the stage says, and nothing else."""
    for path in repo.path.iterdir():
        if path.name not in (".git", ".gitops"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    # With its old time of change, git would take a file of equal length for unchanged.
    shutil.copytree(stage, repo.path, dirs_exist_ok=True, copy_function=shutil.copyfile)
    repo.put(".gitignore", ".gitops/\n")
    return repo.commit(stage.name)


def compare(told: str, expected: Path) -> None:
    if UPDATE:
        expected.write_text(told, encoding="utf-8")
    assert told == expected.read_text(encoding="utf-8"), f"GITOPS_UPDATE_GOLDENS=1 pytest {__file__} refreshes it"


@pytest.mark.parametrize("case", PLANS)
def test_plan(case: str, repo: Repo, gitops: Gitops) -> None:
    folder = GOLDEN / "plan" / case
    *before, last = sorted(p for p in folder.iterdir() if p.is_dir())
    for stage in before:
        lay(repo, stage)
        assert gitops("apply", "--force").code == 0
    commit = lay(repo, last)
    told = gitops("plan")
    assert told.code == 0, told
    compare(told.out.replace(commit[:7], "<commit>"), folder / "expected.txt")
    applied = gitops("apply")
    assert applied.code == 0
    assert applied.out.startswith(told.out), "what is applied is what was planned"


@pytest.mark.parametrize("case", DIAGNOSTICS)
def test_diagnostics(case: str, repo: Repo, gitops: Gitops) -> None:
    folder = GOLDEN / "diagnostics" / case
    lay(repo, folder / "files")
    told = gitops("validate")
    assert told.code in (0, 1)
    compare(told.out, folder / "expected.txt")
    refused = gitops("plan")
    assert refused.code == told.code
    if told.code:
        assert refused.err.startswith(told.out), "a plan says the same as validate"
