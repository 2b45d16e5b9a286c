"""From a lock to a folder: built aside, then put in force in one step.

A sync that dies leaves a folder beside the sets, which the next one removes; what was in force stays in force.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from reconciler.base.canonical import dumps
from reconciler.base.errors import GitopsError
from reconciler.sandbox.packages.faults import PackagesError
from reconciler.sandbox.packages.folder import MANIFEST, Packages, error_file, held
from reconciler.sandbox.packages.lockfile import Lock, this_platform, this_python
from reconciler.sandbox.packages.resolve import manifest, refuse_loose
from reconciler.sandbox.packages.tools import npm, pip

_DRAFT = ".building-"
_KEPT_S = 3600.0
"""A set that is no longer in force stays this long: runs that began with it may still import from it."""


class Synced(NamedTuple):
    """``built``: whether there was something to do; False when the set was there. ``waited`` for another sync."""

    digest: str
    built: bool
    waited: bool


def sync(lock: Lock, folder: Path, *, build: Callable[[Lock, Path], None] | None = None) -> Synced:
    """Build what the lock says, unless it is there, and put it in force. Raises :class:`PackagesError`.

    ``build`` fills an empty folder; the default takes what is locked from the package indexes.
    """
    folder = folder.absolute()  # pip and npm work elsewhere
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder) as waited:
            try:
                built = _into(lock, folder, build or install)
                _put_in_force(folder, lock.digest)
            except GitopsError as error:
                _write(error_file(folder), {"digest": lock.digest, "error": error.message, "at": time.time()})
                raise
            error_file(folder).unlink(missing_ok=True)
            _prune(folder, lock.digest)
            return Synced(lock.digest, built, waited)
    except OSError as error:
        raise PackagesError(f"the package folder {folder} can't be written: {error}") from error


def install(lock: Lock, folder: Path) -> None:
    """Take every package from its index, refusing one whose hash isn't the locked one."""
    if lock.wheels:
        _fits(lock)
        work = folder / ".work"
        work.mkdir()
        lines = (f"{w.name}=={w.version} --hash=sha256:{w.sha256}\n" for w in lock.wheels)
        (work / "locked.txt").write_text("".join(lines), encoding="utf-8")
        where = ("--target", str(folder / "python"), "--root-user-action", "ignore")
        pip("install", "--require-hashes", "--no-deps", "--only-binary", ":all:", *where, "-r", "locked.txt", cwd=work)
        shutil.rmtree(work)
        _all_there(len(lock.wheels), len(list((folder / "python").glob("*.dist-info"))), "pip")
    if lock.node is not None:
        refuse_loose(lock.node)
        project, cache = folder / "node", folder / ".cache"
        project.mkdir()
        (project / "package.json").write_bytes(dumps(manifest(lock.allowed.node)))
        (project / "package-lock.json").write_bytes(dumps(lock.node))
        npm("ci", cwd=project, cache=cache)
        shutil.rmtree(cache, ignore_errors=True)
        _all_there(
            len(lock.allowed.node), sum((project / "node_modules" / n).is_dir() for n, _ in lock.allowed.node), "npm"
        )


def _all_there(wanted: int, found: int, tool: str) -> None:
    """A tool that says it went well is believed when what it was to make is there."""
    if found < wanted:
        raise PackagesError(f"{tool} installed {found} of {wanted} packages without a word about the others")


def _fits(lock: Lock) -> None:
    if (lock.python, lock.platform) != (this_python(), this_platform()):
        raise PackagesError(
            f"the lock file is for {lock.python} on {lock.platform}, this is {this_python()} on {this_platform()}",
            hint="run gitops packages lock where the scripts will run",
        )


def _into(lock: Lock, folder: Path, build: Callable[[Lock, Path], None]) -> bool:
    for left in folder.glob(f"{_DRAFT}*"):
        shutil.rmtree(left, ignore_errors=True)
    if Packages(folder).complete(lock.digest):
        return False
    shutil.rmtree(folder / lock.digest, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))
    try:
        build(lock, draft)
        facts = {
            "python": lock.python,
            "platform": lock.platform,
            "wheels": len(lock.wheels),
            "node": lock.node_packages,
        }
        _write(draft / MANIFEST, {"digest": lock.digest, "at": time.time(), **facts})
        _open_to_read(draft)
        os.sync()  # the name must not outlive a crash that its content doesn't
        draft.rename(folder / lock.digest)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return True


def _put_in_force(folder: Path, digest: str) -> None:
    before = Packages(folder).current()
    if before == digest:
        return
    if before is not None:
        os.utime(folder / before)  # from now on it is old
    draft = folder / f"{_DRAFT}current"
    draft.unlink(missing_ok=True)
    draft.symlink_to(digest)
    draft.replace(folder / "current")


def _prune(folder: Path, digest: str) -> None:
    for old in folder.iterdir():
        if old.name == digest or old.is_symlink() or not (old / MANIFEST).is_file():
            continue
        if time.time() - old.stat().st_mtime > _KEPT_S:
            shutil.rmtree(old, ignore_errors=True)


def _open_to_read(folder: Path) -> None:
    """Scripts run as somebody else, and a strict umask would shut them out. A link that leads out of the set is
    refused: inside, it would lead to something else."""
    root = folder.resolve()
    for path in (root, *root.rglob("*")):
        if path.is_symlink():
            if not path.resolve().is_relative_to(root):
                raise PackagesError(f"the package file {path.relative_to(root)} is a link that leads out of its folder")
            continue
        mode = path.stat().st_mode & 0o777
        path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))


def _write(path: Path, value: dict[str, object]) -> None:
    draft = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        draft.unlink()
    draft.write_bytes(dumps(dict(value)))
    draft.replace(path)
