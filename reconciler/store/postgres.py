"""A connection to PostgreSQL. Tables live where the connection's ``search_path`` leads first, as it comes.

Transactions are READ COMMITTED: who compares before writing takes a lock that all others take as well (``locks``).
Each commit that has to last waits for the server's log. What holds a lock and does nothing is ended by the server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from reconciler.base.errors import StoreError, StoreTooNew
from reconciler.store.address import shown
from reconciler.store.database import Database
from reconciler.store.pg_connect import connect, driver, limits, pooled
from reconciler.store.pg_errors import damaged, translated
from reconciler.store.pg_settings import PgSettings, pg_settings
from reconciler.store.schema import DIALECTS, KNOWN, steps

_PLAIN = re.compile(r"insert into (\w+(?: \([^()]+\))?) values \((?:\?, ?)*\?\)")
"""What the server takes in bulk: a third of the time for ten thousands of rows."""
_FEW = 200
_MARKS = re.compile(r"""'[^']*'|"[^"]*"|\?|%|(?<![:\w]):([a-z_]\w*)""")
LOCK_KEY = "hashtextextended('gitops:' || current_schema() || ':' || {}, 0)"
"""SQL for the key of an advisory lock by its name: those of two stores in one database are apart."""
_LOCK = (
    "select pg_advisory_xact_lock(k) from (select distinct "
    f"{LOCK_KEY.format('x')} as k from unnest(%s::text[]) as x order by k) as keys"
)
_OWNED = "select pg_has_role(relowner, 'usage') from pg_class where oid = to_regclass('schema_version')"


@lru_cache(maxsize=2048)
def translate(sql: str) -> str:
    """``?`` and ``:name`` as the driver spells them, outside of quotes."""

    def spell(found: re.Match[str]) -> str:
        text = found[0]
        if text == "?":
            return "%s"
        return f"%({found[1]})s" if found[1] else text.replace("%", "%%")

    return _MARKS.sub(spell, sql)


