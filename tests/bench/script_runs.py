"""What an executor adds to a script in the sandbox. ``python -m tests.bench.script_runs [--runs 200] [--profile]``.

A slice with one trivial shell script, a secret and an environment is run by the executor of a store; the same script is
run by its sandbox alone. Both take turns, so that a busy machine slows both. Nothing is asserted about time; a run that
isn't fully enforced, or isn't healthy, ends the program.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.execute.prepare import Prepared
from reconciler.flows.executor import ConfiguredExecutor, make_executor
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.runners.shell import run_shell
from reconciler.sandbox.runners.variables import Subject, variables
from reconciler.store.open import open_store

SUBJECT = Subject("disk", "Disk space", 30, "shop", "The shop", "production", "Production")
FIELDS = {"baseUrl": "https://p.example.net", "tier": 1, "region": "eu-1"}
SCRIPT = 'test -n "$TOKEN"'
VALUE = "a value that nobody may see"
_AT_ONCE = 4


def body() -> bytes:
    """The slice."""
    config = {"script": SCRIPT, "env": {"A": "1"}, "secretEnv": {"TOKEN": "${{ secrets.TOKEN }}"}, "timeout": 30_000}
    passed = {"field": "exitCode", "operator": "equals", "value": 0}
    collectors = [{"type": "execute@2", "config": config, "assertions": [passed]}]
    strategy = {"type": "script@1", "config": {"timeout": 30_000}}
    return dumps({"assignment": {}, "check": {"interval": 30_000, "strategy": strategy, "collectors": collectors}})


def alone(box: Sandbox) -> None:
    """The script without an executor around it."""
    given = variables(SUBJECT, FIELDS, env={"A": "1"}, secret_env={"TOKEN": VALUE})
    found = run_shell(box, SCRIPT, environment=given.values, secrets=(VALUE,))
    if found.exit_code != 0 or found.report is None or not all(found.report.enforced.values()):
        raise SystemExit(f"not fully enforced: {found}")


async def whole(executor: ConfiguredExecutor, prepared: Prepared) -> None:
    """The same as a run."""
    found = await executor.run(prepared, SUBJECT, FIELDS)
    if found.outcome != "healthy":
        raise SystemExit(f"not healthy: {found}")


async def one_by_one(executor: ConfiguredExecutor, prepared: Prepared, runs: int) -> dict[str, Any]:
    """Milliseconds and CPU milliseconds of our process, both ways."""
    box = executor.sandboxes.current()
    took: dict[str, list[float]] = {"run": [], "sandbox": []}
    cpu: dict[str, list[float]] = {"run": [], "sandbox": []}
    for n in range(runs + 5):
        for name in ("run", "sandbox") if n % 2 else ("sandbox", "run"):
            began, used = time.perf_counter(), time.process_time()
            if name == "run":
                await whole(executor, prepared)
            else:
                alone(box)
            if n >= 5:
                took[name].append((time.perf_counter() - began) * 1000)
                cpu[name].append((time.process_time() - used) * 1000)
    median = {name: statistics.median(values) for name, values in took.items()}
    added = [run - bare for run, bare in zip(took["run"], took["sandbox"], strict=True)]
    return {
        "runMs": round(median["run"], 2),
        "sandboxMs": round(median["sandbox"], 2),
        "addedMs": round(median["run"] - median["sandbox"], 2),
        "addedMsP90": round(statistics.quantiles(added, n=10)[-1], 2),
        "addedCpuMs": round(statistics.median(cpu["run"]) - statistics.median(cpu["sandbox"]), 2),
    }


async def at_once(executor: ConfiguredExecutor, prepared: Prepared, runs: int) -> dict[str, float]:
    """Runs a second, with several at once."""
    box = executor.sandboxes.current()

    async def lane(go: Any) -> None:
        for _ in range(runs // _AT_ONCE):
            await go()

    figures = {}
    for name, go in (
        ("sandbox", lambda: asyncio.to_thread(alone, box)),
        ("run", lambda: whole(executor, prepared)),
    ):
        began = time.perf_counter()
        await asyncio.gather(*(lane(go) for _ in range(_AT_ONCE)))
        figures[f"{name}PerSecond"] = round(runs // _AT_ONCE * _AT_ONCE / (time.perf_counter() - began), 1)
    return figures


async def measured(folder: Path, runs: int, *, profiled: bool) -> dict[str, Any]:
    """All of it."""
    store = open_store(str(folder / "store.db"))
    executor = make_executor(store, {"GITOPS_SECRET_TOKEN": VALUE})
    try:
        prepared = executor.prepare(body())
        figures: dict[str, Any] = {"runs": runs, **await one_by_one(executor, prepared, runs)}
        figures |= await at_once(executor, prepared, runs)
        if profiled:
            await _profile(executor, prepared, runs)
        return figures
    finally:
        await executor.aclose()
        store.close()


async def _profile(executor: ConfiguredExecutor, prepared: Prepared, runs: int) -> None:
    import cProfile
    import pstats

    profile = cProfile.Profile()
    profile.enable()
    for _ in range(runs):
        await whole(executor, prepared)
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--profile", action="store_true", help="show where the event loop's thread spends its time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measured(Path(folder), options.runs, profiled=options.profile))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
