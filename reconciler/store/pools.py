"""Pools of connections to PostgreSQL: those that wait for locks lie apart from those that work.

Were they one, as many that wait as there are connections would keep whoever holds the lock from ever getting one to
finish with. Each host needs what its pools may grow to, and all hosts together less than ``max_connections``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from reconciler.base.errors import StoreError
from reconciler.store.address import shown
from reconciler.store.pg_errors import translated

if TYPE_CHECKING:
    from reconciler.store.pg_settings import PgSettings

Plain = Connection[tuple[Any, ...]]
Pool = ConnectionPool[Plain]

_log = logging.getLogger("psycopg.pool")
_log.addHandler(logging.NullHandler())  # what it says in vain of a server that is down, its users are told by an error

_KEEPALIVES = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
"""A host that fell off the network loses its locks after a minute, not after the two hours of the kernel."""
_LISTENING = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
"""The same seen from here."""


def lock_pool(address: str, settings: PgSettings) -> Pool:
    """For locks: none of its connections sits in a transaction or waits for a lock any longer than is set."""
    gucs = {
        "lock_timeout": f"{settings.lock_timeout_ms}ms",
        "idle_in_transaction_session_timeout": f"{settings.lock_idle_tx_timeout_ms}ms",
        "synchronous_commit": "on",  # a fence that a crash undoes would be given out twice
        **_KEEPALIVES,
    }
    return _pool(address, settings, settings.lock_pool_max, gucs)


def work_pool(address: str, settings: PgSettings) -> Pool:
    """For work beside a lock."""
    return _pool(address, settings, settings.pool_max, _KEEPALIVES)


def _pool(address: str, settings: PgSettings, size: int, gucs: dict[str, str]) -> Pool:
    def configure(connection: Plain) -> None:
        # Not as an option of the connection: poolers in between refuse those.
        told = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in gucs.items())
        connection.execute(f"select {told}".encode())

    seconds = settings.pool_connection_timeout_ms / 1000
    said = conninfo_to_dict(address)
    more = {"connect_timeout": max(2, round(seconds)), "application_name": "gitops locks", **_LISTENING}
    return ConnectionPool(
        address,
        connection_class=Plain,
        kwargs={
            "autocommit": True,
            "prepare_threshold": None,
            **{key: value for key, value in more.items() if key not in said},
        },
        min_size=0,
        max_size=size,
        open=True,
        configure=configure,
        check=ConnectionPool.check_connection,  # the server may have gone and come back meanwhile
        timeout=seconds,
        max_idle=settings.pool_idle_timeout_ms / 1000,
        # Given up soon, so that whoever asks next begins anew instead of waiting for a pause that has grown long.
        reconnect_timeout=min(seconds, 2.0),
        num_workers=2,
    )


def taken(pool: Pool, what: str) -> Plain:
    """A connection of the pool, to be given back by ``putconn``. Raises ``StoreError``."""
    try:
        return pool.getconn()
    except PoolTimeout:
        with translated(shown(str(pool.conninfo))):  # the pool keeps to itself why there is none
            psycopg.connect(str(pool.conninfo), connect_timeout=2).close()
        raise StoreError(
            f"no connection became free within {pool.timeout:g} s: {what} uses all {pool.max_size}",
            hint="raise GITOPS_DATABASE_LOCK_POOL_MAX, as far as max_connections of the server allows",
        ) from None
    except PoolClosed:
        raise StoreError(f"{what} was closed") from None
