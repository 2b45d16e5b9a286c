"""Everything that can be wrong with a store's file: one sentence each, and what was applied before is intact."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.base.errors import GitopsError, LockHeld, StoreError, StoreTooNew
from reconciler.flows.inspect import drift, status
from reconciler.model.resource import Key
from reconciler.store import sqlite
from reconciler.store.open import open_store, open_to_read
from reconciler.store.schema import KNOWN, steps
from reconciler.store.sql_writer import SqlStore
from tests.servers.child import in_a_child

if TYPE_CHECKING:
    from tests.conftest import Kit


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        yield db
    finally:
        db.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any account can reach; pytest's own are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def applied(kit: Kit, tmp_path: Path) -> Path:
    """The file of a closed store with one generation."""
    path = tmp_path / "store.db"
    fill(kit, path)
    return path


def fill(kit: Kit, path: Path) -> None:
    store = open_store(str(path))
    kit.apply(store, kit.shop())
    store.close()


def intact(kit: Kit, path: Path, generation: int = 1) -> None:
    store = open_store(str(path))
    assert store.generation() == generation
    assert len(kit.slices(store)) == 4
    kit.sound(store)
    assert kit.apply(store, kit.shop(url=f"https://x{time.monotonic_ns()}.net/")).generation == generation + 1
    store.close()


def sentence(error: pytest.ExceptionInfo[Any] | str) -> str:
    text = error if isinstance(error, str) else error.value.message
    assert "\n" not in text
    assert "Traceback" not in text
    return text


# -- what isn't a store ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opening", [open_store, open_to_read])
def test_a_file_of_another_program_is_refused_and_left_alone(
    tmp_path: Path, opening: Callable[[str], SqlStore]
) -> None:
    path = tmp_path / "other.db"
    with connected(path) as db:
        db.execute("create table people (name text)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"SQLite file of another program \(it has a table 'people'\)") as caught:
        opening(str(path))
    assert sentence(caught)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["other.db"]


@pytest.mark.parametrize("content", [b"# notes\n" * 200, b"SQLite format 3\0" + b"\xff" * 4000, b"SQLite format 3\0"])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    for opening in (open_store, open_to_read):
        with pytest.raises(StoreError) as caught:
            opening(str(path))
        assert str(path) in sentence(caught)
        assert caught.value.hint
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_store(kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    fill(kit, path)
    intact(kit, path)


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    for opening in (open_store, open_to_read):
        with pytest.raises(StoreError, match="can't be opened") as caught:
            opening(str(tmp_path))
        assert sentence(caught)


def test_a_path_through_a_file_cant_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="can't be opened") as caught:
        open_store(str(tmp_path / "file" / "below" / "store.db"))
    assert sentence(caught)


def test_a_path_too_long_cant_be_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't be opened"):
        open_store(str(tmp_path / ("x" * 300) / "store.db"))


def test_names_with_signs_that_addresses_use(kit: Kit, tmp_path: Path) -> None:
    for name in ("a b.db", "a?mode=ro.db", "a#b.db", "a%20b.db", "ü.db"):
        fill(kit, tmp_path / name)
        intact(kit, tmp_path / name)
        assert (tmp_path / name).is_file()


# -- damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(24))
def test_damage_in_the_middle_is_told_or_found(kit: Kit, applied: Path, seed: int) -> None:
    """Garbage anywhere: an error of ours, or answers that a later look finds wrong or that are still right."""
    store = open_store(str(applied))
    right = sorted((r.system, r.check, r.digest, r.body) for r in store.slice_rows())
    store.close()
    data = bytearray(applied.read_bytes())
    pages = len(data) // 4096
    page = 1 + seed * (pages - 1) // 24
    at = page * 4096 + (0, 1800, 3000)[seed % 3]
    data[at : at + 600] = bytes((seed * 7 + i * 13) % 256 for i in range(600))
    applied.write_bytes(data)
    try:
        store = open_store(str(applied))
    except StoreError as error:
        sentence(error.message)
        return
    found = []
    steps: list[Callable[[], Any]] = [
        lambda: status(store),
        lambda: list(store.resources()),
        lambda: list(store.resources_at(1)),
        lambda: list(store.slice_rows()),
        store.slice_digests,
        lambda: drift(store),
        store.history,
        lambda: store.blobs("shop"),
        lambda: kit.plan(store, kit.shop(url="https://new.example.net/")),
        lambda: kit.apply(store, kit.shop(url="https://new.example.net/")),
    ]
    for step in steps:
        try:
            step()
        except GitopsError as error:
            found.append(sentence(error.message))
    with suppress(GitopsError):
        rows = sorted((r.system, r.check, r.digest, r.body) for r in store.slice_rows(1))
        assert found or rows == right or not store.seal_holds() or store.mismatches()
    store.close()


def test_a_truncated_file(kit: Kit, applied: Path) -> None:
    data = applied.read_bytes()
    applied.write_bytes(data[: len(data) // 2])
    with pytest.raises(StoreError, match="damaged") as caught:
        _use(kit, applied)
    assert sentence(caught)


def _use(kit: Kit, path: Path) -> None:
    store = open_store(str(path))
    try:
        list(store.slice_rows())
        kit.apply(store, kit.shop(url="https://new.example.net/"))
    finally:
        store.close()


@pytest.mark.parametrize(
    "write",
    [
        "update resource set extra = '{{{'",
        "update resource set extra = '[1,2]'",
        "update source set totals = 'none'",
        "update generation set counts = ''",
        "update edge set path = 'spec'",
    ],
)
def test_a_row_that_makes_no_sense_is_a_sentence(kit: Kit, applied: Path, write: str) -> None:
    with connected(applied) as db:
        db.execute(write)
    store = open_store(str(applied))
    reads: list[Callable[[], Any]] = [
        lambda: list(store.resources()),
        store.sources,
        store.history,
        lambda: list(store.referrers([Key("Check", "ready")])),
    ]
    told = []
    for read in reads:
        try:
            read()
        except StoreError as error:
            told.append(sentence(error.message))
    assert len(told) == 1
    assert "is damaged" in told[0]
    store.close()


# -- permissions -------------------------------------------------------------------------------------------------------


def _plan_and_apply(kit: Kit, path: Path) -> Callable[[], str]:
    def work() -> str:
        reader = open_to_read(str(path))
        before = f"generation {reader.generation()}, pending {kit.plan(reader, kit.shop()).pending}"
        reader.close()
        try:
            writer = open_store(str(path))
            kit.apply(writer, kit.shop(url="https://new.example.net/"))
        except StoreError as error:
            return f"{before}; {error.message}"
        return f"{before}; applied"

    return work


@pytest.fixture
def warm(kit: Kit) -> None:
    """Everything that an apply imports is there before an account that can't read it takes over."""
    store = open_store(":memory:")
    kit.apply(store, kit.shop())
    with suppress(GitopsError):
        kit.plan(store, {"a.yaml": "kind: ["})
    store.close()


