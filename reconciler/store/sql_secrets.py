"""The rows of encrypted secrets; what is in them only :mod:`reconciler.secrets.encrypted` knows."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.secrets.encrypted import Row
from reconciler.store.database import Database

_COLUMNS = "environment, name, key_id, nonce, ciphertext, at, actor"


class SecretRows:
    """Implements :class:`reconciler.secrets.encrypted.Rows`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.where = db.path

    def read(self, environment: str, name: str) -> Row | None:
        """See the protocol."""
        sql = f"select {_COLUMNS} from secret where environment = ? and name = ?"
        rows = self._db.rows(sql, (environment, name))
        return Row(*rows[0]) if rows else None

    def read_all(self) -> list[Row]:
        """See the protocol."""
        return [Row(*row) for row in self._db.rows(f"select {_COLUMNS} from secret order by name, environment")]

    def write(self, rows: Sequence[Row], *, only_over: Sequence[Row] = ()) -> bool:
        """See the protocol."""
        with self._db.transaction():
            for old in only_over:
                if self.read(old.environment, old.name) != old:
                    return False
            self._db.many(
                f"insert into secret ({_COLUMNS}) values (?, ?, ?, ?, ?, coalesce(?, {self._db.now}), ?) "
                "on conflict (environment, name) do update set key_id = excluded.key_id, nonce = excluded.nonce, "
                "ciphertext = excluded.ciphertext, at = excluded.at, actor = excluded.actor",
                rows,
            )
        return True

    def remove(self, environment: str, name: str) -> bool:
        """See the protocol."""
        with self._db.transaction():
            sql = "delete from secret where environment = ? and name = ?"
            return self._db.run(sql, (environment, name)).rowcount > 0
