"""A real pgbouncer before a PostgreSQL of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psycopg

from tests.servers.process import Server, found
from tests.servers.store_postgres import StorePostgres


class PgBouncer(Server):
    """Reached by its socket, by anybody as anybody; ``mode`` is ``session`` or ``transaction``."""

    unprivileged = True

    def __init__(self, behind: StorePostgres, mode: str, *, size: int = 8) -> None:
        super().__init__()
        self._behind, self._mode, self._size = behind, mode, size

    def prepare(self) -> None:
        """Its settings; the users are told to it, as it lets in only whom it knows."""
        self.own(self.folder)
        (self.folder / "users.txt").write_text('"postgres" ""\n')
        settings = {
            "listen_addr": "",
            "listen_port": self.port,
            "unix_socket_dir": self.folder,
            "auth_type": "any",
            "auth_file": self.folder / "users.txt",
            "pool_mode": self._mode,
            "default_pool_size": self._size,
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        databases = f"* = host={self._behind.folder} port={self._behind.port} user=postgres"
        (self.folder / "pgbouncer.ini").write_text("\n".join(["[databases]", databases, "[pgbouncer]", *lines]) + "\n")

    def command(self) -> Sequence[str | Path]:
        """In the foreground."""
        return [found("pgbouncer"), self.folder / "pgbouncer.ini"]

    def address(self, store: str, *, more: str = "") -> str:
        """The way to a store of the server behind it."""
        name = store.split("@/", 1)[1].split("?", 1)[0]
        return f"postgresql://postgres@/{name}?host={self.folder}&port={self.port}{more}"

    def ready(self) -> bool:
        """Whether it lets somebody through."""
        try:
            psycopg.connect(self.address("@/postgres?")).close()
        except psycopg.OperationalError:
            return False
        return True
