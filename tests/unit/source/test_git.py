"""Commits as sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.base.errors import SourceError
from reconciler.source.git import GitTree
from reconciler.source.globs import Globs
from reconciler.source.head import resolve
from reconciler.source.tree import Tree

from .conftest import Repo


def contents(tree: Tree) -> dict[str, bytes]:
    return dict(tree.read([path for path, _ in tree.entries()]))


def faults(tree: Tree) -> dict[str, str]:
    tree.entries()
    return {fault.place.path: fault.message for fault in tree.faults if fault.place}


def test_a_commit_is_read_without_its_working_tree(repo: Repo) -> None:
    first = repo.commit({"gitops.yaml": "x: 1\n", "a.yaml": "a: 1\n", "d/b c.yaml": "b: 2\n", "empty.yaml": ""})
    repo.commit({"a.yaml": "a: 2\n", "d/b c.yaml": None})
    (repo.path / "a.yaml").write_text("not committed")
    head = resolve(repo.path)
    assert head.config == b"x: 1\n"
    assert head.root == ""
    tree = GitTree(repo.path)
    assert (tree.commit, tree.tree, tree.name) == (head.commit, head.tree, "repo")
    assert contents(tree) == {"a.yaml": b"a: 2\n", "empty.yaml": b"", "gitops.yaml": b"x: 1\n"}
    before = GitTree(repo.path, first)
    assert contents(before)["d/b c.yaml"] == b"b: 2\n"
    assert dict(before.entries())["empty.yaml"] == repo.git("rev-parse", f"{first}:empty.yaml")
    assert list(before.read([])) == []
    assert [path for path, _ in before.read(["empty.yaml", "a.yaml"])] == ["empty.yaml", "a.yaml"]


def test_reading_may_stop_early(repo: Repo) -> None:
    repo.commit({f"f{i}.yaml": "x" * 50_000 for i in range(40)})
    tree = GitTree(repo.path)
    reading = tree.read([path for path, _ in tree.entries()])
    assert next(reading)[0] == "f0.yaml"
    reading.close()  # type: ignore[attr-defined]
    assert len(contents(tree)) == 40


def test_a_folder_is_the_root_of_its_source(repo: Repo) -> None:
    repo.commit({"top.yaml": "t", "in here/gitops.yaml": "c", "in here/x/a.yaml": "a"})
    tree = GitTree(repo.path / "in here")
    assert (tree.head.root, tree.head.config) == ("in here", b"c")
    assert set(contents(tree)) == {"gitops.yaml", "x/a.yaml"}
    state = tree.tree
    repo.commit({"top.yaml": "changed"})
    assert GitTree(repo.path / "in here").tree == state
    (repo.path / "later").mkdir()
    with pytest.raises(SourceError, match="folder later doesn't exist in HEAD"):
        resolve(repo.path / "later")


def test_odd_names(repo: Repo) -> None:
    names = {"ü ä.yaml": "1", "line\nbreak.yaml": "2", '"q".yaml': "3", "tab\t.yaml": "4", " ": "5"}
    repo.commit(dict(names))
    assert contents(GitTree(repo.path)) == {name: text.encode() for name, text in names.items()}
    raw = os.fsencode(repo.path) + b"/\xff.yaml"
    Path(os.fsdecode(raw)).write_text("x")
    repo.commit()
    assert faults(GitTree(repo.path)) == {"\\xff.yaml": "the file's name isn't valid UTF-8"}


def test_links_are_followed_inside_the_repository_only(repo: Repo) -> None:
    (repo.path / "d").mkdir()
    for link, target in {
        "ok.yaml": "d/real.yaml",
        "d/up.yaml": "../top.yaml",
        "chain.yaml": "ok.yaml",
        "out.yaml": "../secret.yaml",
        "abs.yaml": "/etc/passwd",
        "loop.yaml": "loop.yaml",
        "gone.yaml": "nowhere",
        "folder.yaml": "d",
        "below.yaml": "d/real.yaml/x",
        "ignored": "/etc/passwd",
    }.items():
        (repo.path / link).symlink_to(target)
    repo.commit({"d/real.yaml": "real", "top.yaml": "top"})
    tree = GitTree(repo.path, wanted=Globs().match)
    assert contents(tree) == {
        "ok.yaml": b"real",
        "d/real.yaml": b"real",
        "d/up.yaml": b"top",
        "top.yaml": b"top",
        "chain.yaml": b"real",
    }
    assert faults(tree) == {
        "out.yaml": "the link leads out of the repository",
        "abs.yaml": "the link leads out of the repository",
        "loop.yaml": "the link leads in a circle",
        "gone.yaml": "the link leads to a file that isn't in the repository",
        "below.yaml": "the link leads to a file that isn't in the repository",
        "folder.yaml": "the link leads to a folder",
    }
    assert contents(GitTree(repo.path / "d")) == {"real.yaml": b"real", "up.yaml": b"top"}


def test_every_kind_of_repository(repo: Repo, tmp_path: Path) -> None:
    first = repo.commit({"gitops.yaml": "c", "sub/a.yaml": "1"})
    second = repo.commit({"sub/a.yaml": "2"})
    wanted = {"gitops.yaml": b"c", "sub/a.yaml": b"2"}

    repo.git("clone", "-q", "--bare", str(repo.path), str(tmp_path / "bare.git"))
    bare = GitTree(tmp_path / "bare.git")
    assert (bare.name, bare.head.config, contents(bare)) == ("bare", b"c", wanted)

    repo.git("worktree", "add", "-q", "--detach", str(tmp_path / "other"), first)
    other = GitTree(tmp_path / "other" / "sub")
    assert (other.commit, contents(other)) == (first, {"a.yaml": b"1"})

    repo.git("clone", "-q", "--depth", "1", f"file://{repo.path}", str(tmp_path / "shallow"))
    assert contents(GitTree(tmp_path / "shallow")) == wanted
    with pytest.raises(SourceError) as caught:
        resolve(tmp_path / "shallow", first)
    assert "shallow" in str(caught.value.hint)

    repo.git("tag", "-a", "v1", "-m", "tag", first)
    assert GitTree(repo.path, "v1").commit == first
    assert GitTree(repo.path, "HEAD~1").commit == first
    assert GitTree(repo.path, second[:10]).commit == second


def test_sha256_repositories(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "new", "--object-format=sha256")
    repo.commit({"a.yaml": "a"})
    tree = GitTree(repo.path)
    assert len(tree.tree) == 64
    assert contents(tree) == {"a.yaml": b"a"}


def test_submodules_are_passed_over(repo: Repo, tmp_path: Path) -> None:
    inner = Repo(tmp_path / "inner")
    inner.commit({"x.yaml": "x"})
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.path), "mod")
    repo.commit({"a.yaml": "a"})
    assert set(contents(GitTree(repo.path))) == {".gitmodules", "a.yaml"}
    assert contents(GitTree(repo.path / "mod")) == {"x.yaml": b"x"}


def test_a_partial_clone_fetches_nothing(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a.yaml": "a"})
    repo.git("config", "uploadpack.allowFilter", "true")
    target = tmp_path / "partial"
    repo.git("clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{repo.path}", str(target))
    tree = GitTree(target)
    assert [path for path, _ in tree.entries()] == ["a.yaml"]
    with pytest.raises(SourceError, match=r"a\.yaml"):
        contents(tree)


def test_a_hooks_variables_mean_another_repository(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repo.commit({"a.yaml": "a"})
    other = Repo(tmp_path / "hooked")
    other.commit({"b.yaml": "b"})
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.path / ".git/objects"))
    tree = GitTree(repo.path)
    assert tree.commit == commit
    assert contents(tree) == {"a.yaml": b"a"}


def test_objects_in_quarantine_are_seen(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit({"a.yaml": "old"})
    quarantine = repo.path / ".git" / "incoming"
    (quarantine / "pack").mkdir(parents=True)
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(quarantine))
    monkeypatch.setenv("GIT_ALTERNATE_OBJECT_DIRECTORIES", str(repo.path / ".git/objects"))
    commit = repo.commit({"a.yaml": "new"})
    monkeypatch.setenv("GIT_QUARANTINE_PATH", str(quarantine))
    assert contents(GitTree(repo.path, commit)) == {"a.yaml": b"new"}


def test_replaced_objects_are_seen_as_they_were(repo: Repo) -> None:
    first = repo.commit({"a.yaml": "1"})
    second = repo.commit({"a.yaml": "2"})
    repo.git("replace", second, first)
    assert contents(GitTree(repo.path)) == {"a.yaml": b"2"}


def test_nothing_of_the_repository_is_run(repo: Repo, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    repo.commit({"a.yaml": "a", ".gitattributes": "*.yaml filter=trap diff=trap\n"})
    for key in ("filter.trap.smudge", "filter.trap.clean", "diff.trap.textconv", "core.fsmonitor", "core.pager"):
        repo.git("config", key, str(trap))
    (tmp_path / "sprung").unlink(missing_ok=True)
    assert contents(GitTree(repo.path))["a.yaml"] == b"a"
    assert not (tmp_path / "sprung").exists()


def test_what_cant_be_read_says_so(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="no commit yet"):
        resolve(repo.path)
    repo.commit({"a.yaml": "a"})
    for rev in ("nope", "deadbeef", "HEAD~7", "HEAD:a.yaml", "-x"):
        with pytest.raises(SourceError, match="there is no commit"):
            GitTree(repo.path, rev)
    for rev in ("", "a\nb", "a\0b"):
        with pytest.raises(SourceError, match="not a revision"):
            resolve(repo.path, rev)
    plain = tmp_path / "plain"
    plain.mkdir()
    with pytest.raises(SourceError, match="not in a git repository"):
        resolve(plain)
    with pytest.raises(SourceError, match="there is no folder"):
        resolve(tmp_path / "nowhere")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(SourceError, match="another user owns it") as caught:
        resolve(repo.path)
    assert str(repo.path) in str(caught.value.hint)
    monkeypatch.setenv("PATH", str(plain))
    with pytest.raises(SourceError, match="git isn't installed"):
        resolve(repo.path)


def test_a_config_that_is_a_link(repo: Repo) -> None:
    (repo.path / "gitops.yaml").symlink_to("real.yaml")
    repo.commit({"real.yaml": "c"})
    assert resolve(repo.path).config == b"c"
    (repo.path / "real.yaml").unlink()
    repo.commit()
    with pytest.raises(SourceError, match=r"gitops\.yaml is a link"):
        resolve(repo.path)


def test_resolving_needs_no_library(repo: Repo) -> None:
    repo.commit({"a.yaml": "a"})
    code = (
        "import sys; from reconciler.source.head import resolve; resolve(sys.argv[1]);"
        "sys.exit(any(m in sys.modules for m in ('git', 'ruamel', 'ruamel.yaml', 'pydantic')))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(repo.path)]).returncode == 0
