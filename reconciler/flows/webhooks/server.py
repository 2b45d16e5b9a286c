"""HTTP for webhooks, against whoever sends too much, too slowly, or too often. One request for each connection."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from reconciler.automate.received import MOST_BYTES
from reconciler.base.canonical import dumps
from reconciler.base.errors import GitopsError
from reconciler.flows.webhooks.receiver import REFUSED, Answer

HOOKS, HEALTH = "/hooks/", "/healthz"
_LONGEST_LINE = 8190
_LINGER = 1.0
"""Seconds for which what follows a refusal is thrown away, so that the sender gets to read why."""
_MOST_ADDRESSES = 10_000
_MINUTE = 60.0
_SOON = "5"
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# What is said of requests that are no HTTP is of no use to anybody here, and strangers would write our log.
_SILENT = logging.getLogger("reconciler.webhooks")
_SILENT.setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Bounds:
    """``patience``: seconds until a request has to be there whole, and again until it is answered. ``connections``: at
    once. ``refusals``: of one address in a minute, after which it is told 429."""

    patience: float = 10.0
    connections: int = 200
    refusals: int = 60


class Receives(Protocol):
    """What becomes of a whole request."""

    async def receive(self, hook: str, headers: Mapping[str, str], body: bytes, *, remote: str) -> Answer:
        """Take it, or say why not."""

    async def alive(self) -> bool:
        """Whether it could be taken."""


class Server:
    """Listens, and hands over what is whole and not too large."""

    def __init__(self, receives: Receives, bounds: Bounds) -> None:
        self.bounds = bounds
        self.refused = Refusals(bounds.refusals)
        self.answers: Counter[int] = Counter()
        """How many there were, by status; 0 for connections that there was no room for."""
        self._receives = receives
        self._open = 0
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> str:
        """Listen; returns the address that can be called. Raises ``GitopsError``."""
        loop = asyncio.get_running_loop()
        self._web = web.Server(self._handle)
        try:
            self._server = await loop.create_server(lambda: _Connection(self, self._web), host or None, port)
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
            raise GitopsError(
                f"webhooks can't be served on {host or '*'}:{port}: {why}", hint="name another --webhooks HOST:PORT"
            ) from error
        bound = self._server.sockets[0].getsockname()
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        return f"http://{name}:{bound[1]}"

    async def close(self, grace: float) -> None:
        """Take no more, and let what is there be answered within ``grace`` seconds."""
        if self._server is not None:
            self._server.close()
            self._web.pre_shutdown()
            await self._web.shutdown(grace)

    def admit(self) -> bool:
        """Whether there is room for another connection; it is counted then."""
        if self._open >= self.bounds.connections:
            self.answers[0] += 1
            return False
        self._open += 1
        return True

    def metrics(self) -> str:
        """The same for Prometheus."""
        lines = [
            "# HELP gitops_webhooks_answered Requests by the status that they were answered with.",
            "# TYPE gitops_webhooks_answered counter",
            *(f'gitops_webhooks_answered_total{{status="{s}"}} {n}' for s, n in sorted(self.answers.items()) if s),
            "# HELP gitops_webhooks_turned_away Connections that there was no room for.",
            "# TYPE gitops_webhooks_turned_away counter",
            f"gitops_webhooks_turned_away_total {self.answers[0]}",
            "# HELP gitops_webhooks_connections Connections that are open.",
            "# TYPE gitops_webhooks_connections gauge",
            f"gitops_webhooks_connections {self._open}",
        ]
        return "".join(f"{line}\n" for line in lines)

    def left(self) -> None:
        """A connection that was counted is gone."""
        self._open -= 1

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        answer = await self._answer(request)
        if request.rel_url.raw_path != HEALTH:
            self.answers[answer.status] += 1
        response = web.Response(
            status=answer.status, body=dumps(dict(answer.told)) + b"\n", content_type="application/json"
        )
        if answer.status in (429, 503):
            response.headers["Retry-After"] = _SOON
        elif answer.status == 405:
            response.headers["Allow"] = "POST"
        response.headers["Server"] = "gitops"
        response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest) -> Answer:
        path = request.rel_url.raw_path
        if path == HEALTH and request.method in ("GET", "HEAD"):
            alive = await self._receives.alive()
            return Answer(200, {"status": "ok"}) if alive else Answer(503, {"error": "the store is away"})
        if not path.startswith(HOOKS):
            return Answer(404, {"error": f"there is {HOOKS}NAME and {HEALTH}"})
        if request.method != "POST":
            return Answer(405, {"error": "only POST"})
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return Answer(415, {"error": "the body has to be sent as it is, not compressed"})
        try:
            body = await self._body(request)
        except web.HTTPRequestEntityTooLarge:
            return Answer(413, {"error": f"the body has more than {MOST_BYTES} bytes"})
        except web.RequestPayloadError:
            return Answer(400, {"error": "the body isn't sent as its headers say"})
        remote = request.remote or "nowhere"
        answer = await self._receives.receive(path.removeprefix(HOOKS), _headers(request), body, remote=remote)
        if answer == REFUSED and self.refused.one_more(remote):
            return Answer(429, answer.told)
        return answer

    async def _body(self, request: web.BaseRequest) -> bytes:
        """All of it. What is announced as too large isn't waited for."""
        if (request.content_length or 0) > MOST_BYTES:
            raise web.HTTPRequestEntityTooLarge(MOST_BYTES)
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(_CONTINUE)
            request.writer.output_size = 0
        body = await request.read()
        connection = request.protocol
        if isinstance(connection, _Connection):
            connection.give(self.bounds.patience)
        return body


class _Connection(RequestHandler):
    """Ends when its time is over, whatever it is at."""

    def __init__(self, server: Server, manager: web.Server) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            logger=_SILENT,
            access_log=_SILENT,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            lingering_time=_LINGER,
            # The signature is that of what was sent; and a small body may unpack to a very large one.
            auto_decompress=False,
        )
        self._server = server
        self._counted = False
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody called."""
        if not self._server.admit():
            assert isinstance(transport, asyncio.Transport)
            transport.write(_BUSY)
            transport.close()
            return
        self._counted = True
        super().connection_made(transport)
        self.give(self._server.bounds.patience)

    def connection_lost(self, exc: BaseException | None) -> None:
        """And is gone."""
        if not self._counted:
            return
        self._server.left()
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)

    def give(self, seconds: float) -> None:
        """So long from now on."""
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(seconds, self._over)

    def _over(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Refusals:
    """How many there were, of which address, in this minute."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._minute, self._of = 0.0, dict[str, int]()
        self._untold, self._addresses = 0, set[str]()

    def one_more(self, address: str) -> bool:
        """Count one; whether they are too many for the address. Whoever signs well is never counted."""
        now = time.monotonic()
        if now - self._minute >= _MINUTE or len(self._of) >= _MOST_ADDRESSES:
            self._minute, self._of = now, {}
        self._of[address] = self._of.get(address, 0) + 1
        self._untold += 1
        if len(self._addresses) < _MOST_ADDRESSES:
            self._addresses.add(address)
        return self._of[address] > self._most

    def news(self) -> tuple[int, int]:
        """How many since it was asked last, and of how many addresses."""
        found = self._untold, len(self._addresses)
        self._untold, self._addresses = 0, set()
        return found


def _headers(request: web.BaseRequest) -> dict[str, str]:
    """By names in lower case; of several the first counts. What isn't UTF-8 in them is replaced."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        found.setdefault(name.lower(), value.encode("utf-8", "replace").decode())
    return found
