"""A database on PostgreSQL as it is: looked at without touching its tables, whatever their version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from reconciler.store.postgres import PostgresDatabase


class Look(PostgresDatabase):
    """Makes and upgrades nothing, and refuses no version."""

    def _prepare(self, *, create: bool, insist: bool) -> None:
        self.tables = self.version()


@contextmanager
def looked_at(address: str) -> Iterator[Look]:
    """A connection to whatever is there. Raises ``StoreError``, for whatever goes wrong inside too."""
    with closing(Look(address)) as look, look.translated():
        yield look
