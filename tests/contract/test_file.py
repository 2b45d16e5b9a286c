"""The file of a store: looked at, copied while others write, put back, upgraded; and refused in one sentence each."""

from __future__ import annotations

import os
import re
import resource
import shutil
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.canonical import dumps
from reconciler.base.errors import GitopsError, LockHeld, StoreError, StoreInUse, StoreTooNew
from reconciler.store.backup import automatic_name, back_up
from reconciler.store.examine import examine
from reconciler.store.file import opened
from reconciler.store.lock import file_lock
from reconciler.store.open import open_executing, open_store, open_to_read
from reconciler.store.restore import restore
from reconciler.store.schema import DIALECTS, KNOWN, steps
from reconciler.store.shared import SharedStore
from reconciler.store.sqlite import SqliteDatabase
from reconciler.store.upgrade import upgrade
from tests.servers.child import in_a_child

if TYPE_CHECKING:
    from tests.conftest import Kit

OLD = range(1, KNOWN)
WITH_WORKERS = [v for v in OLD if any("create table worker" in s for step in steps("sqlite")[:v] for s in step)]
"""Old versions of the tables that know workers already."""


@contextmanager
def plain(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


def old_store(path: Path, version: int) -> None:
    """What the release with these tables would have left: made by its steps, with something in each of its tables."""
    with plain(path) as db:
        db.execute("pragma journal_mode=wal")
        db.execute("create table schema_version (n integer not null)")
        for number, statements in enumerate(steps("sqlite")[:version], 1):
            for statement in statements:
                db.execute(statement)
            db.execute("insert into schema_version values (?)", (number,))
        db.execute("insert into setting values ('kept', 'yes', 0)")
        db.execute("insert into source values ('shop', 'c', 't', 'i', '', '{}', 0)")
        db.execute("insert into slice values (1, 2, 0, 1, null, 'd', '{}')")


def register(path: Path, name: str = "w1", **info: Any) -> None:
    """A live worker, written by plain SQL as another release would."""
    with plain(path) as db:
        now = db.execute(f"select {DIALECTS['sqlite']['NOW']}").fetchone()[0]
        row = (name, "here", 1, now, now, 0, dumps({"version": "0.0.9", **info}).decode())
        db.execute("insert into worker values (?, ?, ?, ?, ?, ?, ?)", row)


def contents(path: Path) -> dict[str, list[Any]]:
    """All rows of all tables, but for workers."""
    with opened(str(path)) as db:
        tables = [n for (n,) in db.execute("select name from sqlite_master where type = 'table' order by name")]
        return {t: sorted(db.execute(f"select * from {t}").fetchall(), key=repr) for t in tables if t != "worker"}


def sentence(caught: pytest.ExceptionInfo[GitopsError]) -> str:
    """What a person reads; a sentence with a way out."""
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert not caught.value.message.endswith(".")
    return caught.value.message


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


@pytest.fixture
def path(kit: Kit, tmp_path: Path) -> Path:
    """A closed store with one generation."""
    made = tmp_path / "store.db"
    store = open_store(str(made))
    kit.apply(store, kit.shop())
    store.close()
    return made


@pytest.fixture
def another(kit: Kit, tmp_path: Path) -> Path:
    """A backup of another store, with two generations."""
    store = open_store(str(tmp_path / "another.db"))
    kit.apply(store, kit.shop())
    kit.apply(store, kit.shop(url="https://other.example.net/"))
    store.close()
    back_up(str(tmp_path / "another.db"), str(tmp_path / "backup.db"))
    return tmp_path / "backup.db"


# -- status ------------------------------------------------------------------------------------------------------------


def test_a_look_tells_what_there_is(path: Path) -> None:
    facts = examine(str(path), check=True)
    assert (facts.version, facts.known, facts.generation, facts.usable) == (KNOWN, KNOWN, 1, True)
    assert (facts.counts["slice"], facts.counts["generation"], facts.runs, facts.damage) == (4, 1, None, ())
    assert facts.size == path.stat().st_size
    assert examine(str(path)).damage is None


@pytest.mark.parametrize("version", OLD)
def test_a_look_upgrades_nothing(tmp_path: Path, version: int) -> None:
    old_store(tmp_path / "old.db", version)
    facts = examine(str(tmp_path / "old.db"), check=True)
    assert (facts.version, facts.generation, facts.usable) == (version, 0, True)
    assert facts.counts["slice"] == 1
    with plain(tmp_path / "old.db") as db:
        assert db.execute("select max(n) from schema_version").fetchone() == (version,)


def test_a_look_at_a_newer_store(path: Path) -> None:
    with plain(path) as db:
        db.execute("insert into schema_version values (?)", (KNOWN + 1,))
        db.execute("drop table run")
        db.execute('create table "new ""things""" (x)')
    facts = examine(str(path))
    assert (facts.version, facts.usable, facts.runs) == (KNOWN + 1, False, None)
    assert facts.counts['new "things"'] == 0


def test_a_look_while_it_is_written_and_at_workers(kit: Kit, path: Path) -> None:
    store = open_store(str(path))
    kit.apply(store, kit.shop(url="https://new.example.net/"))
    register(path)
    facts = examine(str(path))
    assert facts.generation == 2
    assert facts.log > 0
    assert facts.size == path.stat().st_size + facts.log
    assert [w.id for w in facts.workers] == ["w1"]
    store.close()


def test_damage_is_told(path: Path) -> None:
    spoil(path)
    facts = examine(str(path), check=True)
    assert facts.damage
    assert not facts.usable


def spoil(path: Path) -> None:
    """A page in the middle is overwritten."""
    with plain(path) as db:
        page = db.execute("select rootpage from sqlite_master where name = 'edge_from'").fetchone()[0]
        size = db.execute("pragma page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x55" * size)


def no_stores(folder: Path) -> dict[str, Path]:
    (folder / "empty").touch()
    (folder / "text").write_text("hello\n" * 1000)
    (folder / "folder").mkdir()
    with plain(folder / "foreign") as db:
        db.execute("create table notes (x)")
    return {name: folder / name for name in ("empty", "text", "folder", "foreign", "missing")}


NOT_OURS = {
    "missing": "there is no ",
    "empty": "is empty: it holds no store",
    "text": "is damaged or no SQLite file",
    "folder": "is no file",
    "foreign": "is an SQLite file of another program (it has a table 'notes')",
}


@pytest.mark.parametrize("kind", NOT_OURS)
def test_what_is_no_store_is_refused_in_all_ways(tmp_path: Path, path: Path, kind: str) -> None:
    (tmp_path / "strange").mkdir()
    strange = str(no_stores(tmp_path / "strange")[kind])
    before, there = contents(path), names(tmp_path)
    for use in (
        lambda: examine(strange),
        lambda: back_up(strange, str(tmp_path / "copy")),
        lambda: upgrade(strange, actor="a"),
        lambda: restore(str(path), strange, actor="a"),
    ):
        with pytest.raises(StoreError) as caught:
            use()
        assert NOT_OURS[kind] in sentence(caught)
    assert contents(path) == before
    assert names(tmp_path) - {"store.db.lock"} == there - {"store.db.lock"}
    assert not Path(f"{strange}-wal").exists()


# -- upgrade -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", OLD)
def test_an_upgrade_from_every_version_makes_a_backup_first(kit: Kit, tmp_path: Path, version: int) -> None:
    path = tmp_path / "store.db"
    old_store(path, version)
    before = contents(path)
    done = upgrade(str(path), actor="ada")
    assert (done.before, done.after) == (version, KNOWN)
    assert done.backup is not None
    assert re.fullmatch(rf"store\.db\.version-{version}-\d{{8}}T\d{{6}}Z", Path(done.backup.path).name)
    assert contents(Path(done.backup.path)) == before
    after = contents(path)
    assert after["schema_version"] == [(n,) for n in range(1, KNOWN + 1)]
    assert {t: after[t] for t in before if t != "schema_version"} == {
        t: rows for t, rows in before.items() if t != "schema_version"
    }
    again = upgrade(str(path), actor="ada")
    assert (again.before, again.after, again.backup) == (KNOWN, KNOWN, None)
    restore(str(path), done.backup.path, actor="ada")
    assert contents(path) == before, "and the way back"
    store = open_store(str(path))
    assert store.setting("kept") == "yes"
    store.close()


def test_without_a_backup_where_none_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    old_store(path, 1)
    assert upgrade(str(path), actor="ada", backup=False).backup is None
    assert names(tmp_path) == {"store.db", "store.db.lock"}


def test_newer_tables_are_refused(path: Path) -> None:
    with plain(path) as db:
        db.execute("insert into schema_version values (?)", (KNOWN + 1,))
    with pytest.raises(StoreTooNew) as caught:
        upgrade(str(path), actor="ada")
    assert "written by a newer release" in sentence(caught)
    assert back_up(str(path), f"{path}.copy").version == KNOWN + 1, "a copy needs to know nothing of it"


@pytest.mark.parametrize("version", WITH_WORKERS)
def test_no_upgrade_under_live_workers_of_an_older_release(tmp_path: Path, version: int) -> None:
    path = tmp_path / "store.db"
    old_store(path, version)
    register(path, "w1", tables=version)
    register(path, "w2")
    for opening in (open_store, open_to_read, open_executing, lambda p: upgrade(p, actor="ada")):
        with pytest.raises(StoreInUse) as caught:
            opening(str(path))
        told = sentence(caught)
        assert f"at version {version}, and can't be upgraded to {KNOWN} while worker w1 on here (gitops 0.0.9" in told
        assert told.endswith(" and 1 more works with it")
        assert "gitops store upgrade" in (caught.value.hint or "")
    with plain(path) as db:
        assert db.execute("select max(n) from schema_version").fetchone() == (version,)
    assert names(tmp_path) == {"store.db"}, "no backup either"
    assert upgrade(str(path), actor="ada", force=True).after == KNOWN


@pytest.mark.parametrize("version", WITH_WORKERS)
def test_workers_that_know_the_new_tables_or_are_dead_hinder_no_upgrade(tmp_path: Path, version: int) -> None:
    path = tmp_path / "store.db"
    old_store(path, version)
    register(path, "new", tables=KNOWN)
    register(path, "dead")
    with plain(path) as db:
        db.execute("update worker set seen = seen - 61 where id = 'dead'")
    open_store(str(path)).close()
    assert examine(str(path)).version == KNOWN


def test_an_upgrade_waits_for_an_apply(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    old_store(path, 1)
    with (
        file_lock(f"{path}.lock", actor="bob", host="h", timeout=0.0),
        pytest.raises(LockHeld, match="another apply is running: bob"),
    ):
        upgrade(str(path), actor="ada", lock_timeout=0.0)


# -- backup ------------------------------------------------------------------------------------------------------------


def test_a_backup_is_one_plain_file_with_all_that_is_in_the_store(kit: Kit, path: Path, tmp_path: Path) -> None:
    path.chmod(0o640)
    store = open_store(str(path))
    kit.apply(store, kit.shop(url="https://new.example.net/"))
    made = back_up(str(path), str(tmp_path / "copy.db"))
    copied = Path(made.path)
    assert (made.generation, made.version, made.size) == (2, KNOWN, copied.stat().st_size)
    assert stat.S_IMODE(copied.stat().st_mode) == 0o640
    assert contents(copied) == contents(path)
    assert {n for n in names(tmp_path) if n.startswith("copy")} == {"copy.db"}
    with plain(copied) as db:
        assert db.execute("pragma journal_mode").fetchone() == ("delete",)
    store.close()


def test_a_backup_takes_the_place_of_nothing_unasked(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")
    with pytest.raises(StoreError, match="is there already") as caught:
        back_up(str(path), str(target))
    assert "--force" in (caught.value.hint or "")
    assert target.read_text() == "mine"
    back_up(str(path), str(target), force=True)
    assert contents(target) == contents(path)
    dangling = tmp_path / "link"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="is there already"):
        back_up(str(path), str(dangling))


def test_a_backup_onto_itself_or_into_nowhere(path: Path, tmp_path: Path) -> None:
    (tmp_path / "same").hardlink_to(path)
    for target, told in (
        (path, "is the store itself"),
        (tmp_path / "same", "is the store itself"),
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "copy.db", "there is no folder"),
    ):
        with pytest.raises(StoreError) as caught:
            back_up(str(path), str(target), force=True)
        assert told in sentence(caught)
    assert examine(str(path), check=True).usable


def test_what_a_killed_backup_left_is_no_hindrance_but_one_that_goes_on_is(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    Path(f"{target}.part").write_bytes(b"x" * 5000)
    Path(f"{target}.part-wal").write_bytes(b"x" * 5000)

    def interfere(done: int, total: int) -> None:
        with pytest.raises(StoreError, match="is being written by another process"):
            back_up(str(path), str(target))

    back_up(str(path), str(target), progress=interfere)
    assert contents(target) == contents(path)
    assert {n for n in names(tmp_path) if n.startswith("copy")} == {"copy.db"}


def test_a_backup_of_a_damaged_store_isnt_made(path: Path, tmp_path: Path) -> None:
    spoil(path)
    with pytest.raises(StoreError, match=r"wasn't made: the store .* is damaged") as caught:
        back_up(str(path), str(tmp_path / "copy.db"))
    assert sentence(caught)
    assert not [n for n in names(tmp_path) if n.startswith("copy")]


def test_names_for_automatic_backups_are_free(path: Path) -> None:
    first = automatic_name(str(path), "why")
    Path(first).touch()
    assert automatic_name(str(path), "why") != first


# -- restore -----------------------------------------------------------------------------------------------------------


def test_a_restore_moves_the_store_aside(kit: Kit, path: Path, another: Path) -> None:
    path.chmod(0o600)
    before, given = contents(path), contents(another)
    done = restore(str(path), str(another), actor="ada")
    assert (done.generation, done.version) == (2, KNOWN)
    assert contents(path) == given
    assert contents(another) == given
    assert done.aside is not None
    assert contents(Path(done.aside)) == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store = open_store(str(path))
    kit.sound(store)
    assert not kit.plan(store, kit.shop(url="https://other.example.net/")).pending
    store.close()


def test_where_there_was_no_store(path: Path, tmp_path: Path) -> None:
    done = restore(str(tmp_path / "new.db"), str(path), actor="ada")
    assert done.aside is None
    assert contents(tmp_path / "new.db") == contents(path)
    with pytest.raises(StoreError, match="there is no folder"):
        restore(str(tmp_path / "no" / "new.db"), str(path), actor="ada")


def test_the_workers_of_back_then_arent_those_of_now(path: Path, tmp_path: Path) -> None:
    register(path)
    back_up(str(path), str(tmp_path / "copy.db"))
    restore(str(tmp_path / "new.db"), str(tmp_path / "copy.db"), actor="ada")
    assert examine(str(tmp_path / "new.db")).workers == ()


def test_a_log_that_a_crash_left_goes_with_its_store(kit: Kit, path: Path, another: Path) -> None:
    def crash() -> str:
        store = open_store(str(path))
        kit.apply(store, kit.shop(url="https://crash.example.net/"))
        os._exit(9)

    in_a_child(crash)
    assert Path(f"{path}-wal").stat().st_size > 0
    done = restore(str(path), str(another), actor="ada")
    assert contents(path) == contents(another)
    assert done.aside is not None
    store = open_store(done.aside)
    assert set(kit.urls(store).values()) >= {"https://crash.example.net/"}
    store.close()


def test_a_damaged_store_can_be_replaced(path: Path, another: Path) -> None:
    for harm in (spoil, lambda p: p.write_bytes(b"garbage" * 1000), lambda p: p.write_bytes(b"")):
        harm(path)
        spoiled = path.read_bytes()
        done = restore(str(path), str(another), actor="ada")
        assert done.aside is not None
        assert Path(done.aside).read_bytes()[100:] == spoiled[100:]
        assert contents(path) == contents(another)


def test_a_file_of_another_program_is_not_replaced(tmp_path: Path, another: Path) -> None:
    (tmp_path / "strange").mkdir()
    foreign = no_stores(tmp_path / "strange")["foreign"]
    before = foreign.read_bytes()
    with pytest.raises(StoreError, match="of another program"):
        restore(str(foreign), str(another), actor="ada")
    assert foreign.read_bytes() == before


def test_not_under_live_workers(path: Path, another: Path) -> None:
    register(path)
    before = contents(path)
    with pytest.raises(StoreInUse, match=r"can't be replaced while worker w1 on here .* works with it") as caught:
        restore(str(path), str(another), actor="ada")
    assert "--force" in (caught.value.hint or "")
    assert contents(path) == before
    restore(str(path), str(another), actor="ada", force=True)
    assert contents(path) == contents(another)


def test_who_shares_a_connection_notices_too(kit: Kit, path: Path, tmp_path: Path) -> None:
    store = open_store(str(path))
    store.set_setting("policy", "new")
    store.close()
    back_up(str(path), str(tmp_path / "copy.db"))
    store = open_store(str(path))
    store.set_setting("policy", "newest")
    store.close()
    with closing(SharedStore(str(path))) as shared:
        assert shared.setting("policy") == "newest"
        restore(str(path), str(tmp_path / "copy.db"), actor="ada", force=True)
        assert shared.setting("policy") == "new"
        path.unlink()
        with pytest.raises(StoreError, match="isn't there"):
            shared.setting("policy")


def test_not_while_another_has_it_open(kit: Kit, path: Path, another: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.store import restore as module

    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    store = open_store(str(path))
    kit.apply(store, kit.shop(url="https://mine.example.net/"))
    with pytest.raises(StoreInUse, match="while another process has it open"):
        restore(str(path), str(another), actor="ada")
    assert kit.apply(store, kit.shop()).generation == 3, "it goes on"
    done = restore(str(path), str(another), actor="ada", force=True)
    kit.apply(store, kit.shop(url="https://late.example.net/"))
    store.close()
    assert contents(path) == contents(another), "who had it open writes to what is aside, not into the new one"
    assert examine(str(path), check=True).usable
    assert done.aside is not None
    assert examine(done.aside).generation >= 3


@pytest.mark.parametrize("version", OLD)
def test_an_older_backup_is_upgraded_when_it_is_opened(tmp_path: Path, version: int) -> None:
    old_store(tmp_path / "old.db", version)
    assert restore(str(tmp_path / "store.db"), str(tmp_path / "old.db"), actor="ada").version == version
    store = open_store(str(tmp_path / "store.db"))
    assert (store.db.version(), store.setting("kept")) == (KNOWN, "yes")
    store.close()


def test_a_newer_backup_is_refused(path: Path, another: Path) -> None:
    with plain(another) as db:
        db.execute("insert into schema_version values (?)", (KNOWN + 1,))
    before = path.read_bytes()
    with pytest.raises(StoreTooNew) as caught:
        restore(str(path), str(another), actor="ada")
    assert sentence(caught)
    assert path.read_bytes() == before


def test_a_damaged_backup_is_refused(path: Path, another: Path, tmp_path: Path) -> None:
    whole, before = another.read_bytes(), path.read_bytes()
    spoil(another)
    bad = {"spoilt": another.read_bytes(), "cut": whole[: len(whole) // 2], "head": b"\0" * 100 + whole[100:]}
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(StoreError, match=r"damaged|no SQLite file") as caught:
            restore(str(path), str(tmp_path / name), actor="ada")
        assert sentence(caught)
    assert path.read_bytes() == before
    assert not [n for n in names(tmp_path) if "before-restore" in n or ".part" in n]


def test_the_store_is_no_backup_of_itself(path: Path) -> None:
    with pytest.raises(StoreError, match="is the store itself"):
        restore(str(path), str(path), actor="ada")


# -- disks and permissions ---------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, room: int) -> Iterator[Callable[[], None]]:
    """``folder`` on a disk with so little room, where this account may make one; else a limit on files, which is what
    is handed out to be called in the process that is to feel it."""
    folder.mkdir()
    size = f"size={room}"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield (lambda: None) if mounted else (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("limited", [False, True])
def test_a_backup_to_a_full_disk(path: Path, tmp_path: Path, limited: bool) -> None:
    with small_disk(tmp_path / "small", 65536) as limit:

        def work() -> str:
            limit()
            if limited:
                resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
            back_up(str(path), str(tmp_path / "small" / "copy.db"))
            return "made"

        said = in_a_child(work)
        assert said.startswith("StoreError: the backup "), said
        assert "wasn't made: " in said
        assert names(tmp_path / "small") == set()
    assert examine(str(path), check=True).usable


@pytest.mark.parametrize("limited", [False, True])
def test_a_restore_to_a_full_disk(path: Path, another: Path, tmp_path: Path, limited: bool) -> None:
    room = path.stat().st_size + another.stat().st_size // 2
    with small_disk(tmp_path / "small", room) as limit:
        store = tmp_path / "small" / "store.db"
        shutil.copy(path, store)
        before = contents(store)

        def work() -> str:
            limit()
            if limited:
                resource.setrlimit(resource.RLIMIT_FSIZE, (another.stat().st_size // 2,) * 2)
            restore(str(store), str(another), actor="ada")
            return "restored"

        said = in_a_child(work)
        assert said.startswith("StoreError: "), said
        assert "the store is as it was" in said
        assert contents(store) == before
        assert not [n for n in names(tmp_path / "small") if "before-restore" in n or ".part" in n]


def test_an_upgrade_on_a_full_disk_leaves_the_old_tables(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    old_store(path, 1)
    before = contents(path)

    def work() -> str:
        limit = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        upgrade(str(path), actor="ada", backup=False)
        return "upgraded"

    said = in_a_child(work)
    assert said.startswith("StoreError: "), said
    assert contents(path) == before


@pytest.fixture
def open_folder(path: Path, another: Path) -> Iterator[Path]:
    """Copies of both in a folder that any account can reach; pytest's own are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copy(path, folder / "store.db")
    shutil.copy(another, folder / "backup.db")
    yield folder
    for each in [folder, *folder.rglob("*")]:
        each.chmod(0o755)
    shutil.rmtree(folder)


def test_who_may_only_read_can_look_but_not_restore(open_folder: Path) -> None:
    store, backup = open_folder / "store.db", open_folder / "backup.db"
    for each in (store, backup):
        each.chmod(0o444)
    open_folder.chmod(0o555)
    before = store.read_bytes()
    assert in_a_child(lambda: str(examine(str(store), check=True).usable), unprivileged=True) == "True"
    said = in_a_child(lambda: str(restore(str(store), str(backup), actor="ada")), unprivileged=True)
    assert said.startswith("StoreError: "), said
    assert "can't be opened" in said
    said = in_a_child(lambda: str(back_up(str(store), str(open_folder / "copy.db"))), unprivileged=True)
    assert said.startswith("StoreError: "), said
    with tempfile.TemporaryDirectory() as free:
        Path(free).chmod(0o777)
        said = in_a_child(lambda: str(back_up(str(store), f"{free}/copy.db").generation), unprivileged=True)
        assert said == "1"
    assert store.read_bytes() == before


def test_who_may_not_read_is_told_so(open_folder: Path) -> None:
    store = open_folder / "store.db"
    store.chmod(0o000)
    said = in_a_child(lambda: str(examine(str(store))), unprivileged=True)
    assert said.startswith("StoreError: the store "), said
    assert "can't be opened" in said


def test_a_link_to_a_store_stays_one(path: Path, another: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(path)
    before = contents(path)
    done = restore(str(tmp_path / "link.db"), str(another), actor="ada")
    assert (tmp_path / "link.db").is_symlink()
    assert contents(path) == contents(another)
    assert done.aside is not None
    assert contents(Path(done.aside)) == before


def test_an_upgrade_that_insists_is_only_for_whoever_says_so(tmp_path: Path) -> None:
    version = WITH_WORKERS[-1]
    old_store(tmp_path / "a.db", version)
    register(tmp_path / "a.db")
    SqliteDatabase(str(tmp_path / "a.db"), insist=True).close()
    assert examine(str(tmp_path / "a.db")).version == KNOWN
