"""Whole batches in one statement of PostgreSQL, and what makes them safe beside those of others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol, TypeVar, runtime_checkable

from reconciler.base.errors import StoreError
from reconciler.store.database import Database

T = TypeVar("T")

_AGAIN = ("40001", "40P01")
"""What the server says where one of two that got into each other's way has to try again."""
_TRIES = 5


def unnest(types: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[str, list[list[Any]]]:
    """``unnest(...)`` of an array for each column of these rows, and the arrays."""
    sql = ", ".join(f"?::{kind}[]" for kind in types)
    columns = zip(*rows, strict=True) if rows else ((),) * len(types)
    return f"unnest({sql})", [_listed(kind, column) for kind, column in zip(types, columns, strict=True)]


def _listed(kind: str, column: Sequence[Any]) -> list[Any]:
    if kind != "float8":
        return list(column)
    # One array holds one type, and a whole number of seconds may have come as an int.
    return [None if value is None else float(value) for value in column]


def hold(db: Database, name: str, *, shared: bool = False) -> None:
    """Wait for a lock, and keep it until the transaction ends. Where there is one writer at a time, it is held already.

    Whoever holds rows of the schedule as well takes them before; so nobody waits for each other.
    """
    if db.dialect != "postgresql":
        return
    from reconciler.store.postgres import LOCK_KEY

    take = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    db.run(f"select {take}({LOCK_KEY.format('?::text')})", (name,))


@contextmanager
def alone(db: Database, name: str) -> Iterator[bool]:
    """Whether nobody else is about this, all over a PostgreSQL store; and nobody else will be, inside."""
    from reconciler.store.postgres import LOCK_KEY

    key = LOCK_KEY.format("?::text")
    taken = bool(db.rows(f"select pg_try_advisory_lock({key})", (name,))[0][0])
    try:
        yield taken
    finally:
        if taken:
            db.rows(f"select pg_advisory_unlock({key})", (name,))


def together(db: Database) -> AbstractContextManager[object]:
    """Inside, statements needn't wait for each other's answers, where these come from afar."""
    return db.pipelined() if isinstance(db, _Pipelining) else nullcontext()


@runtime_checkable
class _Pipelining(Protocol):
    def pipelined(self) -> AbstractContextManager[object]: ...


def insisting(do: Callable[[], T]) -> T:
    """Do it, and again where the server undid it in favour of somebody else."""
    for attempt in range(_TRIES):
        try:
            return do()
        except StoreError as error:
            if attempt == _TRIES - 1 or _state(error) not in _AGAIN:
                raise
        time.sleep(0.01 * 2**attempt)
    raise AssertionError("unreachable")


def _state(error: BaseException | None) -> str | None:
    while error is not None:
        state = getattr(error, "sqlstate", None)
        if state is not None:
            return str(state)
        error = error.__cause__ or error.__context__
    return None
