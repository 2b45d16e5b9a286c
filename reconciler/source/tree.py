"""The files of a source at one moment, whether they come from a commit or from a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from reconciler.base.diagnostics import Diagnostic, Place

Wanted = Callable[[str], bool]
"""Whether a path (relative to the source's folder, with ``/``) is of interest; what isn't is never read or judged."""

SYMLINK = "symlink"
UNREADABLE = "unreadable-file"
UNSTABLE = "unstable-file"
BAD_PATH = "bad-path"


class Tree(Protocol):
    """What both kinds of source offer. Paths are relative to the folder of the source and use ``/``."""

    @property
    def name(self) -> str:
        """What the source is called where nothing else names it: the folder's name."""

    @property
    def commit(self) -> str | None:
        """The commit in hexadecimal digits (40, or 64 in SHA-256 repositories); ``None`` for a working tree."""

    @property
    def tree(self) -> str:
        """An id of the whole state: equal ids mean equal files."""

    @property
    def faults(self) -> list[Diagnostic]:
        """Files that are wanted and can't be read: links that leave the repository, devices, and so on."""

    def entries(self) -> list[tuple[str, str]]:
        """(path, blob id) of every wanted file, sorted by path. Raises ``SourceError``."""

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(path, content) for paths out of :meth:`entries`, in the order asked for. Raises ``SourceError``."""


class NoFiles:
    """A source before there was anything of it."""

    tree = "nothing"

    def __init__(self, name: str, commit: str) -> None:
        self.name, self.commit = name, commit
        self.faults: list[Diagnostic] = []

    def entries(self) -> list[tuple[str, str]]:
        """See the protocol."""
        return []

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See the protocol."""
        return iter(())


def everything(path: str) -> bool:
    """The :data:`Wanted` that wants all files."""
    return True


def decode_path(raw: bytes) -> tuple[str, bool]:
    """A path as text, and whether it is valid UTF-8; what isn't is shown with backslashes."""
    try:
        return raw.decode("utf-8"), True
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace"), False


def file_fault(code: str, path: str, message: str, hint: str | None = None) -> Diagnostic:
    """A fault of a whole file: it has no better place than its beginning."""
    return Diagnostic(code, message, Place(path, 1, 1), hint)
