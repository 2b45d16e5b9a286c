"""A store copied whole between SQLite and PostgreSQL, compared by digests; killed copies are no stores."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.base.errors import GitopsError, StoreError, StoreInUse, StoreTooNew
from reconciler.store.copied_tables import LEFT, tables
from reconciler.store.copying import Copied, copy_store
from reconciler.store.database import Database
from reconciler.store.locks import open_locks
from reconciler.store.open import open_database, open_executing, open_store, open_to_read
from reconciler.store.pg_look import Look
from reconciler.store.schema import KNOWN

if TYPE_CHECKING:
    from tests.conftest import Kit
    from tests.servers.store_postgres import StorePostgres

WAYS = [("sqlite", "postgresql"), ("postgresql", "sqlite"), ("sqlite", "sqlite"), ("postgresql", "postgresql")]

Where = Callable[[str], str]


@pytest.fixture
def where(store_postgres: StorePostgres, tmp_path: Path, request: pytest.FixtureRequest) -> Where:
    """Addresses where nothing is yet."""
    number = iter(range(100))

    def new(dialect: str) -> str:
        if dialect == "sqlite":
            return str(tmp_path / f"{next(number)}.db")
        made = store_postgres.database(tables=False)
        address = made.__enter__()
        request.addfinalizer(lambda: made.__exit__(None, None, None))
        return address

    return new


def sentence(caught: pytest.ExceptionInfo[GitopsError]) -> str:
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value.message


def fill(db: Database) -> None:
    """Two rows in every table, with what is easily lost."""
    with db.transaction(), db.unwatched():
        for table in tables():
            db.run(f"delete from {table.name}")
            insert = f"insert into {table.name} ({table.listed}) "
            always = "overriding system value " if db.dialect == "postgresql" and table.identity else ""
            kinds = types(table.name)
            for n in (1, 2):
                row = [value(kinds[column], n, at) for at, column in enumerate(table.columns)]
                db.run(f"{insert}{always}values ({', '.join('?' * len(row))})", row)


def types(table: str) -> dict[str, str]:
    with closing(open_database(":memory:")) as db:
        return dict(db.rows("select name, lower(type) from pragma_table_info(?)", (table,)))


def value(kind: str, n: int, at: int) -> object:
    if kind == "text":
        return f"é\U0001f600\n\t\\N%s ? :x {n} {at}"
    return n * (2**53 + at) if kind in ("bigint", "integer") else 1_700_000_000 * n + at + 0.1


def contents(db: Database) -> dict[str, list[tuple[object, ...]]]:
    return {t.name: sorted(db.rows(f"select {t.listed} from {t.name}"), key=repr) for t in tables()}


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_every_table_is_taken_along(where: Where, source: str, target: str) -> None:
    old, new = where(source), where(target)
    with closing(open_database(old)) as db:
        fill(db)
        before = contents(db)
        db.run("update schedule set lease = 0")
    done = copy_store(old, new)
    assert [(t.name, t.rows) for t in done.tables] == [(t.name, 2) for t in tables()]
    with closing(open_database(new)) as db:
        after = contents(db)
        assert {t: after[t] for t in before if t != "schedule"} == {t: before[t] for t in before if t != "schedule"}
        assert len(after["schedule"]) == 2
    assert copy_store(new, where(source)).digest == done.digest


def test_both_databases_have_the_same_columns(postgres_store: str) -> None:
    sql = "select column_name from information_schema.columns where table_schema = 'public' and table_name = ?"
    with closing(open_database(postgres_store)) as db:
        for table in tables():
            there = {name for (name,) in db.rows(sql, (table.name,))}
            assert there - set(table.columns) == ({"tx"} if table.name == "run" else set()), table.name
            assert set(table.columns) <= there, table.name
        sql = (
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') "
            "and not relispartition and relname not like 'pgqueuer%'"
        )
        assert {name for (name,) in db.rows(sql)} == {*LEFT, *(t.name for t in tables())}


def test_there_and_back_again_nothing_is_to_be_done(kit: Kit, where: Where) -> None:
    first, second, third = where("sqlite"), where("postgresql"), where("sqlite")
    with closing(open_store(first)) as store:
        kit.apply(store, kit.shop())
        kit.apply(store, kit.shop(url="https://other.example.net/"))
        history = store.history(limit=10)
    with closing(open_executing(first)) as hands:
        hands.reconcile()
    there = copy_store(first, second)
    assert there.generation == 2
    with closing(open_store(second)) as store:
        assert kit.actions(kit.plan(store, kit.shop(url="https://other.example.net/"))) == {}
        assert store.history(limit=10) == history
        kit.sound(store)
    back = copy_store(second, third)
    assert back.tables == there.tables
    assert back.digest == there.digest
    with closing(open_store(third)) as store:
        assert kit.actions(kit.plan(store, kit.shop(url="https://other.example.net/"))) == {}
        kit.apply(store, kit.shop())
        kit.sound(store)


def test_numbers_go_on_where_they_were(where: Where) -> None:
    old, new = where("sqlite"), where("postgresql")
    with closing(open_database(old)) as db:
        fill(db)
        db.run("delete from event")
    copy_store(old, new)
    with closing(open_database(new)) as db:
        for table in tables():
            if table.identity is not None:
                columns = [c for c in table.columns if c != table.identity]
                kinds = types(table.name)
                row = [value(kinds[c], 3, at) for at, c in enumerate(columns)]
                names, marks = ", ".join(f'"{c}"' for c in columns), ", ".join("?" * len(row))
                sql = f"insert into {table.name} ({names}) values ({marks})"
                got = db.rows(f"{sql} returning {table.identity}", row)
                assert got == [(1 if table.name == "event" else 2**54 + 1,)], table.name


def test_what_was_being_run_is_due_again(kit: Kit, where: Where) -> None:
    old, new = where("sqlite"), where("postgresql")
    with closing(open_store(old)) as store:
        kit.apply(store, kit.shop())
    with closing(open_executing(old)) as hands:
        hands.reconcile()
        at = hands.now()
        hands.db.tell_time(lambda: at + 3600)
        assert len(hands.claim("w", 10, lease=1e6)) == 4
    copy_store(old, new)
    with closing(open_executing(new)) as hands:
        hands.db.tell_time(lambda: at + 3600)
        assert len(hands.claim("w", 10, lease=10)) == 4


def test_the_character_that_postgresql_has_no_place_for(where: Where) -> None:
    old, new = where("sqlite"), where("postgresql")
    with closing(open_database(old)) as db:
        db.run("insert into setting values ('a', ?, 0)", ("x\0y",))
    copy_store(old, new)
    with closing(open_database(new)) as db:
        assert db.rows("select value from setting") == [("x\ufffdy",)]


class Writing:
    """Writes to the store while it is copied, and once fails."""

    def __init__(self, db: Database, *, fails_at: str = "") -> None:
        self._db, self._fails_at = db, fails_at

    def stage(self, name: str, total: int) -> None:
        if name == self._fails_at:
            raise StoreError("the cable was pulled")
        if name in ("aggregate", "setting"):
            self._db.run("insert into setting values (?, 'late', 0)", (name,))

    def advance(self, steps: int = 1) -> None: ...


@pytest.mark.parametrize(("source", "target"), WAYS[:2])
def test_a_copy_is_of_one_moment(where: Where, source: str, target: str) -> None:
    old, new = where(source), where(target)
    with closing(open_database(old)) as db:
        db.run("insert into setting values ('there', 'early', 0)")
        # The first table is counted before it is told of.
        done = copy_store(old, new, progress=Writing(db))
        assert len(db.rows("select * from setting")) == 3
    assert rows(done, "setting") == 1
    with closing(open_database(new)) as db:
        assert db.rows("select key from setting") == [("there",)]


def rows(done: Copied, table: str) -> int:
    return next(t.rows for t in done.tables if t.name == table)


@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
def test_a_file_is_for_whom_the_old_one_was(where: Where, source: str) -> None:
    old, new = where(source), where("sqlite")
    open_store(old).close()
    if source == "sqlite":
        Path(old).chmod(0o640)
    copy_store(old, new)
    assert stat.S_IMODE(Path(new).stat().st_mode) == (0o640 if source == "sqlite" else 0o600)


# -- refused -----------------------------------------------------------------------------------------------------------


def test_a_file_that_is_there_is_refused(where: Where) -> None:
    old, new = where("sqlite"), where("sqlite")
    open_store(old).close()
    Path(new).touch()
    for target, told in ((new, "is there already"), (old, "is the store itself"), (f"{new}/x", "there is no folder")):
        with pytest.raises(StoreError) as caught:
            copy_store(old, target)
        assert told in sentence(caught)
    with pytest.raises(StoreError, match="in memory"):
        copy_store(old, ":memory:")


def test_a_database_that_isnt_empty_is_refused(kit: Kit, where: Where) -> None:
    old, new = where("sqlite"), where("postgresql")
    open_store(old).close()
    with closing(open_store(new)) as store:
        kit.apply(store, kit.shop())
    with pytest.raises(StoreError) as caught:
        copy_store(old, new)
    assert "isn't empty: its table blob holds something" in sentence(caught)
    open_store(new).close()


@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
def test_what_is_no_store_is_refused(where: Where, source: str) -> None:
    old, new = where(source), where("sqlite")
    with pytest.raises(StoreError) as caught:
        copy_store(old, new)
    assert ("there is no" if source == "sqlite" else "holds no store") in sentence(caught)
    assert not Path(new).exists()


@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
def test_other_tables_are_refused_and_left_as_they_are(where: Where, source: str) -> None:
    old = where(source)
    with closing(open_database(old)) as db:
        db.run("delete from schema_version where n = ?", (KNOWN,))
        with pytest.raises(StoreError) as caught:
            copy_store(old, where("sqlite"))
        assert f"at version {KNOWN - 1}, and only those of version {KNOWN} can be copied" in sentence(caught)
        assert db.version() == KNOWN - 1
        db.run("insert into schema_version values (?)", (KNOWN + 1,))
        with pytest.raises(StoreTooNew, match="newer release"):
            copy_store(old, where("sqlite"))


@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
def test_live_workers_are_told_of(where: Where, source: str) -> None:
    old = where(source)
    with closing(open_executing(old)) as hands:
        hands.register("w1", host="here", pid=1, info={"version": "1"})
    with pytest.raises(StoreInUse) as caught:
        copy_store(old, where("sqlite"))
    assert "can't be copied while worker w1 on here" in sentence(caught)
    new = where("postgresql")
    copy_store(old, new, force=True)
    with closing(open_executing(new)) as hands:
        assert hands.workers() == [], "they don't work there"
        hands.register("w1", host="here", pid=1, info={"version": "1"})
    with pytest.raises(StoreInUse, match="can't be copied to while"):
        copy_store(where_with_store(where), new)


def where_with_store(where: Where) -> str:
    made = where("sqlite")
    open_store(made).close()
    return made


def test_one_copy_at_a_time(where: Where) -> None:
    old, new = where("sqlite"), where("postgresql")
    open_store(old).close()
    open_store(new).close()
    with (
        closing(open_locks(new, {})) as locks,
        locks.section(["copy"]),
        ThreadPoolExecutor(1) as elsewhere,
        pytest.raises(StoreInUse) as caught,
    ):
        elsewhere.submit(copy_store, old, new).result()
    assert "another copy to postgresql://" in sentence(caught)
    copy_store(old, new)


# -- killed ------------------------------------------------------------------------------------------------------------

STOPPING = """
import sys, time
from reconciler.store.copying import copy_store
class Stops:
    def stage(self, name, total):
        if name == "setting":
            print("there", flush=True)
            time.sleep(60)
    def advance(self, steps=1): pass
