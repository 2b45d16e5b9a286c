"""A PostgreSQL to keep stores in: one for each process that runs tests, and a new database for each that asks."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconciler.store.open import open_store
from tests.servers.postgres import programs
from tests.servers.process import Server

_TEMPLATE = "gitops_template"


def _in_memory() -> str | None:
    """A folder that isn't on a disk, where there is room in one: databases are made in a tenth of the time."""
    folder, room = "/dev/shm", 2 << 30
    return folder if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > room else None


class StorePostgres(Server):
    """Reached by its socket, by anybody as anybody. What it keeps is thrown away, so that nothing waits for the disk
    unless it is ``safe``. More ``settings`` are the server's own."""

    ending = signal.SIGQUIT
    unprivileged = True

    def __init__(self, *, safe: bool = False, **settings: str) -> None:
        super().__init__(None if safe else _in_memory())
        self._settings = {
            "listen_addresses": "",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "on" if safe else "off",
            "synchronous_commit": "on" if safe else "off",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "autovacuum_naptime": "10min",
            **settings,
        }
        self._number = itertools.count(1)

    def prepare(self) -> None:
        """A cluster."""
        self.own(self.folder)
        self.run(
            *(programs() / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust"),
            *("-E", "UTF8", "--no-sync", "--locale=C.UTF-8"),
        )

    @property
    def data(self) -> Path:
        """The folder of the cluster."""
        return self.folder / "data"

    def command(self) -> Sequence[str | Path]:
        """The postmaster in the foreground."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        return [programs() / "postgres", "-D", self.data, *options]

    def ready(self) -> bool:
        """Whether it lets somebody in."""
        try:
            self.sql("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def address(self, database: str = "postgres", *, user: str = "postgres", more: str = "") -> str:
        """As for ``--store``; ``more`` are further parameters, each with a leading ``&``."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}{more}"

    def sql(self, text: str, *values: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """One statement, as the superuser; its rows, if it has any."""
        with self.connected(database) as db:
            done = db.execute(text.encode(), values)
            return done.fetchall() if done.description else []

    @contextmanager
    def connected(self, database: str = "postgres", **how: Any) -> Iterator[psycopg.Connection[Any]]:
        """A connection of the superuser, without transactions of its own making."""
        with psycopg.connect(self.address(database), autocommit=True, **how) as db:
            yield db

    def crash(self) -> None:
        """Everything the server is ends at once, as by a power cut that spares the disk; then it recovers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)
        self._process = None
        self.start()

    @contextmanager
    def database(self, *, tables: bool = True) -> Iterator[str]:
        """The address of a new one, an empty store; without ``tables`` nobody has opened it yet."""
        name = f"store_{next(self._number)}"
        if tables and not self.sql("select 1 from pg_database where datname = %s", _TEMPLATE):
            self.sql(f"create database {_TEMPLATE} template template0")
            open_store(self.address(_TEMPLATE)).close()
        # Page by page through the log takes six times as long.
        template = _TEMPLATE if tables else "template0"
        self.sql(f"create database {name} template {template} strategy file_copy")
        try:
            yield self.address(name)
        finally:
            self.sql(f"drop database {name} with (force)")


class Standby(StorePostgres):
    """Follows another server, and can be read."""

    def __init__(self, primary: StorePostgres) -> None:
        super().__init__()
        self._primary = primary

    def prepare(self) -> None:
        """A copy of the primary as it is."""
        self.own(self.folder)
        source = f"host={self._primary.folder} port={self._primary.port} user=postgres"
        self.run(programs() / "pg_basebackup", "-D", self.data, "-d", source, "-R", "-c", "fast", "--no-sync")


@pytest.fixture(scope="session")
def store_postgres() -> Iterator[StorePostgres]:
    """A server for all that are content with databases of their own."""
    with StorePostgres() as server:
        yield server


@pytest.fixture
def postgres_store(store_postgres: StorePostgres) -> Iterator[str]:
    """The address of an empty store."""
    with store_postgres.database() as address:
        yield address
