"""An SMTP server on loopback, enough of it to be handed a message; it keeps them."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from typing import cast


class Mailbox:
    """``messages`` as they came. ``refusal``: what every recipient is answered, where that is set."""

    def __init__(self) -> None:
        self.port = 0
        self.messages: list[str] = []
        self.refusal: str | None = None


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    mailbox: Mailbox


class _Handler(socketserver.StreamRequestHandler):
    timeout = 20

    def handle(self) -> None:
        mailbox = cast(_Server, self.server).mailbox
        self._say("220 loopback")
        while line := self.rfile.readline():
            word = line.decode("latin-1").strip().upper()
            if word.startswith("QUIT"):
                self._say("221 bye")
                return
            if word.startswith("RCPT") and mailbox.refusal is not None:
                self._say(mailbox.refusal)
            elif word == "DATA":
                self._say("354 go on")
                mailbox.messages.append(self._message())
                self._say("250 kept")
            else:
                self._say("250 fine")

    def _message(self) -> str:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.decode("utf-8", "replace"))
        return "".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextlib.contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A running server."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.mailbox = Mailbox()
    server.mailbox.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.mailbox
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
