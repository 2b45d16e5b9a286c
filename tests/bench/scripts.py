"""What a script costs in the complete sandbox, as a ratio to its bare interpreter. `python -m tests.bench.scripts -h`.

Both sides take turns in one process, so that a busy machine slows both. The bare side is what one would run without any
of this: ``python3 -I -c pass``, ``node -e 0``, ``sh -c :``; the other side is a check's script with its context, its
result frame and the shipped policy. Nothing is asserted about time; a run that isn't fully enforced ends the program.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from reconciler.sandbox.policy import shipped_default
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.runners import interpreters
from reconciler.sandbox.runners.interpreters import Interpreter
from reconciler.sandbox.runners.node import run_node
from reconciler.sandbox.runners.outcome import ShellResult
from reconciler.sandbox.runners.python import run_python
from reconciler.sandbox.runners.shell import run_shell
from reconciler.sandbox.spawner import Spawner

CONTEXT = {"system": {"id": "shop", "name": "Shop"}, "environment": {"url": "https://shop.example.net", "tier": 1}}


def scenes(box: Sandbox, python: Interpreter) -> dict[str, tuple[list[str], Callable[[], ShellResult]]]:
    """Name to (bare command, sandboxed run)."""
    node = interpreters.node()
    bare = [python.path, "-I", "-c", "pass"]
    found: dict[str, tuple[list[str], Callable[[], ShellResult]]] = {
        "shell": (["/bin/sh", "-c", ":"], lambda: run_shell(box, ":")),
        "python": (bare, lambda: run_python(box, "return 1", context=CONTEXT, interpreter=python)),
        "python, helper": (
            bare,
            lambda: run_python(
                box,
                "from reconciler.healthcheck import result\nreturn result(value=1)",
                context=CONTEXT,
                interpreter=python,
            ),
        ),
        "python, failing": (
            bare,
            lambda: run_python(box, "raise ValueError('down')", context=CONTEXT, interpreter=python),
        ),
    }
    if node is not None:
        found["node"] = ([node.path, "-e", "0"], lambda: run_node(box, "return 1", context=CONTEXT))
    return found


def named(path: str) -> Interpreter:
    """That interpreter, and whether it is of our version."""
    said = subprocess.run([path, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, check=True)
    return Interpreter(path, ours=said.stdout.decode().strip() == str(sys.version_info[:2]))


def measure(bare: list[str], boxed: Callable[[], ShellResult], runs: int) -> tuple[list[float], list[float]]:
    """Milliseconds of both sides, in turns."""
    sides: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs + 3):
        began = time.perf_counter()
        subprocess.run(bare, capture_output=True, stdin=subprocess.DEVNULL, check=True)
        middle = time.perf_counter()
        result = boxed()
        ended = time.perf_counter()
        if result.report is None or not all(result.report.enforced.values()):
            sys.exit(f"not fully enforced: {result.refused or result.report}")
        sides[0].append((middle - began) * 1000)
        sides[1].append((ended - middle) * 1000)
    return sides[0][3:], sides[1][3:]


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--python", help="a Python below /usr; by default the one this runs on")
    chosen = parser.parse_args()
    python = named(chosen.python) if chosen.python else interpreters.python()
    spawner = Spawner()
    rows: list[dict[str, Any]] = []
    for name, (bare, boxed) in scenes(Sandbox(shipped_default(), spawner), python).items():
        plain, inside = (statistics.median(side) for side in measure(bare, boxed, chosen.runs))
        rows.append({"scene": name, "bareMs": round(plain, 2), "sandboxMs": round(inside, 2)})
        rows[-1]["ratio"] = round(inside / plain, 2)
    spawner.close()
    if chosen.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'scene':<18}{'bare ms':>9}{'sandbox ms':>12}{'ratio':>8}")
    for row in rows:
        print(f"{row['scene']:<18}{row['bareMs']:>9}{row['sandboxMs']:>12}{row['ratio']:>8}")


if __name__ == "__main__":
    main()
