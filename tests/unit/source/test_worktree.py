"""Folders as sources."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.base.errors import SourceError
from reconciler.source import worktree
from reconciler.source.git import GitTree
from reconciler.source.globs import Globs
from reconciler.source.limits import MAX_BYTES
from reconciler.source.worktree import WorkTree

from .conftest import Repo
from .test_git import contents, faults

_NOBODY = 65534


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_git_says_which_files_count(repo: Repo) -> None:
    repo.commit({".gitignore": "*.tmp\nbuild/\n", "a.yaml": "a", "sub/b.yaml": "b", "gone.yaml": "x"})
    write(repo.path, "new.yaml", "x.tmp", "build/c.yaml", "sub/new.yaml")
    (repo.path / "gone.yaml").unlink()
    (repo.path / "a.yaml").write_text("changed")
    tree = WorkTree(repo.path)
    assert tree.commit is None
    assert sorted(contents(tree)) == [".gitignore", "a.yaml", "new.yaml", "sub/b.yaml", "sub/new.yaml"]
    assert contents(tree)["a.yaml"] == b"changed"
    assert tree.faults == []
    assert sorted(contents(WorkTree(repo.path / "sub"))) == ["b.yaml", "new.yaml"]


@pytest.mark.parametrize("format", ["sha1", "sha256"])
def test_both_sources_have_the_same_ids(tmp_path: Path, format: str) -> None:
    repo = Repo(tmp_path / "repo", f"--object-format={format}")
    repo.commit({"a.yaml": "a", "empty.yaml": "", "ü\n.yaml": b"\xff\x00"})
    assert WorkTree(repo.path).entries() == GitTree(repo.path).entries()


def test_a_plain_folder_is_walked(tmp_path: Path) -> None:
    write(
        tmp_path, "a.yaml", "x/b.yaml", ".checkstack/c.yaml", ".gitops/d.yaml", "node_modules/e.yaml", "x/.venv/f.yaml"
    )
    assert sorted(contents(WorkTree(tmp_path))) == [".checkstack/c.yaml", "a.yaml", "x/b.yaml"]
    with pytest.raises(SourceError, match="there is no folder"):
        WorkTree(tmp_path / "nope")


def test_the_state_is_what_was_read(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "b.yaml")
    tree = WorkTree(tmp_path)
    before = tree.tree
    assert before == WorkTree(tmp_path).tree
    (tmp_path / "a.yaml").write_text("later")
    assert contents(tree)["a.yaml"] == b"a.yaml"
    assert WorkTree(tmp_path).tree != before


def test_links(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(tmp_path, "secret.yaml", "in/d/real.yaml", "in/.git-not/x")
    for link, target in {
        "ok.yaml": "d/real.yaml",
        "out.yaml": "../secret.yaml",
        "abs.yaml": "/etc/passwd",
        "loop.yaml": "loop.yaml",
        "gone.yaml": "nowhere",
        "folder.yaml": "d",
        "ignored": "/etc/passwd",
    }.items():
        (folder / link).symlink_to(target)
    tree = WorkTree(folder, wanted=Globs().match)
    assert contents(tree) == {"ok.yaml": b"in/d/real.yaml", "d/real.yaml": b"in/d/real.yaml"}
    assert faults(tree) == {
        "out.yaml": "the link leads out of the repository",
        "abs.yaml": "the link leads out of the repository",
        "loop.yaml": "the link leads in a circle",
        "gone.yaml": "the link leads to a file that doesn't exist",
        "folder.yaml": "the link leads to a folder",
    }


def test_links_to_the_repository_around_the_folder(repo: Repo) -> None:
    repo.commit({"top.yaml": "t", "sub/a.yaml": "a"})
    (repo.path / "sub/up.yaml").symlink_to("../top.yaml")
    (repo.path / "sub/git.yaml").symlink_to("../.git/config")
    tree = WorkTree(repo.path / "sub")
    assert contents(tree) == {"a.yaml": b"a", "up.yaml": b"t"}
    assert list(faults(tree)) == ["git.yaml"]


def test_nothing_that_isnt_a_file_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("sock.yaml")
        with (tmp_path / "large.yaml").open("wb") as large:
            large.truncate(MAX_BYTES + 1)
        found = faults(WorkTree(tmp_path))
    assert set(found) == {"pipe.yaml", "sock.yaml", "large.yaml"}
    assert "pipe" in found["pipe.yaml"]
    assert "bytes" in found["large.yaml"]


@pytest.fixture
def plain_user() -> Iterator[Path]:
    """A folder of a user who isn't root, and its user in force: root may read everything."""
    me = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if me == 0:
            os.chown(folder, _NOBODY, -1)
            os.seteuid(_NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(me)


def test_unreadable_files_and_folders(plain_user: Path) -> None:
    write(plain_user, "a.yaml", "d/b.yaml")
    (plain_user / "a.yaml").chmod(0)
    (plain_user / "d").chmod(0)
    try:
        assert set(faults(WorkTree(plain_user))) == {"a.yaml", "d"}
    finally:
        (plain_user / "d").chmod(0o755)


def test_a_file_that_vanishes_or_changes(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit({"a.yaml": "a", "b.yaml": "b"})
    write(repo.path, "new.yaml")
    read_once = worktree._read_once

    def racing(path: Path) -> bytes | None:
        if path.name == "new.yaml":
            path.unlink()
        return None if path.name == "a.yaml" else read_once(path)

    monkeypatch.setattr(worktree, "_read_once", racing)
    found = faults(WorkTree(repo.path))
    assert found == {
        "a.yaml": "the file keeps changing while it is read",
        "new.yaml": "the file vanished while it was read",
    }


def test_nothing_of_the_repository_is_run(repo: Repo, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    repo.commit({"a.yaml": "a"})
    repo.git("config", "core.fsmonitor", str(trap))
    assert contents(WorkTree(repo.path)) == {"a.yaml": b"a"}
    assert not (tmp_path / "sprung").exists()
