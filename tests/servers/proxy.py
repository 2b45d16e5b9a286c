"""An HTTP proxy in a thread: CONNECT, and requests with the whole URL; with a password where one is given."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(slots=True)
class Proxy:
    """``asked`` are the request lines that were let through, ``refused`` how many were not."""

    port: int
    credentials: str | None
    asked: list[str] = field(default_factory=list)
    refused: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"


def proxy(
    credentials: str | None = None, *, cert: tuple[Path, Path] | None = None
) -> contextlib.AbstractContextManager[Proxy]:
    """A running HTTP proxy. ``credentials``: ``user:password`` it wants; with ``cert`` it is spoken to over TLS."""
    if cert is None:
        return _running(_one, credentials)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cert)

    def talk(running: Proxy, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), context.wrap_socket(client, server_side=True) as wrapped:
            _one(running, wrapped)

    return _running(talk, credentials)


def socks() -> contextlib.AbstractContextManager[Proxy]:
    """A running SOCKS 5 proxy; what it is asked for are hosts with ports."""
    return _running(_socks, None)


@contextlib.contextmanager
def _running(talk: Callable[[Proxy, socket.socket], None], credentials: str | None) -> Iterator[Proxy]:
    listener = socket.create_server(("127.0.0.1", 0))
    running = Proxy(listener.getsockname()[1], credentials)

    def serve() -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=talk, args=(running, client), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _one(running: Proxy, client: socket.socket) -> None:
    client.settimeout(20)
    with client, contextlib.suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := client.recv(65_536)):
                return
            head += data
        head, _, body = head.partition(b"\r\n\r\n")
        line, *headers = head.decode("latin-1").split("\r\n")
        if running.credentials is not None:
            wanted = f"Basic {b64encode(running.credentials.encode()).decode()}"
            given = [h.partition(":")[2].strip() for h in headers if h.lower().startswith("proxy-authorization:")]
            if given != [wanted]:
                running.refused += 1
                client.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n"
                    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
        running.asked.append(line)
        method, url, _ = line.split(" ")
        if method == "CONNECT":
            _tunnel(client, url)
        else:
            _forward(client, method, url, headers, body)


def _socks(running: Proxy, client: socket.socket) -> None:
    client.settimeout(20)
    with client, contextlib.suppress(OSError):
        client.recv(257)
        client.sendall(b"\x05\x00")
        asked = client.recv(512)
        if asked[3] == 1:
            host, rest = socket.inet_ntoa(asked[4:8]), asked[8:]
        else:
            host, rest = asked[5 : 5 + asked[4]].decode(), asked[5 + asked[4] :]
        port = int.from_bytes(rest[:2], "big")
        running.asked.append(f"{host}:{port}")
        try:
            target = socket.create_connection((host, port), timeout=5)
        except OSError:
            client.sendall(b"\x05\x04\x00\x01" + bytes(6))
            return
        with target:
            client.sendall(b"\x05\x00\x00\x01" + bytes(6))
            _pump(client, target)


def _tunnel(client: socket.socket, where: str) -> None:
    host, _, port = where.rpartition(":")
    try:
        target = socket.create_connection((host.strip("[]"), int(port)), timeout=5)
    except OSError:
        client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return
    with target:
        client.sendall(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
        _pump(client, target)


def _forward(client: socket.socket, method: str, url: str, headers: list[str], body: bytes) -> None:
    parts = urlsplit(url)
    kept = [h for h in headers if not h.lower().startswith("proxy-")]
    head = "\r\n".join((f"{method} {parts.path or '/'} HTTP/1.1", *kept, "", ""))
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=5) as target:
        target.sendall(head.encode("latin-1") + body)
        _pump(client, target)


def _pump(client: socket.socket, target: socket.socket) -> None:
    other = {client: target, target: client}
    while True:
        # What TLS has already taken from the socket wakes no select.
        ready: list[socket.socket] = [sock for sock in other if isinstance(sock, ssl.SSLSocket) and sock.pending()]
        if not ready:
            ready, _, _ = select.select(list(other), [], [], 20)
        if not ready:
            return
        for sock in ready:
            if not (data := sock.recv(65_536)):
                return
            other[sock].sendall(data)
