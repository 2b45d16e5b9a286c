"""The worker as a whole process against a server that isn't the bottleneck. ``python -m tests.bench.worker --help``.

The worker has one core, the server and everything else the others. What it did is read from its store, what it cost
from the kernel. Figures stand beside their aims; nothing is asserted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from reconciler.model.run import Run
from reconciler.store.open import open_executing
from tests.servers.http_fast import fast_server

GITOPS = str(Path(sys.executable).parent / "gitops")
_TICKS = os.sysconf("SC_CLK_TCK")
_PER_SYSTEM, _PER_FILE = 10, 5000

_DOCUMENT = """\
apiVersion: gitops/v2
kind: Check
metadata: {{name: {name}}}
spec:
  interval: {interval}
  strategy: {{type: http@3, config: {{timeout: {timeout}}}}}
  collectors:
    - type: request@1
      config: {{url: "{url}/{name}"}}
      assertions:
        - {{field: statusCode, operator: equals, value: 200}}
---
"""


@dataclass(frozen=True)
class Figure:
    """One row: what was measured, and what it should be."""

    scene: str
    what: str
    found: str
    aim: str


class World:
    """A store in a folder of its own, with slices of these checks."""

    def __init__(self, folder: Path, checks: list[tuple[str, str]], *, interval: str, timeout: str) -> None:
        """``checks``: name and URL of each; one slice a check, ten checks a system."""
        self.folder = folder
        folder.mkdir(parents=True)
        text = [_DOCUMENT.format(name=n, url=u, interval=interval, timeout=timeout) for n, u in checks]
        for at in range(0, len(checks), _PER_SYSTEM):
            members = ", ".join(f"{{check: {n}}}" for n, _ in checks[at : at + _PER_SYSTEM])
            head = "apiVersion: gitops/v2\nkind: System\n"
            text.append(f"{head}metadata: {{name: s{at}}}\nspec: {{checks: [{members}]}}\n---\n")
        for at in range(0, len(text), _PER_FILE):
            (folder / f"{at}.yaml").write_text("".join(text[at : at + _PER_FILE]))
        self.store = folder / "store.db"
        apply = [GITOPS, "apply", "--yes", "--quiet", "--worktree", "-C", str(folder), "--store", str(self.store)]
        subprocess.run([*apply, "--source", "bench"], check=True)

    @contextlib.contextmanager
    def worker(self, *options: str, core: int, profile: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """A running ``gitops worker``, ended in good order."""
        command = [GITOPS, "worker", "--store", str(self.store), "-C", str(self.folder), *options]
        if profile is not None:
            command = [sys.executable, "-m", "tests.bench.profiled", str(profile), *command[1:]]
        with (self.folder / "worker.log").open("wb") as log:
            process = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=log, stderr=subprocess.STDOUT)
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
        said = (self.folder / "worker.log").read_text()
        if "Traceback" in said or process.returncode != 0:
            sys.exit(f"the worker ended with {process.returncode} and said:\n{said[-3000:]}")

    def runs(self) -> list[Run]:
        """All that was stored."""
        hands = open_executing(str(self.store))
        try:
            return hands.runs_after(0, limit=5_000_000)[1]
        finally:
            hands.close()

    def backlog(self) -> int:
        """Slices that wait although they were due a quarter of a second ago."""
        hands = open_executing(str(self.store))
        try:
            late = hands.now() - 0.25
            return sum(state.running is None and state.due_at < late for state in hands.states())
        finally:
            hands.close()


@dataclass(frozen=True)
class Sample:
    """Of a process, by the kernel: seconds of processor time, memory in MiB, at a time."""

    at: float
    cpu: float
    rss: float


def sample(pid: int) -> Sample:
    """Now. All threads; the process that starts scripts isn't counted, as it sleeps here."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    cpu = (int(fields[11]) + int(fields[12])) / _TICKS
    return Sample(time.monotonic(), cpu, pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def percentile(values: list[float], part: float) -> float:
    """0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


@dataclass(frozen=True)
class Options:
    """As said on the command line."""

    core: int
    server: str
    root: Path
    seconds: float
    profile: Path | None


def steady(
    options: Options, name: str, slices: int, interval: int, *, warm: float
) -> tuple[list[Run], float, float, list[float], int]:
    """Let it run; of the time after ``warm`` seconds: runs, runs a second, part of a core, memory, backlog."""
    checks = [(f"c{i}", options.server) for i in range(slices)]
    world = World(options.root / name, checks, interval=f"{interval}s", timeout="5s")
    with world.worker(core=options.core, profile=options.profile) as process:
        time.sleep(warm)
        first, begin = sample(process.pid), time.time()
        memory = [first.rss]
        until = time.monotonic() + options.seconds
        while time.monotonic() < until:
            time.sleep(min(10.0, max(0.0, until - time.monotonic())))
            memory.append(sample(process.pid).rss)
        last, end = sample(process.pid), time.time()
        backlog = world.backlog()
    runs = [run for run in world.runs() if begin <= run.at < end]
    took = last.at - first.at
    return runs, len(runs) / took, (last.cpu - first.cpu) / took, memory, backlog


def late_ms(runs: list[Run]) -> list[float]:
    """From when they were due to when they began."""
    return [(run.at - run.slot) * 1000 for run in runs]


def throughput(options: Options) -> list[Figure]:
    """More than it can do, then 80 % of the aim."""
    runs, rate, cpu, _, _ = steady(options, "most", 4000, 1, warm=5)
    bad = sum(run.outcome != "healthy" for run in runs)
    figures = [
        Figure("4,000 a second due", "runs a second, stored", f"{rate:,.0f}", "1,500 or more"),
        Figure("4,000 a second due", "of a core", f"{cpu:.0%}", ""),
        Figure("4,000 a second due", "not healthy", f"{bad}", "0"),
    ]
    runs, rate, cpu, _, backlog = steady(options, "most80", 1200, 1, warm=5)
    late = late_ms(runs)
    name = "1,200 a second due"
    return [
        *figures,
        Figure(name, "runs a second, stored", f"{rate:,.0f}", "1,200"),
        Figure(name, "of a core", f"{cpu:.0%}", ""),
        Figure(
            name, "lateness p50, p99", f"{percentile(late, 0.5):.0f}, {percentile(late, 0.99):.0f} ms", "p99 < 250 ms"
        ),
        Figure(name, "backlog", f"{backlog}", "0"),
    ]


def many(options: Options) -> list[Figure]:
    """Ten thousand slices that run once a minute."""
    runs, rate, cpu, memory, _ = steady(options, "many", 10_000, 60, warm=62)
    late = late_ms(runs)
    name = "10,000 slices @ 60 s"
    return [
        Figure(name, "runs a second, stored", f"{rate:,.0f}", "167"),
        Figure(name, "of a core", f"{cpu:.1%}", "< 25 %"),
        Figure(name, "lateness p50, p99", f"{percentile(late, 0.5):.0f}, {percentile(late, 0.99):.0f} ms", ""),
        Figure(name, "memory", f"{memory[-1]:.0f} MiB", ""),
    ]


def memory(options: Options) -> list[Figure]:
    """Flat over time."""
    _, rate, _, found, _ = steady(options, "memory", 1000, 1, warm=20)
    rows = ", ".join(f"{mib:.0f}" for mib in found[:: max(1, len(found) // 10)])
    name = f"memory over {options.seconds:.0f} s"
    return [
        Figure(name, "runs a second, stored", f"{rate:,.0f}", ""),
        Figure(name, "MiB by time", rows, "flat"),
        Figure(name, "growth", f"{found[-1] - found[0]:+.1f} MiB", "0"),
    ]


def bulkhead(options: Options) -> list[Figure]:
    """240 checks, a fifth of which never answers, ten slots."""
    hole = socket.create_server(("127.0.0.1", 0), backlog=4096)  # nobody accepts
    dead = f"http://127.0.0.1:{hole.getsockname()[1]}"
    checks = [(f"c{i}", dead if i % 5 == 0 else options.server) for i in range(240)]
    world = World(options.root / "bulkhead", checks, interval="2s", timeout="5s")
    with world.worker("--concurrency", "10", core=options.core):
        log = world.folder / "worker.log"
        while b"at once" not in log.read_bytes():
            time.sleep(0.01)
        time.sleep(35)
        backlog = world.backlog()
    hole.close()
    runs = world.runs()
    first = min(run.slot for run in runs)
    runs = [run for run in runs if run.at + run.duration_ms / 1000 <= first + 35]
    healthy = [run for run in runs if run.outcome == "healthy"]
    took = [run.duration_ms for run in healthy]
    late = late_ms(healthy)
    name = "bulkhead, 35 s"
    return [
        Figure(name, "completions", f"{len(runs):,} ({len(runs) - len(healthy)} unreachable)", "3,000 or more"),
        Figure(name, "backlog at the end", f"{backlog}", "0"),
        Figure(
            name,
            "healthy runs took p50, p99",
            f"{percentile(took, 0.5):.1f}, {percentile(took, 0.99):.1f} ms",
            "p99 < 50 ms",
        ),
        Figure(name, "and were late p50, p99", f"{percentile(late, 0.5):.0f}, {percentile(late, 0.99):.0f} ms", ""),
    ]


SCENES: dict[str, Callable[[Options], list[Figure]]] = {
    "throughput": throughput,
    "many": many,
    "memory": memory,
    "bulkhead": bulkhead,
}


def main() -> None:
    """Print a table, and with --json write the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="*", choices=[*SCENES, []], help="all by default")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each is measured")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the worker's")
    parser.add_argument("--profile", type=Path, help="write cProfile's statistics of the event loop's thread here")
    parser.add_argument("--json", help="write the figures to this file")
    said = parser.parse_args()
    others = os.sched_getaffinity(0) - {said.core}
    os.sched_setaffinity(0, others or {said.core})
    figures = []
    with tempfile.TemporaryDirectory() as root, fast_server(others) as server:
        options = Options(said.core, server, Path(root), said.seconds, said.profile)
        for scene in said.scenes or SCENES:
            for figure in SCENES[scene](options):
                figures.append(figure)
                print(f"{figure.scene:<22} {figure.what:<28} {figure.found:>24}   {figure.aim}", flush=True)
    if said.json:
        Path(said.json).write_text(json.dumps([asdict(f) for f in figures], indent=2))


if __name__ == "__main__":
    main()