copy_store(*sys.argv[1:], progress=Stops())
"""


@pytest.mark.parametrize(("source", "target"), WAYS[:2])
def test_a_killed_copy_is_no_store_and_is_gone_on_with(where: Where, source: str, target: str) -> None:
    old, new = where(source), where(target)
    with closing(open_database(old)) as db:
        fill(db)
    words = [sys.executable, "-c", STOPPING, old, new]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
        child.kill()
    if target == "sqlite":
        assert not Path(new).exists()
    else:
        for opening in (open_store, open_to_read, open_executing):
            with pytest.raises(StoreTooNew) as caught:
                opening(new)
            assert sentence(caught).endswith("is a copy that isn't finished")
            assert "gitops store copy again" in (caught.value.hint or "")
        with pytest.raises(StoreTooNew, match="isn't finished"):
            copy_store(new, where("sqlite"))
    with closing(open_database(old)) as db:
        db.run("update blob set sha = 'moved on'")
        db.run("delete from slice")
        before = contents(db)
    done = copy_store(old, new)
    assert rows(done, "slice") == 0
    with closing(open_database(new)) as db:
        after = contents(db)
        assert {t: after[t] for t in before if t != "schedule"} == {t: before[t] for t in before if t != "schedule"}
        assert db.version() == KNOWN


def test_a_copy_that_fails_leaves_no_store(where: Where) -> None:
    old, new, server = where("sqlite"), where("sqlite"), where("postgresql")
    with closing(open_database(old)) as db:
        for target in (new, server):
            with pytest.raises(StoreError, match="the cable was pulled"):
                copy_store(old, target, progress=Writing(db, fails_at="transition"))
            db.run("delete from setting")
    assert [p.name for p in Path(new).parent.iterdir() if p.name.startswith(Path(new).name)] == []
    with pytest.raises(StoreTooNew, match="isn't finished"):
        open_store(server)
    copy_store(old, new)
    copy_store(old, server)
    open_store(server).close()


def test_a_copy_begun_by_another_release_is_refused(where: Where) -> None:
    old, new = where("sqlite"), where("postgresql")
    with closing(open_database(old)) as db, pytest.raises(StoreError, match="pulled"):
        copy_store(old, new, progress=Writing(db, fails_at="transition"))
    with closing(Look(new)) as target:
        target.run("delete from schema_version where n = ?", (KNOWN,))
    with pytest.raises(StoreError) as caught:
        copy_store(old, new)
    assert "was begun by another release" in sentence(caught)
