"""``gitops store``: whole sessions, in words and as data. GITOPS_UPDATE_GOLDENS=1 writes the words anew."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler._version import __version__
from reconciler.store.open import open_executing
from reconciler.store.schema import KNOWN, steps
from reconciler.versioning.stored import heads

if TYPE_CHECKING:
    from tests.cli.conftest import Gitops
    from tests.conftest import Kit, Repo

GOLDEN = Path(__file__).parent.parent / "golden" / "store"
UPDATE = bool(os.environ.get("GITOPS_UPDATE_GOLDENS"))


class Session:
    """Commands one after the other, with what they said, as a person at a terminal would have seen it."""

    def __init__(self, gitops: Gitops, folder: Path) -> None:
        self._gitops, self._folder, self._told = gitops, folder, ""
        self.store = folder / ".gitops" / "store.db"

    def __call__(self, *arguments: str, code: int = 0) -> None:
        ran = self._gitops("store", *arguments)
        self._told += f"$ gitops store {' '.join(arguments)}\n{ran.out}{ran.err}"
        assert ran.code == code, ran

    def expect(self, name: str) -> None:
        """Compare all of it with a file."""
        told = self._told.replace(str(self._folder), "<folder>")
        for pattern, stands in (
            (r"\d{8}T\d{6}Z(-\d)?", "<time>"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<moment>"),
            (r"\d+\.\d (KB|s\b)", "<number> \\1"),
            (r"seen \d+ seconds", "seen <n> seconds"),
        ):
            told = re.sub(pattern, stands, told)
        for n, stands in ((KNOWN + 1, "<next>"), (KNOWN, "<known>"), (KNOWN - 1, "<previous>")):
            told = re.sub(rf"(version|to|at|knows|version-| were at) ?{n}\b", rf"\1 {stands}", told)
        expected = GOLDEN / f"{name}.txt"
        if UPDATE:
            expected.write_text(told, encoding="utf-8")
        assert told == expected.read_text(encoding="utf-8"), f"GITOPS_UPDATE_GOLDENS=1 pytest {__file__} refreshes it"


@pytest.fixture
def session(shop: Repo, gitops: Gitops, monkeypatch: pytest.MonkeyPatch) -> Session:
    assert gitops("apply").code == 0
    monkeypatch.chdir(shop.path)
    return Session(gitops, shop.path)


def outdate(path: Path, version: int) -> None:
    """Take the newest steps back, by what they made."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for sql in [sql for step in steps("sqlite")[version:] for sql in step]:
            for table in re.findall(r"^create table (\w+)", sql):
                db.execute(f"drop table {table}")
        db.execute("delete from schema_version where n > ?", (version,))


@pytest.fixture
def worker(session: Session) -> str:
    """A live one of an older release."""
    hands = open_executing(str(session.store))
    hands.register("w1", host="here", pid=1, info={"version": "0.0.9"})
    hands.close()
    return "w1"


def test_status(session: Session) -> None:
    session("status")
    session("status", "--check")
    session.expect("status")


def test_backup_and_restore(session: Session, gitops: Gitops, shop: Repo, kit: Kit) -> None:
    session("backup", "copy.db")
    session("backup", "copy.db", code=1)
    shop.put("more.yaml", kit.system("more"))
    shop.commit()
    assert gitops("apply").code == 0
    session("restore", "copy.db")
    plan = gitops("plan", "--exit-code")
    assert plan.code == 3, "git is beyond it"
    session("restore", "missing.db", code=1)
    session("restore", "more.yaml", code=1)
    session("backup", "copy.db", "--force")
    session("backup", "copy.db", "--force", "--quiet")
    session.expect("backup")
    assert len(list(session.store.parent.glob("store.db.before-restore-*"))) == 1


def test_restore_under_workers(session: Session, worker: str) -> None:
    session("backup", "copy.db")
    session("restore", "copy.db", code=1)
    session("status")
    session("restore", "copy.db", "--force")
    session.expect("restore-workers")


def test_upgrade(session: Session) -> None:
    session("upgrade")
    outdate(session.store, KNOWN - 1)
    session("status")
    session("upgrade")
    outdate(session.store, KNOWN - 1)
    session("upgrade", "--no-backup")
    session.expect("upgrade")
    [made] = session.store.parent.glob("store.db.version-*")
    assert made.stat().st_size > 0


def test_upgrade_under_workers(session: Session, gitops: Gitops, worker: str) -> None:
    outdate(session.store, KNOWN - 1)
    session("upgrade", code=1)
    refused = gitops("plan")
    assert refused.code == 1
    assert "worker w1 on here" in refused.err
    session("upgrade", "--force")
    session.expect("upgrade-workers")
    assert gitops("plan").code == 0


