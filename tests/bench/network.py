"""What an allow list costs a run, as a ratio to a bare process. `python -m tests.bench.network --help`.

Bare `subprocess.run(["/usr/bin/true"])` and a complete sandbox around the same command take turns in one process. The
listed address belongs to documentation and is never contacted; everything else of a run is as in production: resolving,
the packet filter, the tap, the counters, the report. A run that isn't fully enforced ends the program.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from reconciler.sandbox.command import Command
from reconciler.sandbox.network.plan import BACKENDS
from reconciler.sandbox.policy import SandboxPolicy, merge, shipped_default
from reconciler.sandbox.probes import capabilities
from reconciler.sandbox.run import Sandbox
from reconciler.sandbox.spawner import Spawner

TRUE = "/usr/bin/true"


def policies() -> dict[str, SandboxPolicy]:
    """Scene -> policy. Names resolve to themselves here: literals, so that no resolver is measured."""
    base = shipped_default({})
    return {
        "deny": base,
        "allow list": merge(base, {"network": {"mode": "allowlist", "allow": ["198.51.100.7:443"]}}),
        "allow list, IPv6": merge(base, {"network": {"mode": "allowlist", "allow": ["[2001:db8::7]:443"]}}),
        "allow list, 50 entries": merge(
            base, {"network": {"mode": "allowlist", "allow": [f"198.51.100.{n}:443" for n in range(1, 51)]}}
        ),
    }


def once(box: Sandbox) -> None:
    """One run, held to what it must have been."""
    result = box.run(Command(argv=(TRUE,)))
    if result.exit_code != 0 or result.report.downgrades or not result.report.enforced["network"]:
        sys.exit(f"not enforced: {result.refused or json.dumps(result.report.to_json())}")


def timed(action: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Print a table and, with --json, write the same as JSON. The ratio of the fastest runs says what a busy machine
    hides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    spawner = Spawner()
    figures = []
    for backend in ("slirp4netns", "gate", "pasta"):
        if backend != "gate" and shutil.which(backend) is None:
            print(f"{backend}: isn't installed")
            continue
        for scene, policy in policies().items():
            if scene == "deny" and backend != "slirp4netns":
                continue
            found = capabilities(policy, spawner)
            off = {other: "another backend is measured" for other in BACKENDS if other != backend}
            box = Sandbox(policy, spawner, replace(found, egress=off))
            for _ in range(3):
                once(box)
            pairs = [(timed(lambda: subprocess.run([TRUE])), timed(lambda b=box: once(b))) for _ in range(options.runs)]  # type: ignore[misc]
            bare, boxed = (statistics.median(side) for side in zip(*pairs, strict=True))
            name = scene if scene == "deny" else f"{scene} ({backend})"
            least, most = (min(side) for side in zip(*pairs, strict=True))
            figures.append(
                {"scene": name, "bareMs": bare, "boxedMs": boxed, "ratio": boxed / bare, "least": most / least}
            )
            print(f"{name:42} {bare:6.2f} ms bare {boxed:7.2f} ms  x{boxed / bare:.1f}  (fastest: x{most / least:.1f})")
    spawner.close()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=2)


if __name__ == "__main__":
    main()
