"""Redis and what speaks its protocol, by redis-py. One command after the other over one connection."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, BusyLoadingError, InvalidResponse, RedisError, ResponseError

from reconciler.base.durations import format_duration
from reconciler.execute.port import Collected, Context, Failed, Gone
from reconciler.execute.reach import Limit, connect, named, since, words
from reconciler.execute.trust import tls_context, tls_words

MOST_TEXT = 1024 * 1024
"""Characters of a reply that are kept."""

_READING = frozenset(
    (
        *("BITCOUNT", "DBSIZE", "ECHO", "EXISTS", "GET", "GETRANGE", "HEXISTS", "HGET", "HGETALL", "HKEYS"),
        *("HLEN", "HMGET", "HVALS", "INFO", "KEYS", "LASTSAVE", "LINDEX", "LLEN", "LRANGE", "MGET", "PING"),
        *("PTTL", "ROLE", "SCARD", "SISMEMBER", "SMEMBERS", "STRLEN", "TIME", "TTL", "TYPE", "XLEN", "XRANGE"),
        *("ZCARD", "ZCOUNT", "ZRANGE", "ZSCORE"),
    )
)
"""Commands that leave everything as it is."""


class Redis:
    """The strategy redis."""

    async def open(self, config: Mapping[str, Any], context: Context) -> RedisConnection:
        """Connect to the first address that lets us, log in and choose the database."""
        host, port, limit = config["host"], config["port"], Limit(config["timeout"])
        where = named(host, port)
        began = time.perf_counter()
        async with limit.during(f"resolving the name {host}"):
            resolved = await context.guard.resolve(host, port)
        async with limit.during(f"connecting to {where}"):
            reached = await connect(resolved.addresses, host, port, limit=limit)
        phases = {"dns": round(resolved.took_ms, 3), "connect": reached.took_ms}
        try:
            wire = _Wire(reached.sock, config, phases)
        except BaseException:
            reached.sock.close()
            raise
        connection = RedisConnection(wire, where, phases, began)
        try:
            async with limit.during(f"logging in to {where}"):
                await wire.login(where)
        except BaseException:
            await connection.close()
            raise
        return connection

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """Only what reads."""
        return all(str(collector["command"]).upper() in _READING for _, collector in collectors)

    async def aclose(self) -> None:
        """Nothing is shared."""


class RedisConnection:
    """A connection that is logged in."""

    def __init__(self, wire: _Wire, where: str, phases: dict[str, float], began: float) -> None:
        self._wire = wire
        self._where = where
        self._phases = phases
        self._began = began
        self._lost: str | None = None

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """Run the command. An error of the server's is a result too, whose response is its words."""
        if self._lost is not None:
            raise Gone(f"the connection to {self._where} is gone: {self._lost}")
        began = time.perf_counter()
        response, error, timed_out = None, None, False
        try:
            async with asyncio.timeout(config["timeout"] / 1000):
                await self._wire.send_command(config["command"], *config["args"], check_health=False)
                response = await self._wire.read_response(disconnect_on_error=False)
        except TimeoutError:
            # Its reply may come yet, and must not be taken for that of the next one.
            error = f"the command took longer than {format_duration(round(config['timeout']))}"
            timed_out, self._lost = True, "the command before took too long"
        except (ResponseError, AuthenticationError, BusyLoadingError) as refusal:
            response = _words(refusal)
            error = f"the server answers with an error: {_words(refusal)}"
        except (RedisError, OSError) as failure:
            error = self._lost = f"the connection was lost: {self._wire.why(failure)}"
        text, notes = _text(response)
        took = since(began)
        result = {"response": text, "responseTimeMs": took, "success": error is None}
        phases = {**self._phases, "command": took, "total": since(self._began)}
        return Collected(result, error, phases, notes=notes, timed_out=timed_out)

    async def close(self) -> None:
        """Close the socket, without waiting for the server to agree."""
        await self._wire.abandon()


class _Wire(AbstractConnection):
    """redis-py's connection over a socket that is connected already, as its own ones are over other transports."""

    def __init__(self, sock: Any, config: Mapping[str, Any], phases: dict[str, float]) -> None:
        self._sock = sock
        self._phases = phases
        self._name = config["host"].strip("[]") if config["tls"] else None
        self._tls = tls_context(config.get("caCert")) if config["tls"] else None
        super().__init__(
            db=config["database"],
            username=config.get("username"),
            password=config.get("password"),
            # The limits are ours, and so is the name under which nobody is told of a library.
            socket_timeout=None,
            socket_connect_timeout=None,
            driver_info=None,
            protocol=2,
        )

    async def login(self, where: str) -> None:
        """All that comes before the first command. Raises :class:`Failed`."""
        began = time.perf_counter()
        try:
            await self.connect()  # type: ignore[no-untyped-call]
        except AuthenticationError as error:
            raise Failed(f"{where} refuses the user or the password: {_words(error)}") from None
        except ResponseError as error:
            raise Failed(f"{where} refuses the connection: {_words(error)}") from None
        except (RedisError, OSError) as error:
            raise Failed(f"can't talk to {where}: {self.why(error)}") from None
        self._phases["login"] = round(since(began) - self._phases.get("tls", 0.0), 3)

    async def abandon(self) -> None:
        """A TLS connection that is closed in order would wait for the other side."""
        if self._writer is not None:
            self._writer.transport.abort()
        await self.disconnect(nowait=True)
        self._sock.close()

    async def _connect(self) -> None:
        began = time.perf_counter()
        self._reader, self._writer = await asyncio.open_connection(
            sock=self._sock, ssl=self._tls, server_hostname=self._name
        )
        if self._tls is not None:
            self._phases["tls"] = since(began)

    def repr_pieces(self) -> list[tuple[str, Any]]:
        return [("db", self.db)]

    def _host_error(self) -> str:
        return "the server"

    @staticmethod
    def why(error: Exception) -> str:
        if isinstance(error, InvalidResponse):
            return "the server doesn't speak the protocol of Redis"
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLError):
                return tls_words(cause)
            if isinstance(cause, OSError) and cause.errno is not None:
                return words(cause)
            cause = cause.__cause__ or cause.__context__
        return "the server closed the connection" if "losed" in str(error) else _words(error)


def _text(reply: Any) -> tuple[str | None, tuple[str, ...]]:
    """A reply as text, or as JSON where it has parts; and what is left out."""
    text = _plain(reply)
    if text is not None and not isinstance(text, str):
        text = json.dumps(text, ensure_ascii=False, separators=(",", ":")) if isinstance(text, list) else str(text)
    if text is not None and len(text) > MOST_TEXT:
        return text[:MOST_TEXT], (f"the response is cut at {MOST_TEXT // 1024} KiB",)
    return text, ()


def _plain(reply: Any) -> Any:
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "backslashreplace")
    if isinstance(reply, list):
        return [_plain(part) for part in reply]
    return str(reply) if isinstance(reply, Exception) else reply


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