def test_newer_tables(session: Session, gitops: Gitops) -> None:
    session("backup", "copy.db")
    for path in (session.store, session.store.parents[1] / "copy.db"):
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("insert into schema_version values (?)", (KNOWN + 1,))
    session("status", code=1)
    session("upgrade", code=1)
    session("restore", "copy.db", code=1)
    session("backup", "newer.db")
    session.expect("newer")
    assert gitops("plan").code == 1


def test_no_store(repo: Repo, gitops: Gitops) -> None:
    repo.put("gitops.yaml", "source: shop\n")
    repo.commit()
    session = Session(gitops, repo.path)
    for command in ("status", "upgrade", "backup copy.db"):
        session(*command.split(), code=1)
    session.expect("missing")
    assert not (repo.path / ".gitops").exists()
    assert gitops("store", "status", "--store", ":memory:").code == 1
    assert gitops("store", "status", "--store", "postgresql:///x?host=/nowhere").code == 1


def test_damage_ends_with_1(session: Session) -> None:
    with closing(sqlite3.connect(session.store, isolation_level=None)) as db:
        page = db.execute("select rootpage from sqlite_master where name = 'edge_from'").fetchone()[0]
        size = db.execute("pragma page_size").fetchone()[0]
    with session.store.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x55" * size)
    session("status", "--check", code=1)
    session("backup", "copy.db", code=1)
    session.expect("damaged")


def test_as_data(session: Session, gitops: Gitops, worker: str) -> None:
    store = str(session.store)
    status = gitops("store", "status", "--check", "--format", "json").json
    assert (status["format"], status["store"], status["usable"], status["damage"]) == (1, store, True, [])
    assert status["tables"] == {"version": KNOWN, "known": KNOWN}
    assert (status["generation"], status["rows"]["slice"], status["runs"]) == (1, 4, None)
    assert [(w["id"], w["host"]) for w in status["workers"]] == [("w1", "here")]
    assert status["size"] == session.store.stat().st_size
    made = gitops("store", "backup", "copy.db", "--format", "json").json
    assert (made["backup"], made["generation"], made["tables"]) == ("copy.db", 1, KNOWN)
    assert made["size"] == Path("copy.db").stat().st_size
    done = gitops("store", "restore", "copy.db", "--force", "--format", "json").json
    assert (done["store"], done["backup"], done["generation"]) == (store, "copy.db", 1)
    assert Path(done["aside"]).exists()
    upgraded = gitops("store", "upgrade", "--format", "json").json
    assert upgraded == {"format": 1, "store": store, "before": KNOWN, "after": KNOWN, "backup": None}


def test_old_workers_hold_an_apply_up(session: Session, gitops: Gitops, shop: Repo, kit: Kit, worker: str) -> None:
    shop.put("checks.yaml", [kit.check("ready", "https://new.example.net/"), kit.check("home")])
    shop.commit()
    refused = gitops("apply")
    assert refused.code == 1
    assert "worker w1 on here (gitops 0.0.9" in refused.err
    assert "is too old to read what would be written: it doesn't know collectors/http.request" in refused.err
    assert "--allow-old-workers" in refused.err
    assert gitops("plan", "--out", str(shop.path / "saved.plan")).code == 0
    assert gitops("apply", str(shop.path / "saved.plan")).code == 1
    assert gitops("apply", "--allow-old-workers", str(shop.path / "saved.plan")).code == 0
    assert gitops("rollback", "1").code == 1
    assert gitops("rollback", "1", "--allow-old-workers").code == 0
    hands = open_executing(str(session.store))
    hands.register("w1", host="here", pid=1, info={"version": __version__, "knows": heads()})
    hands.close()
    assert gitops("apply", "--force").code == 0


def test_a_run_of_what_a_newer_release_stored(web: Repo, gitops: Gitops) -> None:
    store = web.path / ".gitops" / "store.db"
    with closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute("update slice set body = replace(body, '\"http@3\"', '\"http@9\"') where environment <> 0")
    ran = gitops("run", "home")
    assert ran.code == 1
    assert "degraded" in ran.out
    assert f"http@9 was stored by a newer release; this one, gitops {__version__}, knows strategies/http" in ran.out
    assert gitops("drift").code == 0
    tested = gitops("test", "--check", "home")
    assert (tested.code, "degraded" in tested.out) == (0, False), "the files say what this release knows"
