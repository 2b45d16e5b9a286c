"""Everything that can be wrong with a store in PostgreSQL: one sentence each, and what was applied before is intact."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest

from reconciler.base.errors import StoreError, StoreInUse, StoreTooNew
from reconciler.store.database import MEMORY
from reconciler.store.open import open_executing, open_store, open_to_read
from reconciler.store.pg_errors import explain
from reconciler.store.postgres import PostgresDatabase
from reconciler.store.schema import KNOWN, steps
from tests.servers.postgres import PASSWORD, Postgres
from tests.servers.process import free_port
from tests.servers.store_postgres import StorePostgres

if TYPE_CHECKING:
    from tests.conftest import Kit

Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def applied(kit: Kit, postgres_store: str) -> str:
    """A store with one generation that nobody has open."""
    with closing(open_store(postgres_store)) as store:
        kit.apply(store, kit.shop())
    return postgres_store


@pytest.fixture
def empty(store_postgres: StorePostgres) -> Iterator[str]:
    """A database in which there is nothing yet."""
    with store_postgres.database(tables=False) as address:
        yield address


def refused(address: str, match: str, *, opening: Callable[[str], Any] = open_store) -> StoreError:
    with pytest.raises(StoreError, match=match) as caught:
        opening(address)
    told = f"{caught.value.message} {caught.value.hint}"
    assert "\n" not in told
    assert caught.value.hint
    assert "geheim" not in told
    return caught.value


# -- servers that aren't there, and don't let in -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("postgresql://u:geheim@127.0.0.1:{free}/db", r"no server listens at postgresql://u@127\.0\.0\.1:\d+/db"),
        ("postgresql:///db?host=/nowhere&user=u&password=geheim", r"no server listens at .*host=/nowhere&user=u$"),
        ("postgresql://u:geheim@nowhere.invalid/db", "the host of .* isn't known"),
        ("postgresql://u:geheim@host/db?nonsense=1", "can't be understood"),
        ("postgresql://u:geheim@host:geheim/db", "can't be understood"),
        ("postgresql://u:geheim%zz@host/db", "can't be understood"),
    ],
)
def test_no_server(address: str, match: str) -> None:
    refused(address.format(free=free_port()), match)


def test_what_doesnt_answer_isnt_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setenv("GITOPS_DATABASE_POOL_CONNECTION_TIMEOUT_MS", "2000")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        refused(f"postgresql://u:geheim@127.0.0.1:{silent.getsockname()[1]}/db", "doesn't answer")
    assert time.monotonic() - started < 8


def test_a_server_that_goes_while_one_connects_is_lost_and_not_one_without_encryption() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as going:

        def answer() -> None:
            client, _ = going.accept()
            with client:
                client.recv(8)
                client.sendall(b"S")  # it would encrypt, and is gone before it does
                client.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        port = going.getsockname()[1]
        refused(f"postgresql://u:geheim@127.0.0.1:{port}/db?sslmode=require", "the connection to .* was lost")
        thread.join()


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ("connection failed: SSL SYSCALL error: EOF detected", "was lost"),
        ("connection failed: SSL error: unexpected eof while reading", "was lost"),
        ("consuming input failed: SSL connection has been closed unexpectedly", "was lost"),
        ("connection failed: server sent an error response during SSL exchange", "isn't ready yet"),
        ("connection failed: server does not support SSL, but SSL was required", "no way to encrypt"),
    ],
)
def test_what_the_driver_says_of_encryption(said: str, match: str) -> None:
    error = explain("db", psycopg.OperationalError(said))
    assert re.search(match, error.message)


def test_databases_and_users_that_arent_there(store_postgres: StorePostgres) -> None:
    refused(store_postgres.address("nothere"), "no such database: postgresql://postgres@/nothere")
    refused(store_postgres.address(user="stranger"), "knows no such user")


def test_a_database_in_another_encoding(store_postgres: StorePostgres) -> None:
    store_postgres.sql("create database latin encoding 'LATIN1' locale 'C' template template0")
    refused(store_postgres.address("latin"), "is in LATIN1, which can't hold every character")


def test_a_user_without_rights_and_a_path_without_a_schema(store_postgres: StorePostgres, empty: str) -> None:
    store_postgres.sql("drop role if exists weak")
    store_postgres.sql("create role weak login")
    refused(empty.replace("postgres@", "weak@"), "doesn't grant what this needs: permission denied for schema")
    refused(f"{empty}&options=-csearch_path%3Dnowhere", "has no schema to keep the tables in")


def test_no_connection_is_left() -> None:
    with StorePostgres(max_connections="4", superuser_reserved_connections="1") as server:
        server.sql("create role other login")
        held = [psycopg.connect(server.address(user="other")) for _ in range(3)]
        refused(server.address(user="other"), "has no connection left")
        for each in held:
            each.close()


def test_passwords_and_tls(empty: str) -> None:
    with Postgres() as server:
        server.sql("create role store login superuser password 'geheim'")
        right = f"postgresql://store:geheim@localhost:{server.port}/orders"
        wrong = f"postgresql://store:geheim2@localhost:{server.port}/orders"
        where = f"postgresql://store@localhost:{server.port}/orders"
        error = refused(wrong, "refused the password")
        assert where in error.message
        refused(f"{right}?sslmode=verify-full&sslrootcert=/dev/null", "certificate|can't be trusted|encrypt")
        refused(right.replace(":geheim@", "@"), "wants a password")
        full = f"{right}?sslmode=verify-full&sslrootcert={server.authority.ca_path}"
        with closing(open_store(full)) as store:
            assert store.db.rows("select ssl from pg_stat_ssl where pid = pg_backend_pid()") == [(True,)]
            assert (store.where, store.address) == (where, full)
        odd = f"postgresql://probe:{quote(PASSWORD)}@localhost:{server.port}/orders"
        server.sql("grant create on schema public to probe")
        refused(odd, "doesn't grant what this needs")  # the tables belong to somebody else


def test_without_the_driver_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "psycopg.py").write_text("raise ImportError('not here', name='psycopg')")
    code = (
        "from reconciler.store.open import open_store\n"
        "try: open_store('postgresql://u:geheim@h/db')\n"
        "except Exception as error: print(type(error).__name__, error, error.hint)"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert "pip install 'gitops-reconciler[postgres]'" in done.stdout, done
    assert done.stdout.startswith("StoreError a PostgreSQL store needs a driver that isn't installed (psycopg)")


# -- tables ------------------------------------------------------------------------------------------------------------


def test_tables_of_another_program_are_left_alone(sql: Sql, empty: str) -> None:
    sql(empty, "create table slice (of_bread text)")
    refused(empty, 'has tables of another program: relation "slice" already exists')
    assert sql(empty, "select relname from pg_class where relname in ('generation', 'schema_version')") == []


def test_an_empty_database_reads_as_empty_and_isnt_filled(kit: Kit, sql: Sql, empty: str) -> None:
    with closing(open_to_read(empty)) as store:
        assert (store.where, store.generation()) == (MEMORY, 0)
        assert kit.plan(store, kit.shop()).pending
    assert sql(empty, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]


def test_tables_of_a_newer_release_are_refused(sql: Sql, applied: str) -> None:
    sql(applied, "insert into schema_version values (?)", KNOWN + 2)
    for opening in (open_store, open_to_read, open_executing):
        with pytest.raises(StoreTooNew) as caught:
            opening(applied)
        assert (caught.value.found, caught.value.known) == (KNOWN + 2, KNOWN)


def old_tables(address: str, version: int) -> None:
    with psycopg.connect(address) as db:
        db.execute("create table schema_version (n integer not null)")
        for number, statements in enumerate(steps("postgresql")[:version], 1):
            for statement in statements:
                db.execute(statement.encode())
            db.execute("insert into schema_version values (%s)", (number,))


def test_older_tables_are_brought_forward_with_their_data(kit: Kit, sql: Sql, store_postgres: StorePostgres) -> None:
    for version in (1, 2, KNOWN - 1):
        with store_postgres.database(tables=False) as address:
            old_tables(address, version)
            sql(address, "insert into setting values ('kept', 'yes', 0)")
            with closing(open_store(address)) as store:
                assert store.setting("kept") == "yes"
                assert store.db.version() == KNOWN
                assert kit.apply(store, kit.shop()).generation == 1
                sql(address, "update slice set body = 'x'")
                assert store.outside_count() == 4


def test_older_tables_wait_for_older_workers(sql: Sql, empty: str) -> None:
    old_tables(empty, 3)
    sql(empty, "insert into worker values ('w', 'build-7', 1, 0, extract(epoch from now()), 0, '{}')")
    with pytest.raises(StoreInUse, match="while worker w on build-7"):
        open_store(empty)
    assert sql(empty, "select max(n) from schema_version") == [(3,)]
    PostgresDatabase(empty, insist=True).close()
    assert sql(empty, "select max(n) from schema_version") == [(KNOWN,)]


def test_many_that_make_the_tables_at_once(sql: Sql, empty: str) -> None:
    def work() -> str:
        with closing(open_store(empty)) as store:
            return str(store.db.version())

    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.append(work())) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert said == [str(KNOWN)] * 6
    assert sql(empty, "select n from schema_version order by n") == [(n,) for n in range(1, KNOWN + 1)]


def test_two_stores_in_two_schemas_of_one_database(kit: Kit, sql: Sql, empty: str) -> None:
    for schema in ("one", "two"):
        sql(empty, f"create schema {schema}")
    one, two = (open_store(f"{empty}&options=-csearch_path%3D{schema}") for schema in ("one", "two"))
    with one.lock(actor="ada", timeout=0.0):
        kit.apply(two, kit.shop())
    assert (one.generation(), two.generation()) == (0, 1)
    sql(empty, "update two.slice set body = 'x'")  # by somebody whose path leads elsewhere
    assert (one.outside_count(), two.outside_count()) == (0, 4)
    one.close()
    two.close()


@pytest.mark.parametrize(
    "write",
    ["update resource set extra = '{{{'", "update source set totals = 'none'", "update generation set counts = ''"],
)
def test_a_row_that_makes_no_sense_is_a_sentence(sql: Sql, applied: str, write: str) -> None:
    sql(applied, write)
    with closing(open_store(applied)) as store:
        told = []
        for read in (lambda: list(store.resources()), store.sources, store.history):
            try:
                read()
            except StoreError as error:
                told.append(error.message)
        assert len(told) == 1
        assert "is damaged" in told[0]


# -- writes from outside -----------------------------------------------------------------------------------------------


def test_what_empties_a_table_is_journalled_too(sql: Sql, applied: str) -> None:
    sql(applied, "truncate slice")
    with closing(open_store(applied)) as store:
        assert {w.op for w in store.outside()} == {"delete"}
        assert store.outside_count() == 4
        assert not store.seal_holds()


def test_a_writer_needs_no_right_on_the_journal(store_postgres: StorePostgres, sql: Sql, applied: str) -> None:
    store_postgres.sql("drop role if exists clumsy")
    store_postgres.sql("create role clumsy login")
    sql(applied, "grant select, update on slice to clumsy")
    sql(applied.replace("postgres@", "clumsy@"), "update slice set digest = 'x'")
    with closing(open_store(applied)) as store:
        assert store.outside_count() == 4
    sql(applied, "drop owned by clumsy")
