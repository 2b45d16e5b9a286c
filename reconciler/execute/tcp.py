"""TCP: the connection itself, and what a server says first.

Collectors of one check share its connection and go on where the one before stopped: a greeting is read by the first,
the answer to what the second sends by the second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from reconciler.base.durations import format_duration
from reconciler.execute.port import Collected, Context, Failed
from reconciler.execute.reach import Limit, Reached, connect, named, since, words

_QUIET = 0.1
"""Seconds. A banner that came in several packets is at its end when nothing more came for this long: protocols differ
in how they end one, so that silence is the only sign they share."""


class Tcp:
    """The strategy tcp."""

    async def open(self, config: Mapping[str, Any], context: Context) -> TcpConnection:
        """Connect to the first address that lets us."""
        host, port, limit = config["host"], config["port"], Limit(config["timeout"])
        began = time.perf_counter()
        async with limit.during(f"resolving the name {host}"):
            resolved = await context.guard.resolve(host, port)
        async with limit.during(f"connecting to {named(host, port)}"):
            reached = await connect(resolved.addresses, host, port, limit=limit)
        phases = {"dns": round(resolved.took_ms, 3), "connect": reached.took_ms}
        return TcpConnection(reached, named(host, port), phases, limit=limit, began=began)

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """Listening leaves no trace; what is sent may."""
        return not any(collector.get("send") for _, collector in collectors)

    async def aclose(self) -> None:
        """Nothing is shared."""


class TcpConnection:
    """A connected socket."""

    def __init__(self, reached: Reached, where: str, phases: dict[str, float], *, limit: Limit, began: float) -> None:
        self._reached = reached
        self._where = where
        self._phases = phases
        self._limit = limit
        self._began = began

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """Send what there is to send, and read the banner. A server that keeps silent is a result, no failure."""
        began = time.perf_counter()
        own = Limit(config["timeout"])
        reading = _Reading(self._reached, config["maxBytes"])
        error = None
        try:
            async with asyncio.timeout_at(min(own.at, self._limit.at)) as timeout:
                if config.get("send"):
                    await asyncio.get_running_loop().sock_sendall(self._reached.sock, config["send"].encode())
                await reading.run()
        except OSError as failure:
            # Silence until the limit is a result; and what came before a reset is still what the server said.
            if not timeout.expired() and not reading.data:
                error = f"{self._where} gave no banner: {words(failure)}"
        if not reading.data and error is None and not self._limit.left:
            doing = f"waiting for the banner of {self._where}"
            raise Failed(f"{doing} took longer than {format_duration(round(self._limit.ms))}", timed_out=True)
        return self._collected(reading, began, error)

    def _collected(self, reading: _Reading, began: float, error: str | None) -> Collected:
        phases = dict(self._phases)
        if reading.first is not None:
            phases["firstByte"] = round((reading.first - began) * 1000, 3)
        phases["total"] = since(self._began)
        ended = reading.last if reading.last is not None else time.perf_counter()
        result = {
            "banner": readable(bytes(reading.data)),
            "hasBanner": bool(reading.data),
            "connectTimeMs": self._phases["connect"],
            "readTimeMs": round((ended - began) * 1000, 3),
            "success": True,
        }
        notes = (f"{self._where} closed the connection without saying anything",) if reading.closed_silently else ()
        return Collected(result, error, phases, notes=notes)

    async def close(self) -> None:
        """Close the socket."""
        self._reached.sock.close()


class _Reading:
    """Reads until the server pauses, ends or has said enough. ``first`` and ``last`` are when bytes came."""

    def __init__(self, reached: Reached, most: int) -> None:
        self._sock = reached.sock
        self._most = most
        self.data = bytearray()
        self.first: float | None = None
        self.last: float | None = None
        self.closed_silently = False

    async def run(self) -> None:
        """Raises ``OSError`` for a broken connection."""
        loop = asyncio.get_running_loop()
        while len(self.data) < self._most:
            try:
                async with asyncio.timeout(_QUIET if self.data else None) as timeout:
                    chunk = await loop.sock_recv(self._sock, self._most - len(self.data))
            except TimeoutError:
                if timeout.expired():
                    return
                raise
            if not chunk:
                self.closed_silently = not self.data
                return
            self.last = time.perf_counter()
            if self.first is None:
                self.first = self.last
            self.data += chunk


def readable(data: bytes) -> str:
    """Bytes as text that can be read, compared and stored: what is no UTF-8 and what can't be seen as ``\\xNN``."""
    text = data.decode("utf-8", errors="backslashreplace").rstrip("\r\n")
    return "".join(c if c.isprintable() or c in "\r\n\t" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
