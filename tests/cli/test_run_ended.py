"""Who runs and looks without the right to write, and who ends a run half way."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.answers import Answers
from tests.servers.checks import script_check

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo

GITOPS = (sys.executable, "-m", "reconciler")
SANDBOX = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap isn't installed")


class Reader:
    """An account that may read a copy of the store, but not write it.

    In a folder of its own: pytest closes its folders to other accounts, whenever a session begins.
    """

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder = folder
        self.store = folder / "store.db"
        shutil.copy(store, self.store)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        self.store.chmod(0o444)
        self.folder.chmod(0o555)
        command = [*as_user, *GITOPS, *arguments, "--store", str(self.store), "-C", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        self.folder.chmod(0o755)
        assert "Traceback" not in done.stderr
        assert "fault of gitops" not in done.stderr
        return done


@pytest.fixture
def reader(web: Repo) -> Iterator[Reader]:
    """Of the store of ``web``."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Reader(Path(folder), web.path / ".gitops" / "store.db")


def test_a_store_that_cant_be_written(reader: Reader) -> None:
    """Who may only read can look, and run without keeping; and is told so."""
    done = reader("run", "home")
    assert done.returncode == 1
    assert "read-only" in done.stderr
    assert "--no-record" in done.stderr
    assert reader("run", "home", "--no-record").returncode == 0
    assert "no runs yet" in reader("status").stdout
    assert "It never ran." in reader("runs", "shop/home/staging").stdout
    assert reader("watch", "--for", "10ms").returncode == 0


@pytest.mark.parametrize("command", [("status",), ("run", "home"), ("runs", "shop/home/staging"), ("watch",)])
def test_an_older_store_that_cant_be_written(reader: Reader, command: tuple[str, ...]) -> None:
    reader.store.chmod(0o644)
    with sqlite3.connect(reader.store) as db:
        db.execute("pragma journal_mode=delete")
        db.execute("delete from schema_version where n > 2")
    db.close()
    done = reader(*command)
    assert (done.returncode, done.stdout) == (1, "")
    assert "are at version 2, this release needs" in done.stderr
    assert "let an account that may write to it run any gitops command once" in done.stderr


def test_an_interrupt_ends_it_cleanly_and_keeps_what_ended(web: Repo, gitops: Gitops, server: Answers) -> None:
    server.stuck.add("/s/ready")
    command = [*GITOPS, "run", "--all", "-C", str(web.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    server.wait("/s/ready")
    server.wait("/s/")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("✗ shop/ready/production"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip() == "error: interrupted"
    told = gitops("status").out
    assert "1 of 2 failing" in told
    assert "1 of 2 without a run" in told


@SANDBOX
def test_an_interrupt_ends_scripts_too(repo: Repo, gitops: Gitops, kit: Kit) -> None:
    repo.put("all.yaml", [script_check(kit, "slow", "sleep 7.125"), kit.system("host", [], ["slow"])])
    repo.commit()
    gitops("apply")
    command = [*GITOPS, "run", "slow", "-C", str(repo.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not sleepers("7.125"):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=5)
    assert (process.returncode, out, err.strip()) == (130, "", "error: interrupted")
    assert sleepers("7.125") == []


def sleepers(seconds: str) -> list[int]:
    """Processes that sleep for so long."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                found.append(int(folder.name))
    return found
