"""Applies on PostgreSQL that are cut off, reaped and waited for: the work is whole or gone, and who waits is told."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from reconciler.base.errors import GitopsError, LockHeld, StoreError
from reconciler.flows.apply import Actor, apply_planned
from reconciler.model.plan import Plan
from reconciler.model.resource import Key
from reconciler.store.open import open_store, open_to_read
from reconciler.store.pg_settings import PgSettings
from reconciler.store.postgres import PostgresDatabase
from reconciler.store.shared import SharedStore
from reconciler.store.sql_writer import SqlStore
from tests.servers.child import in_a_child
from tests.servers.store_postgres import Standby, StorePostgres

if TYPE_CHECKING:
    from tests.conftest import Kit

ADA = Actor("ada", "build-7")
Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def applied(kit: Kit, postgres_store: str) -> str:
    """A store with one generation that nobody has open."""
    with closing(open_store(postgres_store)) as store:
        kit.apply(store, kit.shop())
    return postgres_store


def intact(kit: Kit, address: str, generation: int = 1) -> None:
    with closing(open_store(address)) as store:
        assert store.generation() == generation
        assert len(kit.slices(store)) == 4
        kit.sound(store)
        assert kit.apply(store, kit.shop(url=f"https://x{time.monotonic_ns()}.net/")).generation == generation + 1


# -- amid an apply -----------------------------------------------------------------------------------------------------


def amid(store: SqlStore, what: Callable[[], None]) -> None:
    """Do something between two statements of the next commit."""
    known = store._write_slices

    def write(*arguments: Any) -> int:
        sealed = known(*arguments)
        what()
        return sealed

    store._write_slices = write  # type: ignore[assignment, method-assign]


def fails(kit: Kit, store: SqlStore, match: str) -> None:
    with pytest.raises(StoreError, match=match) as caught:
        kit.apply(store, kit.shop(url="https://new.example.net/"))
    assert "what was applied before is intact" in caught.value.message
    assert caught.value.hint
    store.close()


def others_end(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as db:
        db.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )


def test_an_apply_whose_connection_is_ended_has_done_nothing(kit: Kit, applied: str) -> None:
    store = open_store(applied)
    amid(store, lambda: others_end(applied))
    fails(kit, store, "ended the connection")
    intact(kit, applied)


def test_an_apply_that_stands_still_is_reaped_and_its_heir_isnt_disturbed(kit: Kit, applied: str) -> None:
    store = SqlStore(PostgresDatabase(applied, settings=PgSettings(lock_idle_tx_timeout_ms=200)))

    def stand_still() -> None:
        assert store.db.rows("select count(*) from pg_locks where locktype = 'advisory'")[0][0] == 2
        with closing(open_store(applied)) as heir:
            deadline = time.monotonic() + 10
            with psycopg.connect(applied, autocommit=True) as db:
                while db.execute("select 1 from pg_locks where locktype = 'advisory' and granted").fetchone():
                    assert time.monotonic() < deadline
            kit.apply(heir, kit.shop(url="https://heir.example.net/"))

    amid(store, stand_still)
    fails(kit, store, "stood still for too long|was lost")
    with closing(open_store(applied)) as store:
        assert kit.urls(store)["shop/ready/staging"] == "https://heir.example.net/"
    intact(kit, applied, 2)


def test_an_apply_that_loses_its_lock_while_it_plans_writes_nothing(kit: Kit, applied: str) -> None:
    """As while a person thinks about it: the connection goes, somebody else applies, then comes the answer."""
    with closing(open_store(applied)) as store:

        def think(_: Plan) -> bool:
            others_end(applied)
            intact(kit, applied)
            return True

        late = kit.shop(url="https://late.example.net/")
        with pytest.raises(StoreError, match=r"ended the connection|was lost"):
            apply_planned(store, lambda: kit.plan(store, late), actor=ADA, lock_timeout=0.0, confirm=think)
    intact(kit, applied, 2)


def test_a_full_disk_leaves_the_old_generation(kit: Kit, sql: Sql, applied: str) -> None:
    sql(
        applied,
        "create function full_disk() returns trigger language plpgsql as $$ begin "
        "raise exception 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$",
    )
    sql(applied, "create trigger full_disk before insert on generation execute function full_disk()")
    fails(kit, open_store(applied), "the disk of .* is full")
    sql(applied, "drop trigger full_disk on generation")
    intact(kit, applied)


def test_a_standby_can_be_read(kit: Kit, store_postgres: StorePostgres, applied: str) -> None:
    with Standby(store_postgres) as standby:
        address = standby.address(applied.split("@/")[1].split("?")[0])
        with closing(open_to_read(address)) as reader:
            assert not kit.plan(reader, kit.shop()).pending
            kit.sound(reader)
        fails(kit, open_store(address), "is read-only, as a standby server is")
    intact(kit, applied)


def test_a_failed_statement_that_nobody_noticed_isnt_committed(applied: str) -> None:
    with closing(open_store(applied)) as store:
        with pytest.raises(StoreError, match="unnoticed"), store.db.transaction(), suppress(psycopg.Error):
            store.db.run("select 1/0")
        with pytest.raises(StoreError, match="already in a"), store.db.transaction(), store.db.transaction():
            pass
        assert store.generation() == 1


# -- the lock of an apply ----------------------------------------------------------------------------------------------


def test_who_waits_is_told_whom_for(applied: str) -> None:
    told: list[str] = []
    with closing(open_store(applied)) as first, closing(open_store(applied)) as other:
        with first.lock(actor="ada", timeout=0.0):
            for _ in range(2):
                with pytest.raises(LockHeld), other.lock(actor="bob", timeout=0.1, waiting=told.append):
                    pass
        with other.lock(actor="bob", timeout=0.0, waiting=told.append):
            pass
        assert len(told) == 2
        host = os.uname().nodename
        assert told[0].startswith(f"ada on {host} (process {os.getpid()}, since 20")
        assert first.db.rows("select current_setting('application_name')") == [("gitops",)]


def test_names_too_long_for_the_server(applied: str) -> None:
    with closing(open_store(applied)) as first, closing(open_store(applied)) as other:
        with (
            first.lock(actor="é" * 100, timeout=0.0),
            pytest.raises(LockHeld) as caught,
            other.lock(actor="bob", timeout=0.0),
        ):
            pass
        assert f"(process {os.getpid()}, since 20" in caught.value.holder


def test_a_killed_holder_leaves_no_lock(applied: str) -> None:
    def work() -> str:
        with open_store(applied).lock(actor="dead", timeout=0.0):
            os._exit(9)

    in_a_child(work)
    with closing(open_store(applied)) as store, store.lock(actor="ada", timeout=5.0):
        pass


def test_one_notification_for_each_apply(kit: Kit, applied: str) -> None:
    with closing(open_store(applied)) as store, psycopg.connect(applied, autocommit=True) as ear:
        ear.execute("listen gitops_generation")
        kit.apply(store, kit.shop(url="https://two.example.net/"))
        kit.apply(store, kit.shop(url="https://two.example.net/"))
        kit.apply(store, kit.shop(url="https://three.example.net/"))
        found = [n.payload for n in ear.notifies(timeout=5, stop_after=2)]
        assert found == ["2", "3"]
        assert [n.payload for n in ear.notifies(timeout=0.05)] == []


# -- the server goes and comes back ------------------------------------------------------------------------------------


def test_a_server_that_ends_and_comes_back(kit: Kit) -> None:
    with StorePostgres() as server, server.database() as address:
        store = open_store(address)
        kit.apply(store, kit.shop())
        server.stop()
        for attempt in (store.generation, lambda: store.set_setting("a", "b"), lambda: open_store(address)):
            with pytest.raises(StoreError, match=r"was lost|ended the connection|no server listens") as caught:
                attempt()
            assert caught.value.hint
        store.close()
        server.start()
        store = open_store(address)
        amid(store, server.crash)
        fails(kit, store, "was lost|crashed|ended the connection")
        intact(kit, address)


def test_errors_at_work_are_expected_ones(kit: Kit, applied: str) -> None:
    with closing(open_store(applied)) as store:
        key = Key("System", "a\0b")
        with pytest.raises(GitopsError):
            list(store.resources(keys=[key]))
        assert store.generation() == 1


def test_what_the_server_is_set_to_changes_neither_order_nor_durability(kit: Kit, sql: Sql, applied: str) -> None:
    name = applied.split("@/")[1].split("?")[0]
    sql(applied, f"alter database {name} set default_transaction_isolation = 'serializable'")
    for how, lasting, hasty in (("off", "on", "off"), ("local", "local", "off")):
        sql(applied, f"alter database {name} set synchronous_commit = {how}")
        with closing(open_store(applied)) as store:
            asked = "select current_setting('transaction_isolation'), current_setting('synchronous_commit')"
            with store.db.transaction():
                assert store.db.rows(asked) == [("read committed", lasting)]
            with store.db.transaction(lasting=False):
                assert store.db.rows(asked) == [("read committed", hasty)]


def test_what_threads_share_is_opened_anew_after_the_server_was_away(applied: str) -> None:
    with closing(open_store(applied)) as store:
        store.set_setting("a", "b")
    shared = SharedStore(applied)
    assert shared.setting("a") == "b"
    others_end(applied)
    assert shared.setting("a") == "b"
    others_end(applied)
    assert shared.read("", "A") is None
    shared.close()
    with pytest.raises(StoreError, match="was closed"):
        shared.setting("a")
