"""What a job may rely on: the reviewed plan or none, no question that nobody answers, a wait that ends."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.plan.file import load_plan, save
from reconciler.store.lock import file_lock
from tests.cli.conftest import GITOPS

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo


def saved(gitops: Gitops, file: Path) -> str:
    """Save a plan, and return the digest that is told."""
    ran = gitops("plan", "--out", str(file))
    assert ran.code == 0
    found = re.search(rf"gitops apply {re.escape(str(file))} --digest ([0-9a-f]{{32}})$", ran.err, re.MULTILINE)
    assert found is not None, ran.err
    return found[1]


# -- the plan that was reviewed ----------------------------------------------------------------------------------------


def test_exactly_the_saved_plan_is_applied(shop: Repo, gitops: Gitops, kit: Kit, tmp_path: Path) -> None:
    """Whatever is committed meanwhile."""
    plan = tmp_path / "plan.bin"
    digest = saved(gitops, plan)
    assert plan.read_bytes().split(b"\n")[1].decode() == digest
    shop.put("more.yaml", kit.system("more"))
    shop.commit()
    ran = gitops("apply", str(plan), "--digest", digest)
    assert (ran.code, "Applied as generation 1" in ran.out) == (0, True)
    assert "more" not in gitops("get", "systems").out
    assert gitops("plan", "--exit-code").code == 3


def test_a_plan_that_was_exchanged_is_refused(shop: Repo, gitops: Gitops, kit: Kit, tmp_path: Path) -> None:
    """It is a sound plan with a sound digest, but not the one that was reviewed."""
    reviewed, other = tmp_path / "reviewed.bin", tmp_path / "other.bin"
    digest = saved(gitops, reviewed)
    shop.put("evil.yaml", kit.system("evil"))
    shop.commit()
    saved(gitops, other)
    for arguments in (["apply"], ["apply", "--dry-run"]):
        ran = gitops(*arguments, str(other), "--digest", digest)
        assert ran.code == 1
        assert "isn't the plan that was reviewed" in ran.err
        assert "hint:" in ran.err
    assert gitops("history").out.count("\n") <= 1, "nothing was applied"
    assert gitops("apply", str(reviewed), "--digest", digest.upper()).code == 0


def test_a_digest_without_a_plan_is_2(shop: Repo, gitops: Gitops) -> None:
    ran = gitops("apply", "--digest", "0" * 32)
    assert (ran.code, ran.out) == (2, "")


@pytest.mark.parametrize("flags", [[], ["--yes"], ["--allow-old-workers"]])
def test_a_stale_plan_is_refused(shop: Repo, gitops: Gitops, kit: Kit, tmp_path: Path, flags: list[str]) -> None:
    plan = tmp_path / "plan.bin"
    saved(gitops, plan)
    shop.put("more.yaml", kit.system("more"))
    shop.commit()
    assert gitops("apply").code == 0
    before = gitops("history").out
    ran = gitops("apply", str(plan), *flags)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: ")
    assert "generation" in ran.err
    assert "hint:" in ran.err
    assert gitops("history").out == before
    assert gitops("apply", str(plan), "--force").code == 2, "nothing forces a stale plan"


def test_a_plan_that_was_tampered_with_is_refused(shop: Repo, gitops: Gitops, tmp_path: Path) -> None:
    plan = tmp_path / "plan.bin"
    saved(gitops, plan)
    data = bytearray(plan.read_bytes())
    data[-5] ^= 1
    plan.write_bytes(data)
    ran = gitops("apply", str(plan))
    assert ran.code == 1
    assert "damaged" in ran.err
    assert gitops("plan", "--exit-code").code == 3


def test_a_saved_plan_reads_back_as_itself(shop: Repo, gitops: Gitops, tmp_path: Path) -> None:
    plan = tmp_path / "plan.bin"
    saved(gitops, plan)
    assert save(load_plan(plan.read_bytes())) == plan.read_bytes()


# -- no questions ------------------------------------------------------------------------------------------------------


def silent(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run with an input that is open, never says anything and never ends: a question would wait for it."""
    ours, theirs = os.pipe()
    try:
        return subprocess.run([*GITOPS, *arguments], cwd=folder, stdin=ours, capture_output=True, text=True, timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)


def test_nothing_is_asked_without_a_terminal(shop: Repo, gitops: Gitops, kit: Kit, tmp_path: Path) -> None:
    plan = tmp_path / "plan.bin"
    assert silent(shop.path, "plan", "--out", str(plan)).returncode == 0
    assert silent(shop.path, "apply", str(plan)).returncode == 0
    shop.remove("systems.yaml")
    shop.commit()
    assert silent(shop.path, "validate").returncode == 0
    assert silent(shop.path, "plan", "--base", "HEAD~1").returncode == 0
    assert silent(shop.path, "apply").returncode == 0
    assert silent(shop.path, "orphan", "delete", "System/shop").returncode == 0
    assert silent(shop.path, "rollback", "1").returncode == 0
    assert silent(shop.path, "drift").returncode == 0
    done = silent(shop.path, "apply")
    assert done.returncode == 1, "it was rolled back"
    assert "[y/N]" not in done.stdout + done.stderr


# -- a wait that ends --------------------------------------------------------------------------------------------------


@pytest.fixture
def lock(shop: Repo) -> Callable[[], ExitStack]:
    """Somebody else applies, until the stack is closed."""
    (shop.path / ".gitops").mkdir()

    def hold() -> ExitStack:
        stack = ExitStack()
        path = str(shop.path / ".gitops/store.db.lock")
        stack.enter_context(file_lock(path, actor="somebody", host="elsewhere", timeout=0))
        return stack

    return hold


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_a_wait_ends_with_who_holds_the_lock(lock: Callable[[], ExitStack], gitops: Gitops, how: str) -> None:
    with lock():
        began = time.monotonic()
        if how == "flag":
            ran = gitops("apply", "--lock-timeout", "700ms", env={"GITOPS_LOCK_TIMEOUT": "50s"})
        else:
            ran = gitops("apply", env={"GITOPS_LOCK_TIMEOUT": "700ms"})
        took = time.monotonic() - began
    assert ran.code == 1
    assert 0.7 <= took < 20
    assert "error: another apply is running: somebody on elsewhere" in ran.err
    assert "--lock-timeout" in ran.err
    assert ran.out == ""
    assert gitops("apply").code == 0


def test_who_waits_applies_what_is_left(lock: Callable[[], ExitStack], shop: Repo, gitops: Gitops) -> None:
    with lock() as held:
        waiting = subprocess.Popen(
            [*GITOPS, "apply", "--lock-timeout", "1m"],
            cwd=shop.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("Waiting for another apply: somebody on elsewhere")
        held.close()
        out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, err) == (0, "")
    assert "Applied as generation 1" in out


@pytest.mark.parametrize(
    "command", [["validate"], ["plan"], ["plan", "--base", "HEAD"], ["status"], ["apply", "--dry-run"]]
)
def test_who_only_looks_waits_for_nobody(lock: Callable[[], ExitStack], gitops: Gitops, command: list[str]) -> None:
    with lock():
        assert gitops(*command, env={"GITOPS_LOCK_TIMEOUT": "0s"}).code == 0