def test_a_read_only_file_in_a_read_only_folder(kit: Kit, open_folder: Path, warm: None) -> None:
    path = open_folder / "store.db"
    fill(kit, path)
    path.chmod(0o444)
    open_folder.chmod(0o555)
    said = in_a_child(_plan_and_apply(kit, path), unprivileged=True)
    assert said.startswith("generation 1, pending False; "), "planning needs to read only"
    assert "read-only" in sentence(said) or "can't be opened" in said
    open_folder.chmod(0o755)
    path.chmod(0o644)
    intact(kit, path)


def test_a_read_only_file_that_is_in_use(kit: Kit, open_folder: Path, warm: None) -> None:
    path = open_folder / "store.db"
    store = open_store(str(path))
    kit.apply(store, kit.shop())
    for each in open_folder.iterdir():
        each.chmod(0o444)
    open_folder.chmod(0o555)
    said = in_a_child(_plan_and_apply(kit, path), unprivileged=True)
    assert said.startswith("generation 1, pending False; ")
    assert "read-only" in sentence(said) or "can't be opened" in said
    store.close()


def test_a_file_that_cant_be_read(kit: Kit, open_folder: Path, warm: None) -> None:
    path = open_folder / "store.db"
    fill(kit, path)
    path.chmod(0o000)
    said = in_a_child(_plan_and_apply(kit, path), unprivileged=True)
    assert said.startswith("StoreError: "), said
    assert "can't be opened" in sentence(said)


def test_a_folder_that_cant_be_made(kit: Kit, open_folder: Path, warm: None) -> None:
    path = open_folder / "below" / "store.db"
    open_folder.chmod(0o555)
    said = in_a_child(_plan_and_apply(kit, path), unprivileged=True)
    assert said.startswith("generation 0, pending True; ")
    assert "can't be opened" in sentence(said)


def test_an_older_store_that_is_read_only_says_what_it_needs(open_folder: Path, warm: None) -> None:
    path = open_folder / "store.db"
    old_tables(path)
    path.chmod(0o444)
    open_folder.chmod(0o555)
    said = in_a_child(lambda: str(open_to_read(str(path)).generation()), unprivileged=True)
    assert said.startswith("StoreError: the tables of "), said
    assert "read-only" in sentence(said)


# -- space -------------------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_generation(kit: Kit, applied: Path) -> None:
    def work() -> str:
        store = open_store(str(applied))
        limit = applied.stat().st_size + 64 * 1024
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            kit.apply(store, big(kit))
        except StoreError as error:
            return f"{store.generation()} {store.seal_holds()} {error.message}"
        return "applied"

    said = in_a_child(work)
    assert said.startswith("1 True "), said
    assert "what was applied before is intact" in sentence(said)
    intact(kit, applied)


