"""What the SQL of this package asks of a connection, whichever database is behind it.

One text serves all: ``?`` for values, text and numbers only, what differs in the tokens of
:data:`reconciler.store.schema.DIALECTS`. Where a statement has to differ more, ``dialect`` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from reconciler.base.errors import StoreError

MEMORY = ":memory:"


class Cursor(Protocol):
    """What a statement answered."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """One connection, for one thread."""

    dialect: str
    """``sqlite`` or ``postgresql``."""
    address: str
    """What opens it again."""
    path: str
    """Its address as it may be shown: without a password."""
    readonly: bool
    slices_by_index: str
    """What follows the table's name where its bodies mustn't be read."""

    @property
    def now(self) -> str:
        """SQL for epoch seconds by the database's clock. Asked anew for each statement."""

    def run(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> Cursor:
        """Execute one statement. Errors are the driver's: see :meth:`translated`."""

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute one statement for each row; returns how many rows of the table it changed."""

    def rows(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement. Raises ``StoreError``."""

    def clock(self) -> float:
        """Epoch seconds by the database's clock."""

    def tell_time(self, clock: Callable[[], float]) -> None:
        """Let ``clock`` say what time it is: tests step it."""

    def version(self) -> int:
        """The version of the tables; 0 where there are none."""

    def replaced(self) -> bool:
        """Whether what was opened has made way for another store, as a file by a restore."""

    def transaction(self, *, lasting: bool = True, locks: Collection[str] = ()) -> AbstractContextManager[None]:
        """All or nothing; errors inside come as ``StoreError``.

        ``locks`` name what only one transaction at a time may do, all over the database; they are taken at once, in one
        order everywhere, and let go with the transaction. Where there is one writer at a time anyway, they add nothing.
        What needn't be ``lasting`` isn't waited for until it is on the disk.
        """

    def unwatched(self) -> AbstractContextManager[None]:
        """Inside, writes aren't journalled as outside an apply. Needs a transaction, which undoes it on failure."""

    def tell(self, channel: str, text: str) -> None:
        """Wake those who listen on a channel, once the transaction is committed; nobody can where it is a file."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Reads inside see one state. Nests, also in a transaction."""

    def translated(self) -> AbstractContextManager[None]:
        """Turn the driver's errors into one sentence with a way out."""

    def damaged(self, error: Exception) -> StoreError:
        """What is read makes no sense; nothing here can mend it."""

    def close(self) -> None:
        """Close the connection."""
