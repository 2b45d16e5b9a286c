"""Locks on PostgreSQL: their pool, holders that are cut off, and a server that goes and comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from reconciler.base.errors import LockLost, StoreError
from reconciler.store.locks import fenced, open_locks
from reconciler.store.locks_postgres import PostgresLocks
from reconciler.store.open import open_database
from reconciler.store.pg_settings import PgSettings
from reconciler.store.pools import Pool, lock_pool, work_pool
from tests.servers.pgbouncer import PgBouncer
from tests.servers.store_postgres import StorePostgres

SETTINGS = PgSettings(pool_max=4, lock_pool_max=4, pool_connection_timeout_ms=10_000)


@pytest.fixture
def pools(postgres_store: str) -> Iterator[tuple[Pool, Pool]]:
    """For work and for locks, of four connections each."""
    with work_pool(postgres_store, SETTINGS) as work, lock_pool(postgres_store, SETTINGS) as waiting:
        yield work, waiting


def section(locks: PostgresLocks, work: Pool, key: str) -> None:
    with locks.section([key]), work.connection() as db:
        db.execute("select 1")


def test_200_sections_at_once_on_two_pools_of_four(pools: tuple[Pool, Pool]) -> None:
    work, waiting = pools
    locks = PostgresLocks(waiting, lock_timeout=30)
    with ThreadPoolExecutor(200) as threads:
        list(threads.map(lambda n: section(locks, work, f"key:{n % 7}"), range(200)))
    assert waiting.get_stats()["pool_size"] <= 4
    assert work.get_stats()["pool_size"] <= 4


def test_one_pool_for_both_stands_still(postgres_store: str) -> None:
    """Why there are two: each holder waits for a connection that only another holder could give back."""
    with lock_pool(postgres_store, SETTINGS._replace(pool_connection_timeout_ms=300)) as shared:
        locks = PostgresLocks(shared, lock_timeout=30)
        all_in, all_out = threading.Barrier(4, timeout=30), threading.Barrier(4, timeout=30)

        def work(number: int) -> str:
            with locks.section([f"key:{number}"]):
                all_in.wait()
                try:
                    with shared.connection():
                        return "done"
                except Exception as error:
                    return type(error).__name__
                finally:
                    all_out.wait()  # whoever gives up first must not make room for the others

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(work, range(4))) == ["PoolTimeout"] * 4


def test_a_full_lock_pool_is_told(postgres_store: str) -> None:
    settings = SETTINGS._replace(lock_pool_max=1, pool_connection_timeout_ms=200)
    with lock_pool(postgres_store, settings) as waiting:
        locks = PostgresLocks(waiting, lock_timeout=30)
        held = locks.try_acquire(["a"])
        assert held is not None
        with ThreadPoolExecutor(1) as thread, pytest.raises(StoreError, match="the lock pool uses all 1") as caught:
            thread.submit(locks.try_acquire, ["b"]).result()
        assert "GITOPS_DATABASE_LOCK_POOL_MAX" in (caught.value.hint or "")
        held.release()


def test_a_stalled_holder_is_reaped_and_its_late_commit_changes_nothing(postgres_store: str) -> None:
    environ = {"GITOPS_DATABASE_LOCK_IDLE_TX_TIMEOUT_MS": "150"}
    inside, heir_done = threading.Event(), threading.Event()
    with (
        closing(open_locks(postgres_store, environ)) as stalling,
        closing(open_locks(postgres_store, {})) as locks,
        closing(open_database(postgres_store)) as db,
    ):
        told: list[str] = []

        def stall() -> None:
            with closing(open_database(postgres_store)) as late, stalling.section(["job"]) as held:
                inside.set()
                assert heir_done.wait(10)
                assert not held.still()
                try:
                    with late.transaction():
                        late.run("update setting set value = 'late'")
                        fenced(late, held)
                except LockLost as lost:
                    told.append(lost.message)

        with ThreadPoolExecutor(1) as thread:
            stalled = thread.submit(stall)
            assert inside.wait(10)
            with locks.section(["job"]) as heir:
                with db.transaction():
                    fenced(db, heir)
                    db.run("insert into setting values ('by', 'heir', 0)")
                heir_done.set()
            with pytest.raises(LockLost):
                stalled.result()
        assert len(told) == 1
        assert db.rows("select value from setting") == [("heir",)]


def test_the_next_waits_for_what_the_last_commits_under_its_fence(postgres_store: str) -> None:
    with (
        closing(open_locks(postgres_store, {})) as locks,
        closing(open_database(postgres_store)) as db,
        ThreadPoolExecutor(1) as thread,
    ):
        held = locks.try_acquire(["job"])
        assert held is not None
        with db.transaction():
            fenced(db, held)
            held.release()  # as if its connection had been cut between the question and the commit
            heir = thread.submit(locks.try_acquire, ["job"])
            wait_for_a_waiter(postgres_store)
            assert not heir.done()
            db.run("insert into setting values ('by', 'last', 0)")
        found = heir.result(10)
        assert found is not None
        assert db.rows("select value from setting") == [("last",)]
        found.release()


def wait_for_a_waiter(address: str) -> None:
    """Until somebody in the database waits for another."""
    with closing(open_database(address)) as db:
        sql = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() "
            "and pid <> pg_backend_pid()"
        )
        while not db.rows(sql)[0][0]:
            pass


def test_a_killed_connection_is_survived_without_a_leak(postgres_store: str) -> None:
    with lock_pool(postgres_store, SETTINGS) as waiting, closing(open_database(postgres_store)) as db:
        locks = PostgresLocks(waiting, lock_timeout=30)
        for n in range(5):
            held = locks.try_acquire(["job"])
            assert held is not None
            assert held.fences == {"job": 2 * n + 1}
            kill = (
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()"
            )
            assert db.rows(kill) == [(1,)]
            held.release()
            assert not held.still()
            with pytest.raises(LockLost), locks.section(["job"]):
                db.rows(kill)
        with locks.section(["job"]) as last:
            assert last.fences == {"job": 11}
        assert waiting.get_stats()["pool_size"] <= 4
        connection = waiting.getconn()
        assert len(connection._notice_handlers) == 0
        assert len(connection._notify_handlers) == 0
        waiting.putconn(connection)
        mine = "select count(*) from pg_locks where locktype = 'advisory'"
        assert db.rows(mine) == [(0,)]


def test_behind_a_pooler(store_postgres: StorePostgres, postgres_store: str) -> None:
    with PgBouncer(store_postgres, "session") as session, PgBouncer(store_postgres, "transaction") as transaction:
        address = session.address(postgres_store)
        with closing(open_locks(address, {})) as mine, closing(open_locks(postgres_store, {})) as theirs:
            held = mine.try_acquire(["job"])
            assert held is not None
            with ThreadPoolExecutor(1) as thread:
                assert thread.submit(theirs.try_acquire, ["job"]).result() is None
            held.release()
            with mine.section(["job"]):
                pass
        with (
            closing(open_locks(transaction.address(postgres_store), {})) as anybodys,
            pytest.raises(StoreError, match="in transaction mode, and a lock needs a connection of its own"),
        ):
            anybodys.try_acquire(["job"])


def test_a_server_that_goes_and_comes_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    environ = {"GITOPS_DATABASE_POOL_CONNECTION_TIMEOUT_MS": "500"}
    with StorePostgres() as server, server.database() as address, closing(open_locks(address, environ)) as locks:
        held = locks.try_acquire(["job"])
        assert held is not None
        server.stop()
        held.release()
        with pytest.raises(StoreError, match="no server listens at postgresql://"):
            locks.try_acquire(["job"])
        server.start()
        with locks.section(["job"]) as again:
            assert again.fences == {"job": 2}
        server.crash()
        later = locks.try_acquire(["job"])
        assert later is not None
        later.release()
