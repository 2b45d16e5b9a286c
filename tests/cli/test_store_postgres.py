"""``gitops store`` with a database: looked at, upgraded, copied; and what a file alone can do refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.base.errors import UNFINISHED
from reconciler.store.open import open_database, open_executing
from reconciler.store.pg_examine import examine_server
from reconciler.store.pg_look import Look
from reconciler.store.schema import KNOWN, steps

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Repo
    from tests.servers.store_postgres import StorePostgres


@pytest.fixture
def applied(shop: Repo, gitops: Gitops, postgres_store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a store with one generation, which all commands use."""
    monkeypatch.setenv("GITOPS_STORE", postgres_store)
    assert gitops("apply").code == 0
    return postgres_store


@pytest.fixture
def nothing(store_postgres: StorePostgres) -> Iterator[str]:
    """The address of a database without tables."""
    with store_postgres.database(tables=False) as address:
        yield address


def register(address: str, **info: object) -> None:
    with closing(open_executing(address)) as hands:
        hands.register("w1", host="here", pid=1, info={"version": "0.0.9", **info})


def old(address: str, version: int) -> None:
    """What a release with these tables would have left."""
    with closing(Look(address)) as db:
        db.run("create table schema_version (n integer not null)")
        for number, statements in enumerate(steps("postgresql")[:version], 1):
            for statement in statements:
                db._db.execute(statement.encode())
            db.run("insert into schema_version values (?)", (number,))
        db.run("insert into setting values ('kept', 'yes', 0)")


def test_status(gitops: Gitops, applied: str) -> None:
    register(applied)
    with closing(open_executing(applied)) as hands:
        hands.reconcile()
        hands.prune()
    told = gitops("store", "status").out
    for line in ("Tables", "Generation    1", "Server        PostgreSQL 1", "worker w1 on here", "to this database, "):
        assert line in told
    assert "slice                4\n" in told
    found = gitops("store", "status", "--check", "--format", "json").json
    assert (found["generation"], found["rows"]["slice"], found["usable"], found["damage"]) == (1, 4, True, [])
    assert found["size"] > 100_000
    assert found["server"]["connections"]["database"] >= 1
    assert found["server"]["estimated"] == []


def test_status_guesses_what_takes_long_to_count(applied: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.store.pg_examine._LONG", 4)
    with closing(open_database(applied)) as db:
        db.run("analyze slice")
    facts = examine_server(applied)
    assert facts.server is not None
    assert facts.server.estimated == ("slice",)
    assert facts.counts["slice"] == 4
    exact = examine_server(applied, check=True)
    assert exact.server is not None
    assert exact.server.estimated == ()


def test_status_of_what_this_release_cant_use(gitops: Gitops, applied: str, nothing: str) -> None:
    refused = gitops("store", "status", "--store", nothing)
    assert refused.code == 1
    assert "holds no store" in refused.err
    with closing(open_database(applied)) as db:
        db.run("insert into schema_version values (?)", (KNOWN + 1,))
        newer = gitops("store", "status")
        assert newer.code == 1
        assert f"version {KNOWN + 1}, of a newer release" in newer.out
        assert "was written by a newer release" in gitops("store", "upgrade").err
        db.run("insert into schema_version values (?)", (UNFINISHED,))
    half = gitops("store", "status")
    assert half.code == 1
    assert "of a copy that isn't finished" in half.out
    assert "is a copy that isn't finished" in gitops("plan").err


def test_upgrade(gitops: Gitops, repo: Repo, nothing: str) -> None:
    repo.put("gitops.yaml", "source: shop\n")
    repo.commit()
    use = ("--store", nothing)
    assert "holds no store" in gitops("store", "upgrade", *use).err
    old(nothing, KNOWN - 1)
    assert f"version {KNOWN - 1}; gitops store upgrade brings" in gitops("store", "status", *use).out
    register_by_hand(nothing)
    refused = gitops("store", "upgrade", *use)
    assert refused.code == 1
    assert "can't be upgraded" in refused.err
    assert "while worker w1 on here" in refused.err
    assert gitops("plan", *use).code == 1, "nor by whoever opens it"
    with closing(Look(nothing)) as db:
        assert db.version() == KNOWN - 1
        with db.transaction(locks=("migrate",)):
            waits = gitops("store", "upgrade", "--force", "--lock-timeout", "100ms", *use)
            assert waits.code == 1
            assert "is locked by somebody else" in waits.err
    done = gitops("store", "upgrade", "--force", *use)
    assert done.code == 0
    assert f"are at version {KNOWN} now; they were at {KNOWN - 1}." in done.out
    assert "already" in gitops("store", "upgrade", *use).out
    with closing(open_database(nothing)) as db:
        assert db.rows("select value from setting where key = 'kept'") == [("yes",)]


def register_by_hand(address: str) -> None:
    with closing(Look(address)) as db:
        db.run("insert into worker values ('w1', 'here', 1, ?, ?, 0, '{}')", (db.clock(), db.clock()))


def test_backups_are_the_databases_own(gitops: Gitops, applied: str, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    for words in (("backup", str(tmp_path / "copy.db")), ("restore", str(tmp_path / "there"))):
        refused = gitops("store", *words)
        assert refused.code == 1
        assert "isn't a file" in refused.err
        assert "pg_dump --format=custom" in refused.err
        assert "pg_restore" in refused.err
    assert not (tmp_path / "copy.db").exists()


def test_copy(gitops: Gitops, applied: str, tmp_path: Path, nothing: str) -> None:
    file = str(tmp_path / "copy.db")
    there = gitops("store", "copy", applied, file, directory=False)
    assert there.code == 0, there
    assert f" to {file}: generation 1, " in there.out
    assert "slice" in there.out
    again = gitops("store", "copy", applied, file, directory=False)
    assert again.code == 1
    assert "is there already" in again.err
    back = gitops("store", "copy", file, nothing, "--format", "json", directory=False).json
    assert back["digest"] in there.out
    assert back["tables"]["slice"]["rows"] == 4
    assert gitops("plan", "--exit-code", "--store", nothing).code == 0
    assert gitops("plan", "--exit-code", "--store", file).code == 0
    assert gitops("store", "copy", file, "mysql://x", directory=False).code == 2


def test_passwords_arent_shown(gitops: Gitops, applied: str, tmp_path: Path) -> None:
    secret = applied.replace("postgres@", "postgres:hunter2@")
    said = [
        gitops("store", "copy", secret, str(tmp_path / "a.db"), directory=False),
        gitops("store", "copy", str(tmp_path / "a.db"), secret, directory=False),
        gitops("store", "status", "--store", secret),
        gitops("store", "upgrade", "--store", secret, "--format", "json"),
        gitops("store", "backup", "--store", secret, str(tmp_path / "b.db")),
    ]
    assert [ran.code for ran in said] == [0, 1, 0, 0, 1]
    assert not any("hunter2" in ran.out + ran.err for ran in said)
