"""Plans and applies of many slices, in a file and in PostgreSQL: seconds. ``python -m tests.bench.apply --help``.

Without an address it starts a server of its own, which waits for its disk. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.store.open import open_store
from tests.conftest import Kit
from tests.servers.store_postgres import StorePostgres

if TYPE_CHECKING:
    from tests.conftest import Files

CHECKS, ENVIRONMENTS = 100, 5


class Figure(NamedTuple):
    """One row."""

    store: str
    what: str
    changed: int
    plan_s: float
    apply_s: float


def files(kit: Kit, slices: int, changed: int = 0) -> Files:
    """A source of so many slices; of so many of its checks another URL."""
    members = [f"e{i}" for i in range(ENVIRONMENTS)]
    checks = [f"c{i}" for i in range(CHECKS)]
    systems = range(slices // (CHECKS * ENVIRONMENTS))
    urls = (
        "https://{{ environment.host }}/" + ("new/" if i < changed else "") + check for i, check in enumerate(checks)
    )
    return kit.files(
        {
            "environments.yaml": [kit.environment(e, host=f"{e}.example.net") for e in members],
            "checks.yaml": [kit.check(c, url) for c, url in zip(checks, urls, strict=True)],
            **{f"s{i}.yaml": kit.system(f"s{i}", members, checks) for i in systems},
        }
    )


def measured(store: str, address: str, slices: int) -> Iterator[Figure]:
    """The first apply, one of 1 %, one of everything, and one of nothing."""
    kit = Kit()
    with closing(open_store(address)) as opened:
        for what, changed in (("first", 0), ("1 %", 1), ("all", CHECKS), ("nothing", CHECKS)):
            given = files(kit, slices, changed)
            gc.collect()
            started = time.perf_counter()
            plan = kit.plan(opened, given, quick=False)
            planned = time.perf_counter()
            kit.commit(opened, plan)
            done = time.perf_counter()
            yield Figure(store, what, len(plan.slices), planned - started, done - planned)


@contextmanager
def _server(address: str | None) -> Iterator[str]:
    if address is not None:
        yield address
        return
    with StorePostgres(safe=True) as server, server.database() as made:
        yield made


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=50_000)
    parser.add_argument("--address", help="of an empty store in PostgreSQL")
    given = parser.parse_args()
    print(f"{'store':<12} {'what':<8} {'slices':>8} {'plan s':>8} {'apply s':>8}")
    with tempfile.TemporaryDirectory() as folder, _server(given.address) as address:
        for store, where in (("sqlite", str(Path(folder) / "store.db")), ("postgresql", address)):
            for figure in measured(store, where, given.slices):
                print("{:<12} {:<8} {:>8} {:>8.2f} {:>8.3f}".format(*figure), flush=True)


if __name__ == "__main__":
    main()
