"""A way to a server that can be cut: nothing gets through any more, in either direction, and nobody is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """Listens on ``port`` of this host, and passes everything on to a socket of the file system."""

    def __init__(self, to: str) -> None:
        self._to = to
        self._open = threading.Event()
        self._open.set()
        self._over = False
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listening.getsockname()[1])
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """From now on what is sent is lost, as far as anybody can tell."""
        self._open.clear()

    def mend(self) -> None:
        """Go on. What was on its way arrives late."""
        self._open.set()

    def close(self) -> None:
        """End it, and all connections."""
        self._over = True
        self._open.set()
        for each in (self._listening, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._over:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            self._open.wait()
            far = socket.socket(socket.AF_UNIX)
            self._sockets += [near, far]
            try:
                far.connect(self._to)
            except OSError:
                near.close()
                continue
            for ends in ((near, far), (far, near)):
                thread = threading.Thread(target=self._pass_on, args=ends)
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._open.wait()
                to.sendall(data)
        with suppress(OSError):
            to.shutdown(socket.SHUT_WR)


@contextmanager
def relay(to: str) -> Iterator[Relay]:
    """One for as long as the block lasts."""
    found = Relay(to)
    try:
        yield found
    finally:
        found.close()
