"""Many files replaced as one: each is old or new at every moment, and all are new or all are old in the end.

The new contents are written beside the files first. Then a journal says that they are complete, and from there on the
way leads forward only: whoever finds the journal of a killed run renames what is left. A rename that fails takes back
those before it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.base.errors import GitopsError
from reconciler.source.gitcli import find_root, run

JOURNAL = ".gitops-migrate"
"""In the folder of the source, while files are written."""
_NEXT = f"{JOURNAL}.next"
_SUFFIX = ".gitops-migrate"


class WriteRefused(GitopsError):
    """Nothing was written."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What an interrupted run left: ``finished`` were renamed now, ``kept`` had been edited since and stay."""

    finished: tuple[str, ...]
    kept: tuple[str, ...]


def refuse_dirty(folder: Path, paths: Sequence[str]) -> None:
    """Raises :class:`WriteRefused` for files whose content isn't committed. Outside of git nothing is held back."""
    top = find_root(folder)
    if top is None or not paths:
        return
    asked = {os.path.relpath(place, top) for path in paths for place in (folder / path, (folder / path).resolve())}
    status = run(top, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
    dirty = sorted(asked & {os.fsdecode(row[3:]) for row in status.split(b"\0")})
    if dirty:
        shown = ", ".join(dirty[:5]) + (f" and {len(dirty) - 5} more" if len(dirty) > 5 else "")
        raise WriteRefused(
            f"not committed: {shown}; nothing was written",
            hint="commit or stash first, so that git can take the migration back, or pass --allow-dirty",
        )


def write_all(folder: Path, contents: Mapping[str, tuple[bytes, bytes]]) -> list[str]:
    """Replace files: path below ``folder`` to (content now, new content). Returns the paths, links resolved.

    Raises :class:`WriteRefused` when it can't be done; every file is as it was then.
    """
    targets = _targets(folder, contents)
    with _journal(folder) as journal:
        _mend(folder, journal)
        jobs = [_Job(target, old, new) for target, (old, new) in targets.items()]
        try:
            journal.write("preparing", jobs)
            for job in jobs:
                job.prepare()
            for place in {job.target.parent for job in jobs}:
                _sync_folder(place)
            journal.write("ready", jobs)
            _rename(jobs)
        except OSError as error:
            # Calls on an open file name its number, if anything.
            where = error.filename if isinstance(error.filename, str | os.PathLike) else folder
            raise WriteRefused(f"{where} can't be written: {error.strerror}; nothing was changed") from error
        finally:
            for job in jobs:
                job.clean()
            journal.remove()
    return [str(target) for target in targets]


def mend(folder: Path) -> Mended | None:
    """Finish what a killed run began; None where there is nothing to finish. Raises :class:`WriteRefused`."""
    if not any((folder / name).exists() for name in (JOURNAL, _NEXT)):
        return None
    with _journal(folder) as journal:
        mended = _mend(folder, journal)
        journal.remove()
    return mended


class _Job:
    """One file."""

    def __init__(self, target: Path, old: bytes, new: bytes) -> None:
        self.target, self.old, self.new = target, old, new
        self.aside = target.with_name(f".{target.name}{_SUFFIX}")

    def prepare(self) -> None:
        """The new content beside the file, with its mode, owner and attributes, safe on the disk."""
        self._write(self.new)

    def swap(self) -> None:
        """Put the new content in place. Raises ``OSError``, and :class:`WriteRefused` when the file was edited."""
        if self.target.read_bytes() != self.old:
            raise WriteRefused(f"{self.target} was edited while it was migrated; nothing was changed", hint="try again")
        os.rename(self.aside, self.target)

    def back(self) -> None:
        """The old content in place again."""
        self._write(self.old)
        os.rename(self.aside, self.target)

    def clean(self) -> None:
        """No trace beside the file."""
        with suppress(OSError):
            self.aside.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        now = os.stat(self.target)
        with suppress(FileNotFoundError):
            self.aside.unlink()
        opened = os.open(self.aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(opened, "wb") as file:
            file.write(data)
            file.flush()
            made = os.fstat(opened)
            if (made.st_uid, made.st_gid) != (now.st_uid, now.st_gid):
                try:
                    os.chown(opened, now.st_uid, now.st_gid)
                except OSError as error:
                    raise OSError(error.errno, "it belongs to somebody else", str(self.target)) from error
            _attributes(self.target, opened)
            os.fchmod(opened, stat.S_IMODE(now.st_mode))
            os.fsync(opened)


class _Journal:
    def __init__(self, path: Path, opened: int) -> None:
        self.path, self._opened = path, opened

    def read(self) -> tuple[str, list[dict[str, str]]]:
        """The stage, and the files. A journal that was never written whole has no file that matters."""
        data = os.pread(self._opened, 1 << 26, 0)
        with suppress(ValueError, KeyError, TypeError):
            found = json.loads(data)
            return str(found["stage"]), list(found["files"])
        return "", []

    def write(self, stage: str, jobs: Iterable[_Job]) -> None:
        """Replace the journal at once, lock included."""
        files = [
            {"target": str(j.target), "aside": str(j.aside), "old": _digest(j.old), "new": _digest(j.new)} for j in jobs
        ]
        text = json.dumps({"stage": stage, "files": files}).encode()
        aside = self.path.with_name(_NEXT)
        aside.write_bytes(text)
        descriptor = os.open(aside, os.O_RDWR | os.O_CLOEXEC)
        os.fsync(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.rename(aside, self.path)
        os.close(self._opened)
        self._opened = descriptor
        _sync_folder(self.path.parent)

    def remove(self) -> None:
        """Nothing is left to do."""
        for name in (_NEXT, JOURNAL):
            self.path.with_name(name).unlink(missing_ok=True)
        with suppress(OSError):  # a journal that comes back after a power cut finds nothing to do
            _sync_folder(self.path.parent)

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self._opened)


@contextmanager
def _journal(folder: Path) -> Iterator[_Journal]:
    """The journal, locked: two runs at once would take each other's files away."""
    path = folder / JOURNAL
    while True:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(opened)
            raise WriteRefused("another gitops migrate is writing; nothing was changed", hint="wait for it") from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(path), os.fstat(opened)):
                break
        os.close(opened)
    journal = _Journal(path, opened)
    try:
        yield journal
    finally:
        journal.close()


def _mend(folder: Path, journal: _Journal) -> Mended:
    stage, files = journal.read()
    finished, kept = [], []
    for file in files:
        target, aside = Path(file["target"]), Path(file["aside"])
        if not _ours(folder, target, aside) or not aside.exists():
            continue
        complete = stage == "ready" and _digest(aside.read_bytes()) == file["new"]
        if complete and target.exists() and _digest(target.read_bytes()) == file["old"]:
            os.rename(aside, target)
            finished.append(str(target))
        else:
            aside.unlink()
            if stage == "ready":
                kept.append(str(target))
    return Mended(tuple(finished), tuple(kept))


def _ours(folder: Path, target: Path, aside: Path) -> bool:
    """Whether we could have written this: a journal may as well have come with a pull request."""
    top = find_root(folder) or folder
    if aside != target.with_name(f".{target.name}{_SUFFIX}") or not target.is_relative_to(top):
        return False
    return ".." not in target.parts and ".git" not in target.relative_to(top).parts and not aside.is_symlink()


def _rename(jobs: Sequence[_Job]) -> None:
    """All of them, or none."""
    done: list[_Job] = []
    try:
        for job in jobs:
            job.swap()
            done.append(job)
    except BaseException:
        for job in jobs:  # their room may be needed
            job.clean()
        for job in reversed(done):
            job.back()
        raise
    for place in {job.target.parent for job in jobs}:
        with suppress(OSError):  # it is done; how soon the disk knows is another matter
            _sync_folder(place)


def _targets(folder: Path, contents: Mapping[str, tuple[bytes, bytes]]) -> dict[Path, tuple[bytes, bytes]]:
    """The files themselves: of a link what it leads to, once, and nothing outside of the repository."""
    top = (find_root(folder) or folder).resolve()
    targets: dict[Path, tuple[bytes, bytes]] = {}
    for path, (old, new) in contents.items():
        target = (folder / path).resolve()
        if not target.is_relative_to(top) or ".git" in target.relative_to(top).parts:
            raise WriteRefused(f"{path} leads out of the repository; nothing was written")
        if targets.setdefault(target, (old, new))[1] != new:
            raise WriteRefused(f"{path} and another path are one file, and would become two; nothing was written")
    return targets


def _attributes(source: Path, opened: int) -> None:
    """Extended attributes, access lists among them, as far as the file system and our rights carry them."""
    if not hasattr(os, "listxattr"):
        return
    with suppress(OSError):
        for name in os.listxattr(source):
            with suppress(OSError):
                os.setxattr(opened, name, os.getxattr(source, name))


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such thing
            raise
    finally:
        os.close(opened)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
