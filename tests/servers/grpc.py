"""A real gRPC server with a health service, in a process of its own."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.servers.ca import Authority
from tests.servers.process import Server, free_port


class Grpc(Server):
    """``port`` and ``tls_port`` (certificate for ``localhost``) say that ``""`` and ``orders`` serve, ``down`` doesn't,
    ``odd`` is unknown, and nothing of ``slow``. ``bare_port`` has no health service."""

    def __init__(self) -> None:
        super().__init__()
        self.tls_port, self.bare_port = free_port(), free_port()

    def prepare(self) -> None:
        """A certificate."""
        self.authority = Authority(self.folder / "ca")
        self._pair = self.authority.issue(["localhost"])

    def command(self) -> Sequence[str | Path]:
        """The program in the foreground."""
        ports = (str(self.port), str(self.tls_port), str(self.bare_port))
        return [sys.executable, "-P", Path(__file__).with_name("grpc_main.py"), *ports, *self._pair]

    def ready(self) -> bool:
        """The last port is there."""
        try:
            socket.create_connection(("127.0.0.1", self.bare_port), timeout=1).close()
        except OSError:
            return False
        return True
