"""The server for webhooks on an event loop in a thread of its own, and senders of all kinds."""

from __future__ import annotations

import asyncio
import hmac
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from reconciler.base.canonical import loads
from reconciler.flows.webhooks.events import Event
from reconciler.flows.webhooks.server import Bounds
from reconciler.flows.webhooks.serving import Serving


class Answered(NamedTuple):
    """What a sender was told."""

    status: int
    told: Any
    headers: Mapping[str, str]


class Hooks:
    """A server that runs."""

    def __init__(self, url: str, events: list[Event]) -> None:
        self.url, self.events = url, events
        parts = urlsplit(url)
        self.host, self.port = str(parts.hostname), int(parts.port or 0)

    def send(self, hook: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST") -> Answered:
        """One request."""
        connection = HTTPConnection(self.host, self.port, timeout=10)
        try:
            kind = {"Content-Type": "application/json"} if body else {}
            connection.request(method, f"/hooks/{hook}", body or None, {**kind, **headers})
            answer = connection.getresponse()
            return Answered(answer.status, loads(answer.read()), dict(answer.getheaders()))
        finally:
            connection.close()

    def get(self, path: str) -> Answered:
        """A page."""
        connection = HTTPConnection(self.host, self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return Answered(answer.status, loads(answer.read()), dict(answer.getheaders()))
        finally:
            connection.close()

    @contextmanager
    def raw(self, *data: bytes) -> Iterator[socket.socket]:
        """A connection that has sent this, and what follows is up to the test."""
        with socket.create_connection((self.host, self.port), timeout=10) as made:
            for each in data:
                made.sendall(each)
            yield made


def standard(key: str, body: bytes, id: str = "msg-1", *, at: float | None = None) -> dict[str, str]:
    """Signed as Standard Webhooks says."""
    stamp = str(int(time.time() if at is None else at))
    signed = hmac.new(key.encode(), b".".join((id.encode(), stamp.encode(), body)), sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{b64encode(signed).decode()}",
    }


def github(key: str, body: bytes, id: str = "guid-1") -> dict[str, str]:
    """Signed as GitHub does."""
    signature = hmac.new(key.encode(), body, sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Delivery": id, "X-GitHub-Event": "push"}


def read_all(connection: socket.socket) -> bytes:
    """Until the other side ends, in whatever manner."""
    found = b""
    try:
        while more := connection.recv(65_536):
            found += more
    except ConnectionResetError:
        pass
    return found


@contextmanager
def hooks_of(address: str, environ: Mapping[str, str], bounds: Bounds | None = None) -> Iterator[Hooks]:
    """Serve a store's hooks."""
    events: list[Event] = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="hooks")
    thread.start()
    serving = Serving(address, environ, events.append, bounds or Bounds())
    try:
        url = asyncio.run_coroutine_threadsafe(serving.begin(("127.0.0.1", 0)), loop).result(10)
        yield Hooks(url, events)
    finally:
        asyncio.run_coroutine_threadsafe(serving.end(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
