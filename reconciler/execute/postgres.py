"""PostgreSQL, by psycopg. A statement runs alone in a transaction that is rolled back.

It is tried in a read-only transaction, which also works on standbys and costs the server nothing. What the server
refuses there because it writes gets a second one that may: a check may well try whether an insert is possible.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import AdaptersMap, Buffer, Loader
from psycopg.errors import QueryCanceled, ReadOnlySqlTransaction

from reconciler.execute.attempts import Unreached, first
from reconciler.execute.egress import Address
from reconciler.execute.port import Collected, Context
from reconciler.execute.reach import Limit, since
from reconciler.execute.rows import Rows, overlong, plain
from reconciler.execute.trust import bundle

# It warns of what we already answer for: a cancelled run whose server doesn't listen.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

_PLAIN = {"bool", "int2", "int4", "int8", "oid", "float4", "float8", "json", "jsonb"}
"""Types that have a form of their own in JSON; everything else is kept as the server prints it, since Python's types
hold less (dates before the year 1, infinite ones, numerics of any length)."""

_NOWHERE = "/dev/null/none"
"""A path at which no file can ever be: libpq must not look into the home directory for passwords and keys."""

_OPEN, _ABORTED = pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR

_GRACE = 1.0
"""Seconds beyond a statement's limit that the server has to end it itself."""

_LETTING_GO = 0.1
"""Seconds for asking a server to end a statement that nobody waits for any more. Its own limit ends it anyway."""

_REASONS = (
    ("server closed the connection unexpectedly", "the server closed the connection"),
    ("invalid response to SSL negotiation", "the server doesn't speak PostgreSQL's protocol"),
    ("expected authentication request", "the server doesn't speak PostgreSQL's protocol"),
    ("Connection refused", "the connection is refused"),
)
"""Common failures in our words."""