class PostgresDatabase:
    """Implements :class:`reconciler.store.database.Database`. Threads may share it, if they take turns."""

    dialect = "postgresql"
    slices_by_index = DIALECTS["postgresql"]["SLICES"]

    def __init__(
        self,
        address: str,
        *,
        create: bool = True,
        insist: bool = False,
        settings: PgSettings | None = None,
        application: str = "gitops",
    ) -> None:
        """``create``: make the tables where there are none; older ones are upgraded in any case, with ``insist`` even
        while workers of an older release use them."""
        self.address = address
        self.path = shown(address)
        self.settings = settings or pg_settings()
        self._clock: Callable[[], float] | None = None
        self._heard: set[str] = set()
        driver()
        with self.translated():
            self._db, self.pooler, self.readonly, careless = connect(address, self.settings, application)
            # Whatever else the server or the user of the database is set to.
            self._begin = "begin isolation level read committed"
            if self.pooler:  # a setting of the session would stay there for the next client
                self._begin += f"; {limits(self.settings, local=True)}"
            self._lasting = "; set local synchronous_commit = on" if careless else ""
            try:
                self._prepare(create=create, insist=insist)
            except BaseException:
                self._db.close()
                raise

    def _prepare(self, *, create: bool, insist: bool) -> None:
        self.tables = self.version()
        """The version of the tables; 0 where there are none."""
        if self.tables > KNOWN:
            raise StoreTooNew(self.path, self.tables, KNOWN)
        if self.tables == KNOWN or not (create or self.tables):
            return
        if self.readonly:
            raise StoreError(
                f"the tables of {self.path} are at version {self.tables}, this release needs {KNOWN}, "
                "and the server is a read-only standby",
                hint="run any gitops command once on the primary server",
            )
        if self.tables and not self.rows(_OWNED)[0][0]:
            raise StoreError(
                f"the tables of {self.path} are at version {self.tables}, this release needs {KNOWN}, "
                "and they belong to another role",
                hint="let their owner run gitops store upgrade, and what gitops store grants prints",
            )
        self._upgrade(insist=insist)
        self.tables = KNOWN

    def _upgrade(self, *, insist: bool) -> None:
        with self.transaction(locks=("migrate",)):
            # Somebody else may have upgraded while we waited for the lock.
            found = self.version()
            if found > KNOWN:
                raise StoreTooNew(self.path, found, KNOWN)
            if not insist:
                from reconciler.store.users import refuse_older

                refuse_older(self, found)
            self.run("create table if not exists schema_version (n integer not null)")
            for number, statements in enumerate(steps("postgresql")[found:], found + 1):
                for statement in statements:
                    self._db.execute(statement.encode())  # as it stands, signs of placeholders and all
                self.run("insert into schema_version values (?)", (number,))
            from reconciler.store.pg_engine import PgQueuer

            PgQueuer(self).install()

    @property
    def now(self) -> str:
        """SQL for epoch seconds by the database's clock; what a test says it is, as it was when the text was made."""
        return DIALECTS["postgresql"]["NOW"] if self._clock is None else f"{float(self._clock())!r}::float8"

    def version(self) -> int:
        """The version of the tables; 0 where there are none."""
        if self._db.execute("select to_regclass('schema_version')").fetchone()[0] is None:
            return 0
        return int(self._db.execute("select coalesce(max(n), 0) from schema_version").fetchone()[0])

    def run(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> Any:
        """Execute one statement."""
        return self._db.execute(translate(sql), values)

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute one statement for each row, without waiting for each answer; returns how many rows it changed."""
        rows = iter(rows)
        first = list(islice(rows, _FEW))
        with self._db.cursor() as cursor:
            if len(first) == _FEW and (plain := _PLAIN.fullmatch(sql)):
                with cursor.copy(f"copy {plain[1]} from stdin") as copy:
                    for row in chain(first, rows):
                        copy.write_row(row)
            else:
                cursor.executemany(translate(sql), chain(first, rows))
            return max(0, int(cursor.rowcount))

    def rows(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement. Raises ``StoreError``."""
        with self.translated():
            found: list[tuple[Any, ...]] = self._db.execute(translate(sql), values).fetchall()
            return found

    def clock(self) -> float:
        """Epoch seconds by the database's clock."""
        return float(self.rows(f"select {self.now}")[0][0]) if self._clock is None else float(self._clock())

    def tell_time(self, clock: Callable[[], float]) -> None:
        """Let ``clock`` say what time it is: tests step it."""
        self._clock = clock

    def replaced(self) -> bool:
        """A database isn't exchanged under its users: the server would end them first."""
        return False

    def translated(self) -> AbstractContextManager[None]:
        """See the protocol."""
        return translated(self.path)

    def damaged(self, error: Exception) -> StoreError:
        """See the protocol."""
        return damaged(self.path, error)

    @contextmanager
    def transaction(self, *, lasting: bool = True, locks: Collection[str] = ()) -> Iterator[None]:
        """All or nothing, see the protocol. Two of them in one another are refused."""
        waiting = self._lasting if lasting else "; set local synchronous_commit = off"
        with self._within(f"{self._begin}{waiting}"):
            if locks:
                self._db.execute(_LOCK, (list(locks),))
            yield

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Inside, writes aren't journalled as outside an apply. Needs a transaction, which undoes it on failure."""
        self._db.execute("set local gitops.applying = 'on'")
        yield
        self._db.execute("set local gitops.applying = 'off'")

    def pipelined(self) -> AbstractContextManager[object]:
        """Inside, statements are sent without waiting for what those before them answer, until that is read. Within a
        transaction, which undoes them all where one fails."""
        pipeline: AbstractContextManager[object] = self._db.pipeline()
        return pipeline

    def listen(self, channel: str) -> int:
        """Have :meth:`heard` hear of a channel; returns the file descriptor that word of it comes in through."""
        with self.translated():
            self._db.add_notify_handler(lambda told: self._heard.add(told.channel))
            self._db.execute(f'listen "{channel}"')
            return int(self._db.fileno())

    def heard(self) -> set[str]:
        """Channels of which there was word since this was asked before. It comes in with the answer to a statement."""
        found, self._heard = self._heard, set()
        return found

    def tell(self, channel: str, text: str) -> None:
        """Notify. Sparingly: transactions that do commit one after the other."""
        self._db.execute("select pg_notify(%s, %s)", (channel, text))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside see one state. Nests; inside of a transaction it is that transaction's view, which is one state
        where all that write what is read hold the same lock."""
        if not self._idle():
            yield
            return
        # Whoever plans does so between two statements, for as long as it takes.
        settings = "set local idle_in_transaction_session_timeout = 0"
        with self._within(f"begin isolation level repeatable read read only; {settings}"):
            yield

    @contextmanager
    def _within(self, begin: str) -> Iterator[None]:
        with self.translated():
            if not self._idle():
                raise StoreError(f"the store {self.path} is already in a transaction")
            try:
                self._db.execute(begin)
                yield
                if self._failed():
                    raise StoreError(f"a statement failed in {self.path} unnoticed; what was applied before is intact")
                self._db.execute("commit")
            except BaseException:
                self._undo()
                raise

    def _idle(self) -> bool:
        return self._db.closed or bool(self._status() == driver().pq.TransactionStatus.IDLE)

    def _failed(self) -> bool:
        return not self._db.closed and bool(self._status() == driver().pq.TransactionStatus.INERROR)

    def _status(self) -> Any:
        return self._db.pgconn.transaction_status

    def _undo(self) -> None:
        with suppress(driver().Error):  # a connection that is gone has undone it
            if not self._idle():
                self._db.execute("rollback")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


def refuse_pooler(db: Database, what: str) -> None:
    """Raise ``StoreError`` where each transaction may get another connection of a pooler: ``what`` needs its own."""
    if not isinstance(db, PostgresDatabase) or not db.pooler:
        return
    with db.translated():
        shared = pooled(db.address, db.settings, db.run)
    if shared:
        raise StoreError(
            f"{db.path} is a connection pooler in transaction mode, and {what} needs a connection of its own",
            hint="connect to the server itself, or to a pool in session mode",
        )
