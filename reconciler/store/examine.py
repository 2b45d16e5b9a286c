"""What a store holds, told without opening it as a store: of whatever version, or damaged."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import NamedTuple

from reconciler.store.address import is_postgres
from reconciler.store.backup import generation_of
from reconciler.store.executing import WorkerRow
from reconciler.store.file import damage, opened, ours
from reconciler.store.schema import KNOWN
from reconciler.store.users import OfFile, live_workers


class Server(NamedTuple):
    """What only a database has. ``days`` are how many tables the runs of a day each have, ``first`` and ``last`` of
    them as ``20260131``. Of ``connections``, ``ours`` are to this database. ``estimated`` names the tables whose rows
    the server guesses, as counting them would take long."""

    version: str
    days: int
    first: str
    last: str
    connections: int
    ours: int
    most: int
    estimated: tuple[str, ...]


class Facts(NamedTuple):
    """``log`` is the part of ``size`` that is in the log beside the file, both in bytes. ``version`` is that of the
    tables, ``known`` that which this release writes. ``counts`` are rows by table. ``runs`` are the times of the first
    and the last that are kept, None where there is none. ``workers`` are alive at ``now``. ``damage`` is None where it
    wasn't looked for; where there is some, tables that can't be counted are left out of ``counts``. ``server`` is None
    for a file."""

    path: str
    size: int
    log: int
    version: int
    known: int
    generation: int
    counts: dict[str, int]
    runs: tuple[float, float] | None
    workers: tuple[WorkerRow, ...]
    now: float
    damage: tuple[str, ...] | None
    server: Server | None = None

    @property
    def usable(self) -> bool:
        """Whether this release can read and write it, and nothing is known to be wrong with it."""
        return self.version <= self.known and not self.damage


def examine(path: str, *, check: bool = False) -> Facts:
    """Look at a store, all of it at one moment. ``check`` reads everything. Raises ``StoreError`` for what is none."""
    if is_postgres(path):
        from reconciler.store.pg_examine import examine_server

        return examine_server(path, check=check)
    with opened(path) as db:
        db.execute("begin")
        version = ours(db, path)
        sql = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name"
        tables = [name for (name,) in db.execute(sql) if name != "schema_version"]
        broken = damage(db, thorough=True) if check else []
        workers, now = live_workers(OfFile(db, path))
        found = Facts(
            path=path,
            size=os.stat(path).st_size + _log(path),
            log=_log(path),
            version=version,
            known=KNOWN,
            generation=generation_of(db) if "generation" in tables else 0,
            counts=_counts(db, tables, damaged=bool(broken)),
            runs=_runs(db) if "run" in tables else None,
            workers=tuple(workers),
            now=now,
            damage=tuple(broken) if check else None,
        )
        db.execute("rollback")
    return found


def _log(path: str) -> int:
    with suppress(OSError):
        return os.stat(f"{os.path.realpath(path)}-wal").st_size
    return 0


def _counts(db: sqlite3.Connection, tables: list[str], *, damaged: bool) -> dict[str, int]:
    """Rows by table; of a damaged file those tables that can be counted."""
    found = {}
    for table in tables:
        quoted = table.replace('"', '""')
        try:
            found[table] = int(db.execute(f'select count(*) from "{quoted}"').fetchone()[0])
        except sqlite3.DatabaseError:
            if not damaged:
                raise
    return found


def _runs(db: sqlite3.Connection) -> tuple[float, float] | None:
    """By the order in which they were recorded, which is asked for by two look-ups."""
    found = [db.execute(f"select at from run order by id {way} limit 1").fetchone() for way in ("asc", "desc")]
    return None if found[0] is None else (float(found[0][0]), float(found[1][0]))
