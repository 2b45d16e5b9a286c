"""Hypercorn, a real HTTP/2 server, as a process of the test: TLS with both versions by ALPN."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.servers.process import Server


class Hyper(Server):
    """Answers every request with the version it came by, as JSON. ``plain``: without TLS."""

    def __init__(self, cert: Path | None, key: Path | None) -> None:
        super().__init__()
        self._cert, self._key = cert, key

    def prepare(self) -> None:
        """The application, and nothing else in its folder."""
        (self.folder / "app.py").write_text(
            "async def app(scope, receive, send):\n"
            "    if scope['type'] != 'http':\n"
            "        return\n"
            "    more = True\n"
            "    while more:\n"
            "        more = (await receive()).get('more_body', False)\n"
            "    body = b'{\"version\": \"%s\"}' % scope['http_version'].encode()\n"
            "    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'x-a', b'b')]})\n"
            "    await send({'type': 'http.response.body', 'body': body})\n"
        )

    def command(self) -> Sequence[str | Path]:
        """In one process."""
        tls: list[str | Path] = ["--certfile", self._cert, "--keyfile", self._key] if self._cert and self._key else []
        return [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{self.port}", *tls, "app:app"]

    def ready(self) -> bool:
        """It shakes hands."""
        if self._cert is None:
            return super().ready()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock, context.wrap_socket(sock):
                return True
        except OSError:
            return False
