"""Copies of stores that are killed, or whose server crashes, at random moments: no store until the last one is done."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from reconciler.base.errors import StoreError, StoreTooNew
from reconciler.store.copying import copy_store
from reconciler.store.open import open_database
from tests.servers.store_postgres import StorePostgres

pytestmark = pytest.mark.slow

KILLS = 8
ROWS = 30_000


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store of which a copy takes a while."""
    path = str(tmp_path_factory.mktemp("old") / "store.db")
    columns = (
        'system, "check", environment, slot, region, at, duration_ms, outcome, generation, digest, worker, late, detail'
    )
    with closing(open_database(path)) as db, db.transaction():
        db.run("insert into generation values (1, 0, 0, 'a', 'h', 'apply', 's', 'c', 't', 1, '{}', 's', '', 5)")
        db.many(
            f"insert into run ({columns}) values (?, 1, 0, ?, '', ?, 1.5, 'healthy', 1, 'd', 'w', 0, '{{}}')",
            ((n % 100, 1.7e9 + n * 10, 1.7e9 + n * 10) for n in range(ROWS)),
        )
        db.many("insert into setting values (?, 'v', 0)", ((f"k{n}",) for n in range(ROWS // 3)))
    return path


@pytest.fixture
def copying(old: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Copies under way; none outlives the test."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for each in started:
        each.kill()
        each.wait()


def begin(old: str, new: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "reconciler", "store", "copy", old, new]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def length(old: str, new: str) -> float:
    """Seconds that a whole copy takes, which is then thrown away with its target."""
    started = time.monotonic()
    said = begin(old, new).communicate()[1]
    assert said == b""
    return time.monotonic() - started


def whole(address: str) -> bool:
    """Whether it can be opened; then all of it must be there."""
    if not address.startswith("postgresql") and not Path(address).exists():
        return False
    try:
        with closing(open_database(address)) as db:
            counts = [db.rows(f"select count(*) from {table}")[0][0] for table in ("generation", "run", "setting")]
    except StoreTooNew:
        return False
    assert counts in ([1, ROWS, ROWS // 3], [0, 0, 0]), "half a store"
    return bool(counts[0])


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_killed_at_random_moments(
    old: str, dialect: str, tmp_path: Path, store_postgres: StorePostgres, copying: list[subprocess.Popen[bytes]]
) -> None:
    moments = random.Random(7)
    with store_postgres.database(tables=False) as database, store_postgres.database(tables=False) as other:
        new, spare = (database, other) if dialect == "postgresql" else (str(tmp_path / f"{n}.db") for n in "ab")
        took = length(old, spare)
        done, kills = False, 0
        while not done and kills < KILLS:
            copying.append(begin(old, new))
            with suppress(subprocess.TimeoutExpired):
                copying[-1].wait(took * moments.uniform(0.2, 0.7))
            copying[-1].send_signal(signal.SIGKILL)
            copying[-1].communicate()
            done = whole(new)
            kills += not done
        assert kills >= 2, "it was never hit"
        if not done:
            copy_store(old, new)
        assert whole(new)
        with pytest.raises(StoreError, match=r"is there already|isn't empty"):
            copy_store(old, new)


def test_the_server_crashes_in_the_middle(old: str, copying: list[subprocess.Popen[bytes]]) -> None:
    with StorePostgres(safe=True) as server, server.database(tables=False) as new:
        copying.append(begin(old, new))
        deadline = time.monotonic() + 20
        while not (begun := server.sql("select count(*) from pg_stat_activity where query like 'copy%%'")[0][0]):
            if copying[-1].poll() is not None or time.monotonic() > deadline:
                break
        assert begun, copying[-1].communicate()[1].decode()
        server.crash()
        said = copying[-1].communicate(timeout=20)[1].decode()
        assert copying[-1].returncode == 1
        assert said.startswith("error: ")
        assert "Traceback" not in said
        assert not whole(new)
        copy_store(old, new)
        assert whole(new)
