"""A pgbouncer in between: in session mode everything works; in transaction mode reading does, and the rest says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from reconciler.base.errors import StoreError
from reconciler.store.open import open_executing, open_store, open_to_read
from reconciler.store.postgres import PostgresDatabase
from tests.servers.pgbouncer import PgBouncer
from tests.servers.store_postgres import StorePostgres

if TYPE_CHECKING:
    from tests.conftest import Kit


@pytest.fixture(scope="module")
def bouncers(store_postgres: StorePostgres) -> Iterator[dict[str, PgBouncer]]:
    with PgBouncer(store_postgres, "session") as session, PgBouncer(store_postgres, "transaction") as transaction:
        yield {"session": session, "transaction": transaction}


def test_in_session_mode_everything_works(kit: Kit, bouncers: dict[str, PgBouncer], postgres_store: str) -> None:
    address = bouncers["session"].address(postgres_store)
    for n in range(1, 4):
        with closing(open_store(address)) as store, closing(open_executing(address)) as hands:
            kit.apply(store, kit.shop(url=f"https://{n}.example.net/"))
            hands.reconcile()
            assert store.generation() == n
            assert isinstance(store.db, PostgresDatabase)
            assert store.db.pooler
            with store.db.transaction():
                assert store.db.rows("select current_setting('lock_timeout')") == [("30s",)]
            kit.sound(store)


def test_in_transaction_mode_what_only_reads_works(
    kit: Kit, bouncers: dict[str, PgBouncer], postgres_store: str
) -> None:
    with closing(open_store(postgres_store)) as store:
        kit.apply(store, kit.shop())
    address = bouncers["transaction"].address(postgres_store)
    readers = [open_to_read(address) for _ in range(3)]
    for _ in range(8):  # more often than the driver asks before it prepares a statement
        for reader in readers:
            assert not kit.plan(reader, kit.shop(), quick=False).pending
            kit.sound(reader)
    for reader in readers:
        reader.close()


def test_in_transaction_mode_applies_and_workers_are_refused(
    kit: Kit, bouncers: dict[str, PgBouncer], postgres_store: str
) -> None:
    address = bouncers["transaction"].address(postgres_store)
    told = "is a connection pooler in transaction mode, and {} needs a connection of its own"
    for _ in range(4):
        with closing(open_store(address)) as store, pytest.raises(StoreError, match=told.format("an apply")) as caught:
            kit.apply(store, kit.shop())
        assert caught.value.hint == "connect to the server itself, or to a pool in session mode"
        with pytest.raises(StoreError, match=told.format("whoever runs or pauses checks")):
            open_executing(address)
    with closing(open_store(postgres_store)) as store:
        assert store.generation() == 0
        assert store.db.rows("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]


def test_a_pool_without_a_connection_to_spare(
    store_postgres: StorePostgres, postgres_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITOPS_DATABASE_POOL_CONNECTION_TIMEOUT_MS", "500")
    with PgBouncer(store_postgres, "session", size=1) as bouncer:
        with pytest.raises(StoreError, match="has no connection to spare") as caught:
            open_executing(bouncer.address(postgres_store))
        assert caught.value.hint
        with closing(open_to_read(bouncer.address(postgres_store))) as store:
            assert store.generation() == 0
