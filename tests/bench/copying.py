"""Copies of a store between SQLite and PostgreSQL: rows a second and memory. ``python -m tests.bench.copying --help``.

Runs are what there is most of, so the store holds nothing else. Both digests are part of it. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.store.copying import copy_store
from reconciler.store.open import open_database
from tests.servers.store_postgres import StorePostgres

_START = 1_800_000_000.0
_DIGEST = "0123456789abcdef" * 2


@dataclass(frozen=True)
class Figure:
    """One copy; memory is the most that the process had by its end."""

    way: str
    rows: int
    seconds: float
    rows_each_second: float
    megabytes: float


def runs(n: int) -> Iterator[tuple[Any, ...]]:
    """Of a thousand slices, each minute one, with what an http check finds."""
    result = {"bodySize": 312, "responseTimeMs": 12.5, "statusCode": 200}
    detail = dumps({"collectors": [{"id": "0", "result": result, "type": "http.request"}]}).decode()
    for i in range(n):
        at = _START + i // 1000 * 60
        yield i % 1000, 1, 0, at, "", at, 12.5, "healthy", 1, _DIGEST, "worker", 0, detail


def fill(path: str, n: int) -> None:
    """A store of so many runs."""
    columns = (
        'system, "check", environment, slot, region, at, duration_ms, outcome, generation, digest, worker, late, detail'
    )
    with closing(open_database(path)) as db, db.transaction():
        db.many(f"insert into run ({columns}) values ({', '.join('?' * 13)})", runs(n))


def figure(way: str, source: str, target: str) -> Figure:
    """One copy."""
    done = copy_store(source, target)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return Figure(way, done.rows, round(done.seconds, 2), round(done.rows / done.seconds), round(most, 1))


def main() -> None:
    """There and back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, StorePostgres(safe=True) as server:
        first, last = str(Path(folder) / "first.db"), str(Path(folder) / "last.db")
        fill(first, options.rows)
        with server.database(tables=False) as there, server.database(tables=False) as again:
            for way, source, target in (
                ("SQLite to PostgreSQL", first, there),
                ("PostgreSQL to PostgreSQL", there, again),
                ("PostgreSQL to SQLite", again, last),
            ):
                print(json.dumps(asdict(figure(way, source, target))))


if __name__ == "__main__":
    main()
