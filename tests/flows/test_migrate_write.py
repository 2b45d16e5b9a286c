"""Many files replaced as one, whatever fails, and whenever the process is killed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.flows import migrate_write
from reconciler.flows.migrate_write import JOURNAL, WriteRefused, mend, refuse_dirty, write_all

if TYPE_CHECKING:
    from tests.conftest import Repo

NAMES = ("a.yaml", "deep/b.yaml", "deep/er/c.yaml")
OLD, NEW = b"old\n", b"new\n"
_KILLED = """
import os, signal, sys
from pathlib import Path
from reconciler.flows import migrate_write

point, folder, names = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
calls = 0
def counted(real):
    def call(*arguments, **named):
        global calls
        calls += 1
        if calls == point:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    return call
for name in ("open", "fsync", "rename", "fchmod", "close", "stat"):
    setattr(os, name, counted(getattr(os, name)))
migrate_write.write_all(folder, {name: (b"old\\n", b"new\\n") for name in names})
os._exit(0)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(OLD)
    return tmp_path


def contents() -> dict[str, tuple[bytes, bytes]]:
    return dict.fromkeys(NAMES, (OLD, NEW))


def found(folder: Path) -> set[bytes]:
    return {(folder / name).read_bytes() for name in NAMES}


def leftovers(folder: Path) -> list[str]:
    names = {path.name for path in folder.rglob("*") if path.is_file() or path.is_symlink()}
    return sorted(names - {Path(name).name for name in NAMES})


def test_all_files_become_new(folder: Path) -> None:
    write_all(folder, contents())
    assert found(folder) == {NEW}
    assert leftovers(folder) == []


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o444, 0o775])
def test_mode_stays(folder: Path, mode: int) -> None:
    (folder / NAMES[0]).chmod(mode)
    write_all(folder, contents())
    assert stat.S_IMODE((folder / NAMES[0]).stat().st_mode) == mode


def test_owner_stays(folder: Path) -> None:
    owner = (12345, 23456) if os.geteuid() == 0 else (os.getuid(), os.getgroups()[-1])
    os.chown(folder / NAMES[0], *owner)
    write_all(folder, contents())
    status = (folder / NAMES[0]).stat()
    assert (status.st_uid, status.st_gid) == owner


def test_an_owner_that_cant_be_kept_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(opened: int, uid: int, gid: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), opened)

    monkeypatch.setattr(os, "chown", refused)
    real = os.stat
    other = os.stat_result([*real(folder / NAMES[0])[:4], 4711, 4711, *real(folder / NAMES[0])[6:]])
    monkeypatch.setattr(os, "stat", lambda path, **named: other if path == folder / NAMES[0] else real(path, **named))
    with pytest.raises(WriteRefused, match=r"a\.yaml can't be written: it belongs to somebody else; nothing"):
        write_all(folder, {NAMES[0]: (OLD, NEW)})
    assert (folder / NAMES[0]).read_bytes() == OLD


def test_of_a_link_what_it_leads_to_is_rewritten_once(folder: Path) -> None:
    (folder / "link.yaml").symlink_to("deep/b.yaml")
    write_all(folder, {**contents(), "link.yaml": (OLD, NEW)})
    assert (folder / "link.yaml").is_symlink()
    assert found(folder) == {NEW}


def test_nothing_outside_is_written(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "x.yaml"
    other.write_bytes(OLD)
    (folder / "link.yaml").symlink_to(other)
    with pytest.raises(WriteRefused, match="leads out of the repository"):
        write_all(folder, {**contents(), "link.yaml": (OLD, NEW)})
    assert other.read_bytes() == OLD
    assert found(folder) == {OLD}


def test_a_file_edited_meanwhile_stops_all(folder: Path) -> None:
    (folder / NAMES[2]).write_bytes(b"edited\n")
    with pytest.raises(WriteRefused, match="was edited while"):
        write_all(folder, contents())
    assert found(folder) == {OLD, b"edited\n"}
    assert leftovers(folder) == []


@pytest.mark.parametrize("call", ["rename", "fsync", "fchmod"])
@pytest.mark.parametrize("nth", range(1, 12))
def test_a_failing_call_leaves_every_file_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    count = 0
    real: Callable[..., Any] = getattr(os, call)

    def failing(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))
        return real(*arguments, **named)

    monkeypatch.setattr(os, call, failing)
    told = ""
    try:
        write_all(folder, contents())
    except WriteRefused as refused:
        told = refused.message
    monkeypatch.undo()
    assert found(folder) == ({OLD} if "No space left" in told else {NEW})
    assert leftovers(folder) == []


