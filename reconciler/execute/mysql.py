"""MySQL and MariaDB, by asyncmy. A statement runs alone in a transaction that is rolled back.

The transaction is read-only, unless the statement is one that changes rows: before anything that changes tables or
users a server ends the transaction by itself, and what comes then can't be rolled back.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from asyncmy.constants import FIELD_TYPE
from asyncmy.cursors import SSCursor
from asyncmy.errors import MySQLError

from reconciler.execute.egress import Address
from reconciler.execute.mysql_session import BROKEN, Session, broken, refused
from reconciler.execute.port import Collected, Context, Failed
from reconciler.execute.reach import Limit, connect, named, since
from reconciler.execute.rows import Rows, overlong, plain

_STOPPED = ((1317,), (1969,), (3024,))
"""The server's errors for a statement that was ended by its limit."""

_NOT_ROLLED_BACK = 1196
_UNKNOWN_VARIABLE = 1193

_GRACE = 1.0
"""Seconds beyond a statement's limit that the server has to end it itself."""

_COMMENT = re.compile(r"\A(?:\s|\(|--[ \t][^\n]*(?:\n|\Z)|#[^\n]*(?:\n|\Z)|/\*(?!!).*?\*/)*", re.DOTALL)
_CHANGES = re.compile(r"(?:insert|update|delete|replace)\b", re.IGNORECASE)


class Mysql:
    """The strategy mysql."""

    async def open(self, config: Mapping[str, Any], context: Context) -> MysqlConnection:
        """Connect to the first address that lets us, and log in."""
        host, port, limit = config["host"], config["port"], Limit(config["timeout"])
        began = time.perf_counter()
        async with limit.during(f"resolving the name {host}"):
            resolved = await context.guard.resolve(host, port)
        connection = MysqlConnection(config, resolved.addresses, round(resolved.took_ms, 3), began)
        await connection.log_in(limit)
        return connection

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """Not where rows are changed: some tables know no rollback."""
        return not any(changes(collector["query"]) for _, collector in collectors)

    async def aclose(self) -> None:
        """Nothing is shared."""


class MysqlConnection:
    """A session. One whose statement was stopped can't be used again, and the next statement gets a new one."""

    def __init__(self, config: Mapping[str, Any], addresses: tuple[Address, ...], dns_ms: float, began: float) -> None:
        self._config = config
        self._addresses = addresses
        self._where = named(config["host"], config["port"])
        self._phases = {"dns": dns_ms}
        self._began = began
        self._session: Session | None = None

    async def log_in(self, limit: Limit) -> Session:
        """Connect to the addresses that were checked. Raises :class:`Failed`."""
        config = self._config
        async with limit.during(f"connecting to {self._where}"):
            reached = await connect(self._addresses, config["host"], config["port"], limit=limit)
        began = time.perf_counter()
        session = None
        try:
            session = Session(reached.sock, config)
            async with limit.during(f"logging in to {self._where}"):
                await session.connect()
        except BaseException as error:
            if session is not None:
                await session.leave()
            reached.sock.close()
            if isinstance(error, Failed) and not error.timed_out:
                raise Failed(f"can't log in to {self._where}: {error.sentence}") from None
            if isinstance(error, BROKEN) and not isinstance(error, asyncio.TimeoutError):
                raise Failed(f"can't log in to {self._where}: {broken(error)}") from None
            raise
        self._phases |= {"connect": reached.took_ms, "login": since(began)}
        self._session = session
        return session

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """Run the statement. One that fails is a result too, with the server's words as its error."""
        session = self._session or await self.log_in(Limit(self._config["timeout"]))
        began = time.perf_counter()
        rows, error, timed_out, notes = Rows(config["maxRows"]), None, False, []
        limit, whole = config["timeout"], False
        try:
            async with asyncio.timeout(limit / 1000 + _GRACE):
                notes = await _transact(session, config["query"], rows, limit)
            whole = rows.cut is None
        except TimeoutError:
            error, timed_out = overlong(limit), True
        except BROKEN as failure:
            timed_out = isinstance(failure, MySQLError) and failure.args[:1] in _STOPPED
            whole = refused(failure)
            error = overlong(limit) if timed_out else broken(failure)
        finally:
            if not whole:
                self._session = None
                session.close()
        took = since(began)
        phases = {**self._phases, "query": took, "total": since(self._began)}
        found = rows.collected(took, phases, error=error, timed_out=timed_out)
        return found._replace(notes=(*found.notes, *notes))

    async def close(self) -> None:
        """End the session."""
        if self._session is not None:
            await self._session.leave()
            self._session = None


def changes(query: str) -> bool:
    """Whether the statement is one that changes rows, by its first word."""
    start = _COMMENT.match(query)
    return _CHANGES.match(query, start.end() if start else 0) is not None


async def _transact(session: Session, query: str, rows: Rows, limit: float) -> list[str]:
    """Run it and roll back. Returns what has to be said beside the rows."""
    writes = changes(query)
    mode = "READ WRITE" if writes else "READ ONLY"
    await session.say(f"SET SESSION TRANSACTION {mode}")
    await _limit(session, limit, rows.most)
    await session.say(f"START TRANSACTION {mode}")
    try:
        await _read(session, query, rows)
    except MySQLError as error:
        if refused(error):
            await session.rollback()
        raise
    if rows.cut is not None:
        # What is left of them is not waited for; the session ends, and the transaction with it.
        return []
    await session.rollback()
    if not writes:
        return []
    kept = _NOT_ROLLED_BACK in await session.complaints()
    return ["a table without transactions was changed for good"] if kept else []


async def _limit(session: Session, limit: float, most: int) -> None:
    """Let the server end it too, and give no more rows than are wanted."""
    timeout = f"max_statement_time = {limit / 1000}" if session.mariadb else f"max_execution_time = {int(limit)}"
    try:
        await session.say(f"SET SESSION sql_select_limit = {most + 1}, SESSION {timeout}")
    except MySQLError as error:
        # Servers before 5.7 have none; our own limit holds.
        if error.args[:1] != (_UNKNOWN_VARIABLE,):
            raise


async def _read(session: Session, query: str, rows: Rows) -> None:
    cursor = session.cursor(SSCursor)
    await cursor.execute(query)
    if cursor.description is not None:
        rows.head(str(column[0]) for column in cursor.description)
        types = [column[1] for column in cursor.description]
        while (row := await cursor.fetchone()) is not None:
            if not rows.add([_value(value, kind) for value, kind in zip(row, types, strict=True)]):
                session.close()
                return
    await cursor.close()


def _value(value: Any, kind: int) -> Any:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if kind == FIELD_TYPE.JSON and isinstance(value, str):
        with suppress(ValueError):
            return plain(json.loads(value))
    return plain(value)
