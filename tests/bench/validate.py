"""Whole processes of ``gitops validate --only-changed`` over generated repositories.

One changed file, in a fresh clone and on disk, and everything beside it, for the ratio. How is told by tests.bench.run.
`python -m tests.bench.validate --help`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.bench import corpus
from tests.bench.run import GITOPS, Figure, edit, scene


def repository(n: int, runs: int, root: Path) -> list[Figure]:
    """All scenes at one size."""
    repo, one = root / f"repo-{n}", root / f"one-{n}"
    repo.mkdir()
    corpus.write(repo, n)
    subprocess.run(["git", "clone", "-q", str(repo), str(one)], check=True)
    edit(one / "checks/system-0/check-0.yaml", "method: GET", "method: HEAD")
    corpus.commit(one, "one check")
    changed = [GITOPS, "validate", "--only-changed", "HEAD~1"]
    five = r"1 changed file, 5 slices"
    figures = [
        scene("validate, everything", n, runs, [GITOPS, "validate"], one, "Valid"),
        scene("validate --only-changed, one check", n, runs, changed, one, five),
        scene("validate --only-changed --rev, one check", n, runs, [*changed, "--rev", "HEAD"], one, five),
    ]
    edit(one / "environments/staging.yaml", "staging.example.net", "staging.example.org")
    corpus.commit(one, "one environment")
    figures.append(scene("validate --only-changed, one environment", n, runs, changed, one, "1 changed file"))
    for folder in (repo, one):
        shutil.rmtree(folder)
    return figures


def main() -> None:
    """Parse, run, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000", help="documents, comma-separated")
    parser.add_argument("--runs", type=int, default=5, help="runs of each scene (at least 5 for figures one reports)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="gitops-bench-") as name:
        rows = [
            asdict(figure)
            for size in options.sizes.split(",")
            for figure in repository(int(size), options.runs, Path(name))
        ]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    else:
        json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