def test_killed_at_any_moment_every_file_is_old_or_new_and_the_next_run_mends(folder: Path) -> None:
    seen: set[frozenset[bytes]] = set()
    for point in range(1, 400):
        for name in NAMES:
            (folder / name).write_bytes(OLD)
        done = subprocess.run([sys.executable, "-c", _KILLED, str(point), str(folder), *NAMES], capture_output=True)
        now = found(folder)
        assert now <= {OLD, NEW}
        seen.add(frozenset(now))
        mend(folder)
        after = found(folder)
        assert len(after) == 1, f"half and half after mending what was killed at call {point}"
        assert leftovers(folder) == []
        if done.returncode == 0:
            assert after == {NEW}
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    else:
        pytest.fail("it never came to an end")
    assert seen == {frozenset({OLD}), frozenset({OLD, NEW}), frozenset({NEW})}


def test_mending_leaves_alone_what_was_edited_since(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(migrate_write._Job, "swap", killed)
        patch.setattr(migrate_write._Job, "clean", lambda self: None)
        patch.setattr(migrate_write._Journal, "remove", lambda self: None)
        with pytest.raises(Killed):
            write_all(folder, contents())
    (folder / NAMES[1]).write_bytes(b"edited\n")
    mended = mend(folder)
    assert mended is not None
    assert sorted(mended.kept) == [str(folder / NAMES[1])]
    assert found(folder) == {NEW, b"edited\n"}
    assert leftovers(folder) == []


def test_a_journal_of_a_stranger_reaches_nothing(folder: Path) -> None:
    victim = folder / ".git/config"
    victim.parent.mkdir()
    (folder / ".git/HEAD").write_text("ref: refs/heads/main\n")
    victim.write_bytes(b"mine\n")
    outside = folder.parent / ".x.gitops-migrate"
    outside.write_bytes(b"mine\n")
    files = [
        {"target": str(folder / "a.yaml"), "aside": str(victim), "old": "", "new": ""},
        {"target": str(folder / ".git/x"), "aside": str(folder / ".git/config"), "old": "", "new": ""},
        {"target": str(folder.parent / "x"), "aside": str(outside), "old": "", "new": ""},
        {
            "target": str(folder / "deep/../../x"),
            "aside": str(folder / "deep/../../.x.gitops-migrate"),
            "old": "",
            "new": "",
        },
    ]
    (folder / JOURNAL).write_text(json.dumps({"stage": "preparing", "files": files}))
    mend(folder)
    assert victim.read_bytes() == b"mine\n"
    assert outside.read_bytes() == b"mine\n"
    assert found(folder) == {OLD}


def test_two_at_once(folder: Path) -> None:
    with (folder / JOURNAL).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(WriteRefused, match="another gitops migrate"):
            write_all(folder, contents())
    assert found(folder) == {OLD}


def test_nothing_to_mend(folder: Path) -> None:
    assert mend(folder) is None


def test_uncommitted_files_are_refused(repo: Repo) -> None:
    repo.put("a.yaml", "a: 1\n")
    repo.put("sub/b.yaml", "b: 1\n")
    (repo.path / "link.yaml").symlink_to("sub/b.yaml")
    repo.commit()
    refuse_dirty(repo.path, ["a.yaml", "sub/b.yaml", "link.yaml"])
    refuse_dirty(repo.path / "sub", ["b.yaml"])
    repo.put("sub/b.yaml", "b: 2\n")
    refuse_dirty(repo.path, ["a.yaml"])
    for folder, path in ((repo.path, "sub/b.yaml"), (repo.path / "sub", "b.yaml"), (repo.path, "link.yaml")):
        with pytest.raises(WriteRefused, match=r"not committed: sub/b\.yaml"):
            refuse_dirty(folder, [path])
    repo.put("new.yaml", "c: 1\n")
    with pytest.raises(WriteRefused, match=r"not committed: new\.yaml"):
        refuse_dirty(repo.path, ["new.yaml"])


def test_outside_of_git_nothing_is_held_back(tmp_path: Path) -> None:
    refuse_dirty(tmp_path, ["a.yaml"])