class _Text(Loader):
    """As the server prints it."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode()


class _Adapters:
    """How psycopg is told about types."""

    connection = None

    def __init__(self) -> None:
        self.adapters = AdaptersMap(psycopg.adapters)
        self.adapters.register_loader(0, _Text)
        for info in psycopg.adapters.types:
            if info.name not in _PLAIN:
                self.adapters.register_loader(info.oid, _Text)


class Postgres:
    """The strategy postgres."""

    def __init__(self) -> None:
        self._adapters = _Adapters()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def open(self, config: Mapping[str, Any], context: Context) -> PostgresConnection:
        """Connect and log in at the first address that answers."""
        host, port, limit = config["host"], config["port"], Limit(config["timeout"])
        began = time.perf_counter()
        async with limit.during(f"resolving the name {host}"):
            resolved = await context.guard.resolve(host, port)
        connecting = time.perf_counter()
        attempt = partial(self._connected, settings=self._settings(config))
        connection = await first(resolved.addresses, attempt, host, port, limit=limit)
        phases = {"dns": round(resolved.took_ms, 3), "connect": since(connecting)}
        return PostgresConnection(connection, phases, began)

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """Whatever a statement did is rolled back."""
        return True

    async def aclose(self) -> None:
        """Remove the files that libpq was given."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def _connected(self, address: Address, *, settings: dict[str, Any]) -> psycopg.AsyncConnection[Any]:
        try:
            return await psycopg.AsyncConnection.connect(
                hostaddr=address.ip, context=self._adapters, autocommit=True, prepare_threshold=None, **settings
            )
        except (psycopg.Error, ValueError) as error:
            raise _refusal(error, settings["password"]) from None

    def _settings(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Everything that libpq would else take from its environment or the home directory is said."""
        settings: dict[str, Any] = {
            "host": config["host"].strip("[]"),
            "port": config["port"],
            "dbname": config["database"],
            "user": config["user"],
            "password": config.get("password") or "",
            "sslmode": config["sslMode"],
            "sslcertmode": "disable",
            "gssencmode": "disable",
            "passfile": _NOWHERE,
            "sslrootcert": _NOWHERE,
            "client_encoding": "utf8",
            "application_name": "gitops",
            "target_session_attrs": "any",
            "options": "",
            # Our own limits end it; libpq's counts whole seconds.
            "connect_timeout": 0,
        }
        if config["sslMode"] in ("verify-ca", "verify-full"):
            settings["sslrootcert"] = self._file(bundle(config.get("caCert")))
        return settings

    def _file(self, content: str) -> str:
        """libpq reads certificates from files only."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="gitops-postgres-")
        path = Path(self._folder.name, hashlib.sha256(content.encode()).hexdigest()[:32])
        if not path.exists():
            path.write_text(content)
        return str(path)


class PostgresConnection:
    """A session."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], phases: dict[str, float], began: float) -> None:
        self._connection = connection
        self._phases = phases
        self._began = began

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """Run the statement. One that fails is a result too, with the server's words as its error."""
        began = time.perf_counter()
        rows, error, timed_out = Rows(config["maxRows"]), None, False
        limit = config["timeout"]
        task = asyncio.create_task(self._run(config["query"], rows, limit))
        try:
            await asyncio.wait({task}, timeout=limit / 1000 + _GRACE)
        finally:
            await _stopped(task)
        took = since(began)
        failure = None if task.cancelled() else task.exception()
        if task.cancelled() or (isinstance(failure, QueryCanceled) and took >= limit):
            error, timed_out = overlong(limit), True
        elif failure is not None:
            error = _complaint(failure)
        phases = {**self._phases, "query": took, "total": since(self._began)}
        return rows.collected(took, phases, error=error, timed_out=timed_out)

    async def close(self) -> None:
        """End the session."""
        with suppress(psycopg.Error, OSError):
            await self._connection.close()

    async def _run(self, query: str, rows: Rows, limit: float) -> None:
        try:
            await self._transact("READ ONLY", query, rows, limit)
        except ReadOnlySqlTransaction:
            await self._transact("READ WRITE", query, rows, limit)

    async def _transact(self, mode: str, query: str, rows: Rows, limit: float) -> None:
        connection = self._connection
        if connection.closed:
            raise psycopg.OperationalError("the statement before took the connection with it")
        # In one message, to save the way there and back.
        await connection.execute(f"BEGIN {mode}; SET LOCAL statement_timeout = {int(limit)}".encode())
        try:
            await self._read(query, rows)
        finally:
            # Not while a cancelled statement is still at work: its connection isn't used again.
            if connection.info.transaction_status in (_OPEN, _ABORTED):
                await connection.execute("ROLLBACK")

    async def _read(self, query: str, rows: Rows) -> None:
        async with self._connection.cursor() as cursor:
            # Row by row, so that no more is held than is wanted; by the protocol's extended form, which takes a single
            # statement only, so that none can end the transaction and go on outside of it.
            stream = cursor.stream(query.encode())
            try:
                async for row in stream:
                    if not rows.columns:
                        rows.head(column.name for column in cursor.description or ())
                    if not rows.add([plain(value) for value in row]):
                        return
            except psycopg.ProgrammingError as error:
                if error.sqlstate is not None or "didn't produce a result" not in str(error):
                    raise
            finally:
                await stream.aclose()  # type: ignore[attr-defined]  # an async generator, declared as an iterator


async def _stopped(task: asyncio.Task[None]) -> None:
    """A cancelled task first asks the server to end the statement, for which it gets a moment. Cancelled once more, it
    lets go of the connection."""
    for _ in range(2):
        if task.done():
            return
        task.cancel()
        await asyncio.wait({task}, timeout=_LETTING_GO)


def _refusal(error: Exception, password: str) -> Unreached:
    """What is wrong in one sentence."""
    # Advice comes on lines of its own, which are indented.
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    last = lines[-1].strip() if lines else "it gave no reason"
    _, _, tail = last.rpartition(" failed: ")
    ours = (words for theirs, words in _REASONS if theirs in tail)
    sentence = next(ours, tail.replace("FATAL:", "").strip().rstrip("."))
    return Unreached(sentence.replace(password, "***") if password else sentence, final="FATAL:" in tail)


def _complaint(error: BaseException) -> str:
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        detail = error.diag.message_detail
        return f"{error.diag.message_primary} (SQLSTATE {error.sqlstate})" + (f": {detail}" if detail else "")
    if isinstance(error, psycopg.OperationalError):
        return f"the connection was lost: {(str(error).strip().splitlines() or ['it gave no reason'])[0]}"
    return " ".join(str(error).split()) or type(error).__name__
