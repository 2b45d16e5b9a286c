"""An HTTP/1.1 server in a thread, over plain sockets and TLS: it answers by path, and keeps what it was asked.

Paths: ``/status/503``, ``/redirect/302?to=URL``, ``/echo`` (the request as JSON), ``/hang`` (no answer), ``/drip`` (an
answer without end, slowly), ``/flood`` (without end, fast), ``/bomb`` (small, and huge when unpacked), ``/chunked``,
``/gzip``, ``/latin``, ``/partial`` (less than announced), ``/json``, ``/hundred`` (a 103 first), ``/planned`` (one
status after the other of ``Site.planned``, then 200), ``/later/7`` (429, to come back in so many seconds).
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    client: dict[str, Any] | None = None

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


@dataclass(slots=True)
class Site:
    """A running server. ``asked`` grows with every request, ``left`` with every client that went away waiting."""

    scheme: str
    port: int
    asked: list[Asked] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    planned: list[int] = field(default_factory=list)

    @property
    def base(self) -> str:
        """Its URL without a path."""
        return f"{self.scheme}://127.0.0.1:{self.port}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    site: Site
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread, so that one who doesn't shake hands keeps nobody waiting."""
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        with contextlib.suppress(OSError), self.tls.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""

    def handle_one(self) -> None:
        """Any method."""
        site = cast(_Server, self.server).site
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        client = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        site.asked.append(Asked(self.command, self.path, list(self.headers.items()), body, client or None))
        self.close_connection = True
        name, _, rest = urlsplit(self.path).path.lstrip("/").partition("/")
        with contextlib.suppress(OSError):
            getattr(self, f"at_{name}", self.at_json)(rest, body, site)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = handle_one

    def _send(self, status: int, body: bytes, *headers: tuple[str, str], phrase: str | None = None) -> None:
        self.send_response(status, phrase)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def at_json(self, rest: str, body: bytes, site: Site) -> None:
        self._send(200, b'{"ready": true, "items": [1, 2, 3]}', ("Content-Type", "application/json"))

    def at_status(self, rest: str, body: bytes, site: Site) -> None:
        self._send(int(rest), b"", phrase="Just So" if rest == "299" else None)

    def at_planned(self, rest: str, body: bytes, site: Site) -> None:
        self._send(site.planned.pop(0) if site.planned else 200, b"as planned")

    def at_later(self, rest: str, body: bytes, site: Site) -> None:
        self._send(429, b"busy", ("Retry-After", rest.replace("_", " ")))

    def at_redirect(self, rest: str, body: bytes, site: Site) -> None:
        to = parse_qs(urlsplit(self.path).query, keep_blank_values=True).get("to", [""])[0]
        headers = [("Location", to)] if to else []
        self._send(int(rest or 302), b"elsewhere", *headers)

    def at_loop(self, rest: str, body: bytes, site: Site) -> None:
        self._send(302, b"", ("Location", f"/loop/{int(rest or 0) + 1}"))

    def at_down(self, rest: str, body: bytes, site: Site) -> None:
        left = int(rest)
        self._send(302, b"", ("Location", f"/down/{left - 1}")) if left else self._send(200, b"there")

    def at_echo(self, rest: str, body: bytes, site: Site) -> None:
        said = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body.decode()}
        self._send(200, json.dumps(said).encode())

    def at_hang(self, rest: str, body: bytes, site: Site) -> None:
        self.connection.settimeout(0.05)
        while not site.ended.is_set():
            try:
                if not self.connection.recv(1):
                    break
            except TimeoutError:
                continue
        site.left.append(self.path)

    def at_drip(self, rest: str, body: bytes, site: Site) -> None:
        self.send_response(200)
        self.end_headers()
        while not site.ended.wait(0.05):
            self.wfile.write(b".")
            self.wfile.flush()

    def at_flood(self, rest: str, body: bytes, site: Site) -> None:
        self.send_response(200)
        self.end_headers()
        while not site.ended.is_set():
            self.wfile.write(b"x" * 65_536)

    def at_headers(self, rest: str, body: bytes, site: Site) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not site.ended.is_set():
            self.wfile.write(b"X-More: %s\r\n" % (b"y" * 1000))

    def at_bomb(self, rest: str, body: bytes, site: Site) -> None:
        packer = zlib.compressobj(9, wbits=31)
        block = b"\0" * (1 << 20)
        packed = b"".join(packer.compress(block) for _ in range(50)) + packer.flush()
        self._send(200, packed, ("Content-Encoding", "gzip"))

    def at_gzip(self, rest: str, body: bytes, site: Site) -> None:
        self._send(200, gzip.compress(b'{"packed": true}'), ("Content-Encoding", "gzip"))

    def at_badgzip(self, rest: str, body: bytes, site: Site) -> None:
        self._send(200, b"no gzip at all", ("Content-Encoding", "gzip"))

    def at_latin(self, rest: str, body: bytes, site: Site) -> None:
        self._send(200, "née".encode("latin-1"), ("Content-Type", "text/plain; charset=ISO-8859-1"))

    def at_binary(self, rest: str, body: bytes, site: Site) -> None:
        self._send(200, b"\x00\xff\xfe\x00", ("Content-Type", "text/plain; charset=klingon"))

    def at_size(self, rest: str, body: bytes, site: Site) -> None:
        self._send(200, b"z" * int(rest))

    def at_chunked(self, rest: str, body: bytes, site: Site) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (b"one ", b"two"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def at_partial(self, rest: str, body: bytes, site: Site) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")

    def at_hundred(self, rest: str, body: bytes, site: Site) -> None:
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLocation: /no\r\n\r\n")
        self._send(200, b"after")


@contextlib.contextmanager
def site(
    *, cert: tuple[Path, Path] | None = None, client_ca: Path | None = None, host: str = "127.0.0.1"
) -> Iterator[Site]:
    """A server; over TLS with ``cert``, for clients with a certificate of ``client_ca`` where that is given."""
    server = _Server((host, 0), _Handler)
    if cert is not None:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(*cert)
        if client_ca is not None:
            server.tls.verify_mode = ssl.CERT_REQUIRED
            server.tls.load_verify_locations(client_ca)
    server.site = Site("http" if cert is None else "https", server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.site
    finally:
        server.site.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def raw(talk: Callable[[socket.socket], object]) -> Iterator[int]:
    """The port of a server that does what ``talk`` does with each connection, and closes it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            talk(client)

    def serve() -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            client.settimeout(20)
            threading.Thread(target=one, args=(client,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
