"""Connecting to PostgreSQL, and finding out what is at the other end. The driver is loaded here, when it is needed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import closing
from threading import Event, Timer
from types import ModuleType
from typing import Any, NamedTuple

from reconciler.base.errors import StoreError
from reconciler.store.address import shown
from reconciler.store.pg_settings import PgSettings

OLDEST = 15
_KEEPALIVE = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""The last of them, in milliseconds, is for what was sent and never arrived, which keeps a connection busy for long."""
_TRIES = 5
_VANISHED = "set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 3"
"""A lock of somebody who has gone without a word is let go after a minute, as the server asks whether he is there."""
_loaded: ModuleType | None = None


def driver() -> ModuleType:
    """psycopg, with values read and written as SQLite's driver does. Raises ``StoreError`` where it isn't installed."""
    global _loaded
    if _loaded is None:
        try:
            import psycopg
        except ImportError as error:
            raise StoreError(
                f"a PostgreSQL store needs a driver that isn't installed ({error.name or error})",
                hint="pip install 'gitops-reconciler[postgres]'",
            ) from error
        _loaded = psycopg
    return _loaded


class Connected(NamedTuple):
    """A connection that commits each statement, and what was found out about it."""

    db: Any
    pooler: bool
    """Something stands in between."""
    readonly: bool
    """The server is a standby."""
    careless: bool
    """Somebody has set that commits aren't waited for until they are on the disk."""


_ABOUT = "select pg_backend_pid(), pg_is_in_recovery(), current_setting('synchronous_commit') = 'off'"


def connect(address: str, settings: PgSettings, application: str = "gitops") -> Connected:
    """Raises the driver's errors and ``StoreError``."""
    db = _connected(address, settings, application)
    try:
        _refuse_unfit(db, shown(address))
        process, standby, careless = db.execute(_ABOUT).fetchone()
        pooler = process != db.info.backend_pid  # a pooler invents its own
        if pooler:
            db.prepare_threshold = None  # the next transaction may meet another server
        else:
            db.execute(f"{limits(settings)}; {_VANISHED}")
    except BaseException:
        db.close()
        raise
    return Connected(db, pooler, standby, careless)


def _connected(address: str, settings: PgSettings, application: str) -> Any:
    psycopg = driver()
    said = psycopg.conninfo.conninfo_to_dict(address)
    seconds = max(2, -(-settings.pool_connection_timeout_ms // 1000))  # libpq knows no less than two
    more: dict[str, Any] = {**_KEEPALIVE, "connect_timeout": seconds, "application_name": application}
    more = {key: value for key, value in more.items() if key not in said}
    db = psycopg.connect(address, autocommit=True, client_encoding="utf8", context=_adapters(psycopg), **more)
    db.add_notice_handler(_unheard)
    return db


def _unheard(_: Any) -> None:
    """Notices, as of a table that exists, are for nobody."""


def limits(settings: PgSettings, *, local: bool = False) -> str:
    """Statements for how long a session, or a transaction (``local``), waits for locks, and may do nothing in one."""
    word = "set local" if local else "set"
    return (
        f"{word} lock_timeout = {settings.lock_timeout_ms}; "
        f"{word} idle_in_transaction_session_timeout = {settings.lock_idle_tx_timeout_ms}"
    )


def _refuse_unfit(db: Any, where: str) -> None:
    version = db.info.server_version // 10_000
    if version < OLDEST:
        raise StoreError(
            f"{where} is PostgreSQL {version}, and a store needs {OLDEST} or later", hint="upgrade the server"
        )
    encoding = db.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            f"the database {where} is in {encoding}, which can't hold every character",
            hint="create one with encoding 'UTF8' (template template0)",
        )


def pooled(address: str, settings: PgSettings, run: Callable[[str], Any]) -> bool:
    """Whether statements of ``run`` may end up in one server process with those of others: a pool in transaction mode.

    In session mode a server process belongs to its client. So one that a second client meets as well, or one that
    changes while the second holds its own, tells the mode. Raises the driver's errors, and ``StoreError`` where the
    pool has none to spare for the second client.
    """

    def mine() -> int:
        return int(run("select pg_backend_pid()").fetchone()[0])

    with closing(_connected(address, settings, "gitops")) as other:
        other.prepare_threshold = None
        for _ in range(_TRIES):
            before = mine()
            theirs = _begun(other, address, settings)
            after = mine()
            other.execute("rollback")
            if theirs in (before, after) or before != after:
                return True
    return False


def _begun(db: Any, address: str, settings: PgSettings) -> int:
    """Begin a transaction; the server process that it is in."""
    gave_up = Event()
    spare = Timer(settings.pool_connection_timeout_ms / 1000, _hang_up, (db, gave_up))
    spare.start()
    try:
        db.execute("begin")
        return int(db.execute("select pg_backend_pid()").fetchone()[0])
    except driver().OperationalError:
        if not gave_up.is_set():
            raise
        raise StoreError(
            f"{shown(address)} is a connection pooler that has no connection to spare",
            hint="allow it one more, or connect to the server itself",
        ) from None
    finally:
        spare.cancel()
        spare.join()


def _hang_up(db: Any, gave_up: Event) -> None:
    """A pooler doesn't let a client cancel what waits in it."""
    gave_up.set()
    with socket.socket(fileno=os.dup(db.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


_map: Any = None


def _adapters(psycopg: ModuleType) -> Any:
    """Whole numbers of one size, truth values as numbers, and sums as the numbers that they are."""
    global _map
    if _map is None:
        from psycopg.adapt import AdaptersMap, Dumper, Loader
        from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper

        class Truth(Dumper):
            oid = 20

            def dump(self, obj: Any) -> bytes:
                return b"1" if obj else b"0"

        class Number(Loader):
            def load(self, data: Any) -> int | float:
                text = bytes(data).decode()
                return int(text) if text.lstrip("-").isdigit() else float(text)

        _map = AdaptersMap(psycopg.adapters)
        for made in (Int8BinaryDumper, Int8Dumper):  # the last is taken where neither format is asked for
            _map.register_dumper(int, made)
        _map.register_dumper(bool, Truth)
        _map.register_loader("numeric", Number)
    return _Context(_map)


class _Context:
    """What a connection takes its adapters from."""

    def __init__(self, adapters: Any) -> None:
        self.adapters = adapters
        self.connection = None
