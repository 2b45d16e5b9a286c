"""Stores for the time of one command. Closed with it, so that one file is left, whose copy holds everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reconciler.store.executing import Executing
    from reconciler.store.incidents import Author
    from reconciler.store.sql_writer import SqlStore


def store_to_read(address: str) -> SqlStore:
    """For planning and looking; a store that isn't there reads as empty."""
    from reconciler.store.open import open_to_read

    return _closed_in_the_end(open_to_read(address))


def store_to_write(address: str) -> SqlStore:
    """For an apply; made where it isn't there."""
    from reconciler.store.open import open_store

    return _closed_in_the_end(open_store(address))


def store_to_change(address: str) -> SqlStore:
    """For what people say beside an apply. Raises ``GitopsError`` where there is no store yet."""
    from reconciler.store.open import open_store, there

    if not there(address):
        from reconciler.flows.incidents import nothing_there

        raise nothing_there(address)
    return _closed_in_the_end(open_store(address))


def author() -> Author:
    """Who does what people do by hand."""
    from reconciler.flows.apply import Actor
    from reconciler.store.incidents import Author

    return Author(Actor.here().name)


def _closed_in_the_end(store: SqlStore) -> SqlStore:
    click.get_current_context().call_on_close(store.close)
    return store


def executing(address: str) -> Executing:
    """The hands of executors, on a connection of their own."""
    from reconciler.store.open import open_executing

    opened = open_executing(address)
    click.get_current_context().call_on_close(opened.close)
    return opened


def executing_to_read(store: SqlStore) -> Executing:
    """The hands of executors on the same connection, for looking."""
    from reconciler.store.sql_executing import SqlExecuting

    return SqlExecuting(store.db)