def test_a_database_that_may_not_grow_leaves_the_old_generation(kit: Kit, applied: Path) -> None:
    store = open_store(str(applied))
    pages = store.db.run("pragma page_count").fetchone()[0]
    store.db.run(f"pragma max_page_count={pages + 4}")
    with pytest.raises(StoreError, match=r"the disk of .* is full; what was applied before is intact") as caught:
        kit.apply(store, big(kit))
    assert sentence(caught)
    assert caught.value.hint == "free some space, then try again", "runs are stored too, not only applies"
    assert store.generation() == 1
    store.close()
    intact(kit, applied)


def big(kit: Kit) -> dict[str, Any]:
    files: dict[str, Any] = kit.shop()
    files["more.yaml"] = [kit.system(f"more-{i}", fields={"text": "x" * 20_000}) for i in range(40)]
    return files


# -- others ------------------------------------------------------------------------------------------------------------


def test_a_store_locked_by_another_program(kit: Kit, applied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.2)
    store = open_store(str(applied))
    with connected(applied) as db:
        db.execute("begin immediate")
        started = time.monotonic()
        with pytest.raises(StoreError, match="is locked by another process") as caught:
            kit.apply(store, kit.shop(url="https://new.example.net/"))
        assert 0.15 < time.monotonic() - started < 5
        assert "what was applied before is intact" in sentence(caught)
        assert store.generation() == 1, "reading goes on"
    assert kit.apply(store, kit.shop(url="https://new.example.net/")).generation == 2
    store.close()


def test_one_that_waits_for_the_lock_leaves_its_holders_name(applied: Path) -> None:
    first, other = open_store(str(applied)), open_store(str(applied))
    with first.lock(actor="ada", timeout=0.0):
        for _ in range(3):
            with pytest.raises(LockHeld, match="ada on "), other.lock(actor="bob", timeout=0.0):
                pass
    first.close()
    other.close()


def test_a_killed_holder_leaves_no_lock(applied: Path) -> None:
    def work() -> str:
        with open_store(str(applied)).lock(actor="dead", timeout=0.0):
            os._exit(9)

    in_a_child(work)
    store = open_store(str(applied))
    with store.lock(actor="ada", timeout=0.0):
        pass
    store.close()


# -- versions of the tables --------------------------------------------------------------------------------------------


def old_tables(path: Path, version: int = 1) -> None:
    with connected(path) as db:
        db.execute("create table schema_version (n integer not null)")
        for number, statements in enumerate(steps("sqlite")[:version], 1):
            for statement in statements:
                db.execute(statement)
            db.execute("insert into schema_version values (?)", (number,))


def test_tables_of_a_newer_release_are_refused_and_left_alone(applied: Path) -> None:
    with connected(applied) as db:
        db.execute("insert into schema_version values (?)", (KNOWN + 2,))
    before = applied.read_bytes()
    for opening in (open_store, open_to_read):
        with pytest.raises(StoreTooNew) as caught:
            opening(str(applied))
        assert (caught.value.found, caught.value.known) == (KNOWN + 2, KNOWN)
        assert f"version {KNOWN + 2}, this one knows {KNOWN}" in sentence(caught)
    assert applied.read_bytes() == before


@pytest.mark.parametrize("version", range(KNOWN))
def test_older_tables_are_brought_forward_with_their_data(kit: Kit, tmp_path: Path, version: int) -> None:
    path = tmp_path / "store.db"
    old_tables(path, version)
    if version:
        with connected(path) as db:
            db.execute("insert into setting values ('kept', 'yes', 0)")
    store = open_store(str(path))
    assert store.setting("kept") == ("yes" if version else None)
    assert store.db.version() == KNOWN
    assert kit.apply(store, kit.shop()).generation == 1
    store.db.run("update slice set body = 'x'")
    assert store.outside_count() == 4
    store.close()


def test_what_is_said_to_be_applied_survives_a_power_cut(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "s.db"))
    assert store.db.run("pragma journal_mode").fetchone() == ("wal",)
    assert store.db.run("pragma synchronous").fetchone() == (2,), "2 is FULL"
    store.close()


def test_who_writes_before_the_log_is_kept_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    old_tables(path)
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("begin immediate")
    release = threading.Timer(0.3, writer.close)
    release.start()
    open_store(str(path)).close()
    release.join()


def test_many_that_make_or_upgrade_a_store_at_once(kit: Kit, tmp_path: Path) -> None:
    for round_ in range(12):
        path = tmp_path / f"{round_}.db"
        if round_ % 2:
            old_tables(path)
        children = []
        for _ in range(4):
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(read)
                said = "failed"
                try:
                    said = str(open_store(str(path)).db.version())
                except BaseException as error:
                    said = repr(error)
                finally:
                    os.write(write, said.encode())
                    os._exit(0)
            os.close(write)
            children.append((child, read))
        answers = []
        for child, read in children:
            with open(read, encoding="utf-8") as answer:
                answers.append(answer.read())
            os.waitpid(child, 0)
        assert answers == [str(KNOWN)] * 4
        with connected(path) as db:
            assert [n for (n,) in db.execute("select n from schema_version order by n")] == [*range(1, KNOWN + 1)]
        fill(kit, path)
