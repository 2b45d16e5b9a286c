"""The folder the packages are built into: one subfolder a lock, named by its digest, and ``current``.

A built subfolder is never written again. ``current`` is a link that is replaced in one step, so that a run sees one
whole set; runs keep the set they began with, and the one before stays in force until the next is complete.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reconciler.base.canonical import loads
from reconciler.sandbox.packages.faults import PackagesError, PackagesNotReady
from reconciler.sandbox.packages.lockfile import Lock, this_python

PYTHON_INSIDE, NODE_INSIDE = "/packages/python", "/packages/node/node_modules"
"""At the top, since every other folder may be the host's own, in which nothing can be made to stand."""
MANIFEST = "manifest.json"
_DIGEST = re.compile(r"[0-9a-f]{32}")

State = Literal["pending", "syncing", "ready", "error"]


@dataclass(frozen=True, slots=True)
class Status:
    """``wanted`` is the digest of the lock file, ``current`` of what runs get, which differ until a sync is through.

    ``why`` is a sentence for every state but ready.
    """

    state: State
    wanted: str | None
    current: str | None
    why: str | None = None


class Packages:
    """The packages of one folder, as runs and commands see them. Reads only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def current(self) -> str | None:
        """Digest of the set in force; None: there is none that is whole."""
        try:
            name = os.readlink(self.folder / "current")
        except OSError:
            return None
        return name if _DIGEST.fullmatch(name) and self.complete(name) else None

    def complete(self, digest: str) -> bool:
        """Whether that set was built to its end."""
        return (self.folder / digest / MANIFEST).is_file()

    def python(self) -> tuple[str, str] | None:
        """What to bind for a Python script, (host path, path inside); None where the set has none of these.

        Raises :class:`PackagesNotReady`.
        """
        found = self._ready()
        manifest = self.manifest(found)
        if not manifest.get("wheels"):
            return None
        if manifest.get("python") != this_python():
            raise PackagesNotReady("error", f"they were built for {manifest.get('python')}, this is {this_python()}")
        return str(self.folder.resolve() / found / "python"), PYTHON_INSIDE

    def node(self) -> tuple[str, str] | None:
        """The same for Node.js."""
        found = self._ready()
        if not self.manifest(found).get("node"):
            return None
        return str(self.folder.resolve() / found / "node" / "node_modules"), NODE_INSIDE

    def manifest(self, digest: str) -> dict[str, Any]:
        """What a set is: digest, python, counts. Raises :class:`PackagesError`."""
        try:
            found = loads((self.folder / digest / MANIFEST).read_bytes())
        except (OSError, ValueError) as error:
            raise PackagesError(
                f"the package set {digest} is damaged: {error}", hint="run gitops packages sync"
            ) from error
        return found if isinstance(found, dict) else {}

    def status(self, lock: Lock | None) -> Status:
        """How things stand with a lock, or without one."""
        wanted, current = lock.digest if lock is not None else None, self.current()
        if busy(self.folder):
            return Status("syncing", wanted, current, "a sync is running")
        if wanted is not None and wanted == current:
            return Status("ready", wanted, current)
        if (why := self._last_error(wanted)) is not None:
            return Status("error", wanted, current, why)
        if wanted is None:
            return Status("pending", None, current, "there is no lock file")
        return Status("pending", wanted, current, "the lock file was not synced yet")

    def _ready(self) -> str:
        found = self.current()
        if found is not None:
            return found
        if busy(self.folder):
            raise PackagesNotReady("syncing", "the first sync is running")
        why = self._last_error(None)
        raise PackagesNotReady("error", why) if why else PackagesNotReady("pending", "there was no sync yet")

    def _last_error(self, digest: str | None) -> str | None:
        try:
            found = loads(error_file(self.folder).read_bytes())
            return str(found["error"]) if digest in (None, found["digest"]) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def error_file(folder: Path) -> Path:
    """Where the last failure stands; gone after a sync that went well."""
    return folder / "error.json"


def busy(folder: Path) -> bool:
    """Whether a sync holds the folder. The kernel keeps that, so that a killed sync holds nothing."""
    try:
        handle = os.open(folder / ".lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(handle)


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Hold the folder for a sync, waiting for another one. Yields whether there was one to wait for."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        waited = False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            waited = True
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield waited
    finally:
        os.close(handle)
