"""What a sandboxed run costs, as a ratio to a bare one. ``python -m tests.bench.sandbox [--runs 100] [--large]``.

Bare and sandboxed runs take turns, so that whatever else the machine does falls on both; ratios are what counts, never
the milliseconds. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from reconciler.sandbox.command import Command
from reconciler.sandbox.policy import merge, shipped_default
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.spawner import Spawner

_TRUE = Command(("/usr/bin/true",))
_PYTHON = "/usr/bin/python3"


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--large", action="store_true", help="from a parent of 1 GiB")
    options = parser.parse_args()
    ballast = bytearray(1 << 30) if options.large else bytearray()
    ballast[::4096] = b"x" * len(ballast[::4096])
    spawner = Spawner()
    box = Sandbox(shipped_default({}), spawner)
    alone = Sandbox(box.policy, spawner, replace(box.capabilities, cgroup=None))
    figures: dict[str, object] = {
        "runs": options.runs,
        "parentMiB": len(ballast) >> 20,
        "python": sys.version.split()[0],
    }
    figures |= ratios(
        options.runs,
        lambda: subprocess.run(["/usr/bin/true"], check=True),
        {"complete": _run(box, _TRUE), "complete, no control group": _run(alone, _TRUE)},
    )
    script = Command((_PYTHON, "-I", "-c", "pass"))
    python = ratios(
        max(10, options.runs // 3),
        lambda: subprocess.run([_PYTHON, "-I", "-c", "pass"], check=True),
        {"python": _run(alone, script)},
    )
    figures["pythonRatio"] = python["python"]
    for at_once in (1, 2, 4, 8):
        figures[f"perSecondWith{at_once}"] = round(per_second(alone, at_once), 1)
    loopback = Sandbox(merge(box.policy, {"network": {"allow": ["127.0.0.1:9"]}}), spawner)
    listed = loopback.run(_TRUE)
    if listed.exit_code == 0:
        timed = ratios(20, lambda: subprocess.run(["/usr/bin/true"], check=True), {"listed": _run(loopback, _TRUE)})
        figures["allowListRatio"] = timed["listed"]
    else:
        figures["allowListRatio"] = listed.refused
    spawner.close()
    print(json.dumps(figures, indent=2))


def ratios(runs: int, bare: Callable[[], object], others: dict[str, Callable[[], object]]) -> dict[str, object]:
    """Median of each over the median of ``bare``."""
    scenes = {"bare": bare, **others}
    times: dict[str, list[float]] = {name: [] for name in scenes}
    for turn in range(runs + 5):
        for name, scene in scenes.items():
            started = time.perf_counter()
            scene()
            if turn >= 5:
                times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    found: dict[str, object] = {f"{name}Ms": round(value * 1000, 3) for name, value in medians.items()}
    return found | {name: round(medians[name] / medians["bare"], 2) for name in others}


def per_second(box: Sandbox, at_once: int, seconds: float = 3.0) -> float:
    """Runs that end in a second, with that many on their way at any time."""
    until = time.monotonic() + seconds

    def work(_: int) -> int:
        count = 0
        while time.monotonic() < until:
            count += box.run(_TRUE).exit_code == 0
        return count

    with ThreadPoolExecutor(at_once) as pool:
        started = time.monotonic()
        return sum(pool.map(work, range(at_once))) / (time.monotonic() - started)


def _run(box: Sandbox, command: Command) -> Callable[[], object]:
    def run() -> None:
        ran = box.run(command)
        if ran.exit_code != 0:
            raise SystemExit(f"not run: {ran.refused or ran.stderr!r}")

    return run


if __name__ == "__main__":
    main()
