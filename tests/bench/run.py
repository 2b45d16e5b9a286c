"""Whole processes over generated repositories: a table and JSON. `python -m tests.bench.run --help`.

Each figure is the median of at least five runs of the installed command, its output checked, its peak memory read from
the kernel (the largest single process; reading forks one per core). Nothing is asserted about time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench import corpus

GITOPS = str(Path(sys.executable).parent / "gitops")


@dataclass(frozen=True)
class Figure:
    """One row: seconds and MiB of one scene at one size."""

    scene: str
    documents: int
    median_s: float
    min_s: float
    max_s: float
    peak_mib: float
    runs: int


def measure(command: list[str], cwd: Path, expect: str) -> tuple[float, float]:
    """Run once; seconds and peak MiB. Exits when the output isn't what the scene is about."""
    with tempfile.TemporaryFile() as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode()
    if process.returncode != 0 or not re.search(expect, text):
        sys.exit(f"{' '.join(command)} exited with {process.returncode} and printed:\n{text[-2000:]}")
    return seconds, usage.ru_maxrss / 1024


def scene(
    name: str, n: int, runs: int, command: list[str], cwd: Path, expect: str, before: Callable[[], None] | None = None
) -> Figure:
    """Repeat one scene; ``before`` puts the world back and isn't timed."""
    times, peaks = [], []
    for _ in range(runs):
        if before is not None:
            before()
        seconds, peak = measure(command, cwd, expect)
        times.append(seconds)
        peaks.append(peak)
    figure = Figure(name, n, statistics.median(times), min(times), max(times), max(peaks), runs)
    print(
        f"{figure.documents:>6}  {figure.scene:<44} {figure.median_s:7.3f} s  "
        f"({figure.min_s:.3f} to {figure.max_s:.3f})  {figure.peak_mib:6.0f} MiB",
        flush=True,
    )
    return figure


def start_up(runs: int, folder: Path) -> list[Figure]:
    """What doesn't depend on a repository; a bare interpreter beside it, for ratios."""
    return [
        scene("python -c pass (for comparison)", 0, runs, [sys.executable, "-c", "pass"], folder, ""),
        scene("gitops --help", 0, runs, [GITOPS, "--help"], folder, "apply"),
        scene("gitops --version", 0, runs, [GITOPS, "--version"], folder, r"\d+\.\d+"),
    ]


def repository(n: int, runs: int, root: Path) -> list[Figure]:
    """All scenes at one size."""
    repo, store = root / f"repo-{n}", root / f"store-{n}.db"
    repo.mkdir()
    slices = corpus.write(repo, n)
    figures = []

    def gone() -> None:
        for file in root.glob(f"store-{n}.db*"):
            file.unlink()

    to_store = ["--store", str(store), "--source", "bench"]
    plan, apply = [GITOPS, "plan", *to_store], [GITOPS, "apply", "--yes", *to_store]
    created = rf"{n:,}|{n}"
    figures.append(scene("validate, cold", n, runs, [GITOPS, "validate", "--rev", "HEAD"], repo, created))
    figures.append(scene("plan, cold, empty store", n, runs, plan, repo, created, gone))
    figures.append(scene("apply, first", n, runs, apply, repo, f"{slices:,}|{slices}", gone))
    figures.append(scene("plan, nothing changed", n, runs, plan, repo, "No changes"))

    one = root / f"one-{n}"
    subprocess.run(["git", "clone", "-q", str(repo), str(one)], check=True)
    edit(one / "checks/system-0/check-0.yaml", "method: GET", "method: HEAD")
    corpus.commit(one, "one check")
    figures.append(scene("plan, one file changed, fresh clone", n, runs, plan, one, "1 to change"))
    base = [GITOPS, "plan", "--base", "HEAD~1"]
    figures.append(scene("plan --base, one file changed", n, runs, base, one, "1 to change"))
    environment = root / f"environment-{n}"
    subprocess.run(["git", "clone", "-q", str(repo), str(environment)], check=True)
    edit(environment / "environments/staging.yaml", "staging.example.net", "staging.example.org")
    corpus.commit(environment, "one environment")
    changed = slices // len(corpus.ENVIRONMENTS)
    figures.append(
        scene("plan, one environment field changed", n, runs, plan, environment, f"{changed:,} change|{changed} change")
    )
    told = f"{changed:,} change|{changed} change"
    figures.append(scene("plan --base, one environment field changed", n, runs, base, environment, told))
    for folder in (repo, one, environment):
        shutil.rmtree(folder)
    return figures


def edit(file: Path, old: str, new: str) -> None:
    """Replace text in a file; it must be there."""
    text = file.read_text()
    if old not in text:
        sys.exit(f"{old!r} isn't in {file.name}")
    file.write_text(text.replace(old, new))


def main() -> None:
    """Parse, run, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,50000", help="documents, comma-separated")
    parser.add_argument("--runs", type=int, default=5, help="runs of each scene (at least 5 for figures one reports)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="gitops-bench-") as name:
        root = Path(name)
        figures = start_up(max(options.runs, 11), root)
        for size in options.sizes.split(","):
            figures += repository(int(size), options.runs, root)
    rows = [asdict(f) for f in figures]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    else:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
