"""Locks on PostgreSQL: its advisory locks, on connections of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Self

import psycopg
from psycopg import errors

from reconciler.base.errors import LockLost, StoreError
from reconciler.store.address import shown
from reconciler.store.locks import Held, Locks, holder, waited
from reconciler.store.pg_connect import pooled
from reconciler.store.pg_errors import translated
from reconciler.store.pg_settings import PgSettings
from reconciler.store.pools import Plain, Pool, lock_pool, taken
from reconciler.store.postgres import LOCK_KEY

# Each key is a number of 64 bits. All are taken by one statement, in the order of these numbers, which is the same
# everywhere; the sorting is done inside, so that it comes before the taking.
_IN_ORDER = f"from (select distinct {LOCK_KEY.format('k')} as h from unnest(%s::text[]) k order by h) s"
_WAIT = f"select pg_advisory_lock(h) {_IN_ORDER}"
_TRY = f"select h, pg_try_advisory_lock(h) {_IN_ORDER}"
_FOR_TRANSACTION = f"select pg_advisory_xact_lock(h) {_IN_ORDER}"
_FENCE = (
    "insert into fence (key, n, holder, at) "
    "select k, 1, %s, extract(epoch from clock_timestamp())::float8 from unnest(%s::text[]) k order by k "
    "on conflict (key) do update set n = fence.n + 1, holder = excluded.holder, at = excluded.at returning key, n"
)
_LET_GO = "select pg_advisory_unlock_all()"


class _Session(Held):
    """Held by a connection for as long as it lives."""

    def __init__(self, fences: Mapping[str, int], connection: Plain, give_back: Callable[[Plain], None]) -> None:
        super().__init__(fences)
        self._connection, self._give_back = connection, give_back

    def _let_go(self) -> None:
        try:
            self._connection.execute(_LET_GO)
        except psycopg.Error:
            self._connection.close()  # a connection that may still hold it isn't lent again
        finally:
            self._give_back(self._connection)

    def _there(self) -> bool:
        return _answers(self._connection)


class _InTransaction(Held):
    """Held by a transaction."""

    def __init__(self, fences: Mapping[str, int], connection: Plain) -> None:
        super().__init__(fences)
        self._connection = connection

    def _let_go(self) -> None:
        try:
            self._connection.execute("commit")
        except psycopg.Error as error:
            raise LockLost(self.keys[0], "") from error

    def _there(self) -> bool:
        return _answers(self._connection)

    def forget(self) -> None:
        """It ends in another way."""
        self._released = True


def _answers(connection: Plain) -> bool:
    try:
        connection.execute("select 1")
    except psycopg.Error:
        return False
    return True


class PostgresLocks(Locks):
    """See :class:`reconciler.store.locks.Locks`."""

    def __init__(self, pool: Pool, *, lock_timeout: float) -> None:
        """``pool`` must be one whose connections nobody needs who works under a lock; ``lock_timeout`` in seconds."""
        self._pool, self._lock_timeout = pool, lock_timeout
        self._where = shown(str(pool.conninfo))
        self._direct = False

    @classmethod
    def at(cls, address: str, environ: Mapping[str, str]) -> Self:
        """With a pool of its own."""
        settings = PgSettings.read(environ)
        return cls(lock_pool(address, settings), lock_timeout=settings.lock_timeout_ms / 1000)

    def _try(self, keys: list[str]) -> Held | None:
        with self._connected() as (connection, keep), translated(self._where):
            got = connection.execute(_TRY, (keys,)).fetchall()
            if not all(yes for _, yes in got):
                if any(yes for _, yes in got):
                    connection.execute(_LET_GO)
                return None
            fences = self._fences(connection, keys)
            keep()
            return _Session(fences, connection, self._pool.putconn)

    @contextmanager
    def _section(self, keys: list[str]) -> Iterator[Held]:
        with self._connected() as (connection, _):
            # First for the session: the fence has to be seen by others while the lock is held, so it is committed
            # before the transaction begins that holds the lock from then on.
            with translated(self._where):
                try:
                    connection.execute(_WAIT, (keys,))
                except errors.LockNotAvailable:
                    raise self._in_vain(connection, keys) from None
                held = _InTransaction(self._fences(connection, keys), connection)
                connection.execute("begin")
                connection.execute(_FOR_TRANSACTION, (keys,))
                connection.execute(_LET_GO)
            try:
                yield held
                held.release()
            except BaseException:
                held.forget()
                with suppress(psycopg.Error):
                    connection.execute("rollback")
                raise

    def _fences(self, connection: Plain, keys: list[str]) -> dict[str, int]:
        try:
            return dict(connection.execute(_FENCE, (holder(), keys)).fetchall())
        except errors.LockNotAvailable:
            # Whoever held it before was cut off, and is committing its last work.
            raise self._in_vain(connection, keys) from None

    def _in_vain(self, connection: Plain, keys: list[str]) -> StoreError:
        rows = connection.execute("select holder from fence where key = any(%s) order by at desc", (keys,))
        found = rows.fetchone()
        return waited(keys, str(found[0]) if found else "", self._lock_timeout)

    @contextmanager
    def _connected(self) -> Iterator[tuple[Plain, Callable[[], None]]]:
        """A connection that goes back to the pool at the end, unless it is to be kept; never with a lock on it."""
        connection = taken(self._pool, "the lock pool")
        kept = False

        def keep() -> None:
            nonlocal kept
            kept = True

        try:
            if not self._direct:
                self._refuse_pooler(connection)
            yield connection, keep
        except BaseException:
            try:
                connection.execute(_LET_GO)
            except psycopg.Error:
                connection.close()
            raise
        finally:
            if not kept:
                self._pool.putconn(connection)

    def _refuse_pooler(self, connection: Plain) -> None:
        """Asked once: where each statement may meet another session, a lock of the session is anybody's."""
        with translated(self._where):
            pid = connection.execute("select pg_backend_pid()").fetchone()
            between = pid != (connection.info.backend_pid,)
            if between and pooled(str(self._pool.conninfo), PgSettings(), lambda sql: connection.execute(sql.encode())):
                raise StoreError(
                    f"{self._where} is a connection pooler in transaction mode, "
                    "and a lock needs a connection of its own",
                    hint="connect to the server itself, or to a pool in session mode",
                )
        self._direct = True

    def close(self) -> None:
        """See the base."""
        self._pool.close()
