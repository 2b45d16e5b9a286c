"""Descriptors of one run, closed together whatever happens."""

from __future__ import annotations

import os
from contextlib import suppress


class Descriptors:
    """A context: everything made here is closed at its end, unless it was given away."""

    def __init__(self) -> None:
        self._fds: set[int] = set()

    def pipe(self) -> tuple[int, int]:
        """(to read, to write)."""
        pair = os.pipe2(os.O_CLOEXEC)
        self._fds.update(pair)
        return pair

    def holding(self, data: bytes) -> int:
        """A file in memory with that content, to be read from its beginning."""
        fd = os.memfd_create("sandbox")
        self._fds.add(fd)
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    def opened(self, path: str) -> int:
        """For reading."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._fds.add(fd)
        return fd

    def keep(self, fd: int) -> int:
        """Close it here too."""
        self._fds.add(fd)
        return fd

    def release(self, *fds: int) -> None:
        """Somebody else closes these."""
        self._fds.difference_update(fds)

    def close(self, *fds: int) -> None:
        """These, now."""
        for fd in fds:
            if fd in self._fds:
                self._fds.discard(fd)
                os.close(fd)

    def __enter__(self) -> Descriptors:
        return self

    def __exit__(self, *_: object) -> None:
        while self._fds:
            with suppress(OSError):
                os.close(self._fds.pop())
