"""A folder as a source: what is on the disk now, committed or not.

Inside a git repository git says which files count, so that ignored ones (virtual environments, build output) stay out.
Blob ids are computed as git does, so that both kinds of source share the same cache.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from reconciler.base.canonical import digest
from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import SourceError
from reconciler.source.gitcli import find_root, run
from reconciler.source.limits import MAX_BYTES
from reconciler.source.tree import (
    BAD_PATH,
    SYMLINK,
    UNREADABLE,
    UNSTABLE,
    Wanted,
    decode_path,
    everything,
    file_fault,
)

_SKIPPED = frozenset((".git", ".gitops", "node_modules", ".venv"))
_CHUNK = 1024 * 1024
_ATTEMPTS = 3


class _Fault(Exception):
    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


class WorkTree:
    """The files below ``folder``; see :class:`~reconciler.source.tree.Tree`. ``commit`` is always ``None``.

    Every wanted file is read once, by :meth:`entries`, and its content kept: what is planned is what was read, even
    when somebody saves a file in between. Raises :class:`SourceError` when there is no such folder, or git refuses it.
    """

    commit: str | None = None

    def __init__(
        self,
        folder: Path | str,
        *,
        wanted: Wanted = everything,
        name: str | None = None,
        listing: Iterable[bytes] | None = None,
    ) -> None:
        self._listing = None if listing is None else sorted(set(listing))
        self._folder = Path(folder).resolve()
        if not self._folder.is_dir():
            raise SourceError(f"there is no folder {folder}")
        self.name = name if name is not None else self._folder.name
        self.faults: list[Diagnostic] = []
        self._wanted = wanted
        self._top = find_root(self._folder)
        self._hash = hashlib.sha1
        if self._top is not None and run(self._folder, "rev-parse", "--show-object-format").strip() == b"sha256":
            self._hash = hashlib.sha256
        self._contents: dict[str, bytes] = {}
        self._entries: list[tuple[str, str]] | None = None

    @property
    def tree(self) -> str:
        """A digest over all paths and contents; never equal to an id of git's."""
        return digest(b"worktree", *(f"{blob} {path}".encode() for path, blob in self.entries()))

    def entries(self) -> list[tuple[str, str]]:
        """(path, blob id) of every wanted file, sorted by path. Raises :class:`SourceError`."""
        if self._entries is None:
            self._entries = sorted(self._load())
        return self._entries

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(path, content) in the order asked for, as it was when the files were listed."""
        self.entries()
        for path in paths:
            yield path, self._contents[path]

    def _load(self) -> Iterator[tuple[str, str]]:
        deleted: set[str] | None = None
        for path in self._paths():
            try:
                content = self._read(path)
            except FileNotFoundError:
                if deleted is None:
                    deleted = self._deleted()
                if path not in deleted:
                    self._fault(path, UNSTABLE, "the file vanished while it was read", "try again")
            except IsADirectoryError:
                continue  # a submodule
            except _Fault as fault:
                self._fault(path, fault.code, fault.message, fault.hint)
            except OSError as error:
                self._fault(path, UNREADABLE, f"the file can't be read: {error.strerror}", "mend its permissions")
            else:
                self._contents[path] = content
                yield path, self._hash(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()

    def _fault(self, path: str, code: str, message: str, hint: str | None) -> None:
        self.faults.append(file_fault(code, path, message, hint))

    def _paths(self) -> Iterator[str]:
        raw = self._listing if self._listing is not None else self._listed()
        for path, valid in sorted({decode_path(one) for one in raw}):
            if not self._wanted(path):
                continue
            if valid:
                yield path
            else:
                self._fault(path, BAD_PATH, "the file's name isn't valid UTF-8", "rename the file")

    def _listed(self) -> Iterable[bytes]:
        return self._walk() if self._top is None else self._git_files()

    def _git_files(self) -> list[bytes]:
        listing = run(self._folder, "ls-files", "-co", "--exclude-standard", "-z")
        return [path for path in listing.split(b"\0") if path and not path.endswith(b"/")]

    def _deleted(self) -> set[str]:
        """What git knows and the author deleted: gone on purpose, and no fault."""
        if self._top is None:
            return set()
        return {decode_path(path)[0] for path in run(self._folder, "ls-files", "-d", "-z").split(b"\0")}

    def _walk(self) -> Iterator[bytes]:
        top = os.fsencode(self._folder)

        def failed(error: OSError) -> None:
            path, _ = decode_path(os.path.relpath(os.fsencode(error.filename), top))
            self._fault(path, UNREADABLE, f"the folder can't be read: {error.strerror}", "mend its permissions")

        skipped = {os.fsencode(name) for name in _SKIPPED}
        for folder, folders, files in os.walk(top, onerror=failed):
            folders[:] = [name for name in folders if name not in skipped]
            # A link to a folder is listed among folders, and is no more walked than git would.
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in files + links:
                yield os.path.relpath(os.path.join(folder, name), top)

    def _read(self, path: str) -> bytes:
        full = self._folder / path
        if full.is_symlink():
            full = self._target(full)
        for _ in range(_ATTEMPTS):
            content = _read_once(full)
            if content is not None:
                return content
        raise _Fault(UNSTABLE, "the file keeps changing while it is read", "try again when nothing writes to it")

    def _target(self, link: Path) -> Path:
        allowed = self._top or self._folder
        hint = "use the file itself instead of a link"
        try:
            target = link.resolve(strict=True)
        except FileNotFoundError:
            raise _Fault(SYMLINK, "the link leads to a file that doesn't exist", hint) from None
        except (OSError, RuntimeError):
            raise _Fault(SYMLINK, "the link leads in a circle", hint) from None
        if not target.is_relative_to(allowed) or ".git" in target.relative_to(allowed).parts:
            raise _Fault(SYMLINK, "the link leads out of the repository", hint)
        if target.is_dir():
            raise _Fault(SYMLINK, "the link leads to a folder", hint)
        return target


def _read_once(path: Path) -> bytes | None:
    """The content of a regular file; ``None`` when it changed meanwhile. Never waits for a pipe or a device."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        if error.errno == errno.ENXIO:
            raise _Fault(UNREADABLE, "this is a socket or a device, not a file") from None
        raise
    try:
        before = os.fstat(opened)
        if stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError
        if not stat.S_ISREG(before.st_mode):
            raise _Fault(UNREADABLE, "this is a pipe, a socket or a device, not a file")
        if before.st_size > MAX_BYTES:
            message = f"the file has {before.st_size:,} bytes, and {MAX_BYTES:,} is the most that is read"
            raise _Fault(UNREADABLE, message, "split it into several files")
        chunks = []
        size = 0
        while size <= MAX_BYTES and (chunk := os.read(opened, _CHUNK)):
            chunks.append(chunk)
            size += len(chunk)
        after = os.fstat(opened)
    finally:
        os.close(opened)
    same = (before.st_size, before.st_mtime_ns, before.st_ino) == (after.st_size, after.st_mtime_ns, after.st_ino)
    return b"".join(chunks) if same and size == before.st_size else None
