"""One session with a MySQL or MariaDB server: logging in with or without TLS, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from asyncmy.connection import Connection
from asyncmy.constants import CLIENT, FIELD_TYPE
from asyncmy.errors import MySQLError

from reconciler.execute.port import Failed
from reconciler.execute.reach import words
from reconciler.execute.trust import tls_context, tls_words

BROKEN = (MySQLError, OSError, EOFError, ValueError, IndexError, KeyError, TypeError, RuntimeError, struct.error)
"""What the library raises when a server says what it shouldn't."""

_GOODBYE = 0.2
"""Seconds that the server has to agree to the end of a session."""

_REFUSED = 1000
"""Numbers from here up to 1999 and from 3000 on are the server's own errors; those of clients lie between."""


def _bits(value: bytes) -> int:
    return int.from_bytes(value, "big")


_DECODERS = {
    **dict.fromkeys(
        (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR),
        int,
    ),
    FIELD_TYPE.FLOAT: float,
    FIELD_TYPE.DOUBLE: float,
    FIELD_TYPE.BIT: _bits,
}
"""Everything else stays as the server prints it: Python's dates know no 0000-00-00, and decimals lose no digit."""


class Session(Connection):
    """A session over a connected socket. ``connect()`` logs in."""

    # There, but not in the library's stubs.
    server_capabilities: int
    _client_flag: int
    _ssl_context: ssl.SSLContext | None
    _transport: asyncio.Transport | None

    def __init__(self, sock: socket.socket, config: Mapping[str, Any]) -> None:
        self._mode = config["sslMode"]
        self._ca = config.get("caCert")
        self._name = config["host"].strip("[]")
        super().__init__(  # type: ignore[no-untyped-call]  # the stubs give its parameters no types
            sock=sock,
            # Not connected to: the name that a certificate has to be for.
            host=self._name,
            port=config["port"],
            user=config["user"],
            # As text it would have to be Latin-1.
            password=(config.get("password") or "").encode(),
            database=config["database"],
            conv=dict(_DECODERS),
            autocommit=None,
            program_name="gitops",
            # The limits are ours, and the largest that is taken never ends anything.
            connect_timeout=31_536_000,
            auth_plugin_map=dict.fromkeys(("mysql_clear_password", "dialog", "mysql_old_password"), _encrypted_only),
        )

    @property
    def mariadb(self) -> bool:
        """MariaDB, which has other words for some settings."""
        return "MariaDB" in self.get_server_info()

    async def say(self, statement: str) -> None:
        """A statement of our own, without rows."""
        await self.query(statement)  # type: ignore[no-untyped-call]  # as above

    async def complaints(self) -> list[int]:
        """The numbers of the warnings that the statement before left."""
        return [row[1] for row in await self.show_warnings() or ()]  # type: ignore[no-untyped-call]  # as above

    def close(self) -> None:
        """At once: TLS would else wait for the other side's goodbye."""
        if self._transport is not None:
            self._transport.abort()
        super().close()

    async def leave(self) -> None:
        """End the session in order where that is quick, so that the server counts no aborted client."""
        try:
            with suppress(*BROKEN, TimeoutError):
                async with asyncio.timeout(_GOODBYE):
                    await self.ensure_closed()
        finally:
            self.close()
            # The loop closes the socket with its next turn.
            await asyncio.sleep(0)

    async def _request_authentication(self) -> None:
        """Between the server's greeting and our answer: the one moment at which it is known what the server offers."""
        # A server that takes several statements at once would let one end the transaction.
        self._client_flag &= ~CLIENT.MULTI_STATEMENTS
        if self._mode != "disabled":
            if self.server_capabilities & CLIENT.SSL:
                verify = self._mode.startswith("verify")
                self._ssl_context = tls_context(self._ca, verify=verify, match=self._mode == "verify-identity")
                self._client_flag |= CLIENT.SSL
            elif self._mode != "preferred":
                raise Failed("the server offers no TLS")
        await super()._request_authentication()  # type: ignore[misc]  # there, but not in the library's stubs


def _encrypted_only(session: Any) -> None:
    """Ways to log in that send the password as it is. The library goes on by itself when there is nothing to object."""
    if not session._secure:
        raise Failed("the server wants the password in plain text over a connection that isn't encrypted")


def broken(error: BaseException) -> str:
    """What went wrong, so that it follows a colon."""
    if isinstance(error, ssl.SSLError):
        return tls_words(error)
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLError):
        return tls_words(cause)
    if isinstance(error, MySQLError) and len(error.args) > 1:
        code, message = error.args[0], " ".join(str(error.args[1]).split()).rstrip(".")
        if refused(error):
            return f"{message} (error {code})"
        return "the server closed the connection" if message.startswith("Lost connection") else message
    if isinstance(error, OSError) and error.errno is not None:
        return words(error)
    return "the server doesn't speak MySQL's protocol"


def refused(error: BaseException) -> bool:
    """Whether it is the server's own word."""
    code = error.args[0] if isinstance(error, MySQLError) and error.args else None
    return isinstance(code, int) and code >= _REFUSED and not 2000 <= code < 3000
