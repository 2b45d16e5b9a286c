"""Claims and results against a store's file: microseconds a run. ``python -m tests.bench.store --help``.

What the worker pays for its bookkeeping: everything is due all the time, nothing is executed. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reconciler.base.canonical import digest, dumps
from reconciler.model.run import Run
from reconciler.store.executing import Claim, Finished
from reconciler.store.open import open_executing
from reconciler.store.sql_executing import SqlExecuting

_PER_SYSTEM = 20
_START = 1_800_000_000.0


@dataclass(frozen=True)
class Figure:
    """One row: what a call costs a run (or a slice), and the slowest call."""

    scene: str
    slices: int
    batch: int
    runs: int
    us_each: float
    p99_call_ms: float


def bodies(n: int) -> Iterator[tuple[Any, ...]]:
    """Rows of slices such as an http check makes."""
    for i in range(n):
        body = {
            "assignment": {"thresholds": {"degraded": 2, "healthy": 1, "mode": "consecutive", "unhealthy": 5}},
            "check": {
                "collectors": [
                    {"assertions": [], "config": {"url": f"https://x{i}.example.net/"}, "type": "request@1"}
                ],
                "interval": 60_000,
                "strategy": {"config": {"timeout": 8000}, "type": "http@3"},
            },
        }
        text = dumps(body)
        yield 1 + i // _PER_SYSTEM, n + i % _PER_SYSTEM, 0, 1, digest(text), text.decode()


def filled(path: Path, n: int) -> SqlExecuting:
    """A store of one generation with ``n`` slices, as an apply leaves it."""
    hands = open_executing(str(path))
    with hands.db.transaction(), hands.db.unwatched():
        hands.db.many(
            'insert into slice (system, "check", environment, since, digest, body) values (?,?,?,?,?,?)', bodies(n)
        )
        hands.db.run(
            'insert into generation (n, at, actor, host, kind, source, "commit", tree, duration_ms, counts, seal, '
            "note, next_uid) values (1, 0, '', '', '', '', '', '', 0, '{}', '', '', 1)"
        )
    return hands


def came_of(claim: Claim, at: float) -> Finished:
    """A run with phases and an assertion; one in a hundred fails."""
    took = random.lognormvariate(2, 0.5)
    detail = {
        "collectors": [
            {
                "id": "0",
                "type": "http.request",
                "result": {"statusCode": 200, "contentType": "text/html", "responseTimeMs": took, "bodyLength": 1234},
                "phases": {"dns": 0.1, "connect": 0.3, "tls": 1.2, "firstByte": 3.4, "total": took},
                "assertions": [{"field": "statusCode", "operator": "equals", "expected": 200, "passed": True}],
            }
        ]
    }
    outcome = "healthy" if random.random() > 0.01 else "unhealthy"
    run = Run(claim.key, "", claim.slot, at, took, outcome, None, 1, claim.digest, "w", detail)  # type: ignore[arg-type]
    return Finished(claim, run, "")


def measured(n: int, batch: int, seconds: float) -> Iterator[Figure]:
    """Claim and finish for so long, then condense the hour."""
    at = [_START]
    with tempfile.TemporaryDirectory() as folder:
        hands = filled(Path(folder) / "store.db", n)
        hands.db.tell_time(lambda: at[0])
        started = time.perf_counter()
        hands.reconcile()
        yield Figure("reconcile", n, n, n, *_cost([time.perf_counter() - started], n))
        claiming, finishing, runs = [], [], 0
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            at[0] += 60 * batch / n
            started = time.perf_counter()
            claims = hands.claim("w", batch, lease=30.0)
            claiming.append(time.perf_counter() - started)
            done = [came_of(claim, at[0]) for claim in claims]
            started = time.perf_counter()
            hands.finish(done)
            finishing.append(time.perf_counter() - started)
            runs += len(claims)
        yield Figure("claim", n, batch, runs, *_cost(claiming, runs))
        yield Figure("finish", n, batch, runs, *_cost(finishing, runs))
        at[0] += 7200
        started = time.perf_counter()
        count = hands.condense(limit=1000)
        yield Figure("condense", n, 1000, runs, *_cost([time.perf_counter() - started], count))
        hands.close()


def _cost(calls: list[float], each: int) -> tuple[float, float]:
    ordered = sorted(calls)
    return round(sum(calls) / max(each, 1) * 1e6, 1), round(ordered[int(len(ordered) * 0.99)] * 1000, 1)


def main() -> None:
    """Print a table, and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--batch", type=int, nargs="*", default=[50, 200])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = []
    for n in given.slices:
        for batch in given.batch:
            for figure in measured(n, batch, given.seconds):
                figures.append(figure)
                print(
                    f"{figure.scene:10} {figure.slices:>7} slices  batch {figure.batch:>6}  {figure.runs:>7} runs  "
                    f"{figure.us_each:>7.1f} µs each  p99 of a call {figure.p99_call_ms:.1f} ms"
                )
    if given.json:
        given.json.write_text(json.dumps([asdict(f) for f in figures], indent=2) + "\n")


if __name__ == "__main__":
    main()
