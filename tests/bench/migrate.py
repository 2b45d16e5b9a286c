"""A thousand version 1 files of ten documents each, rewritten: `python -m tests.bench.migrate --help`.

The median of several runs of the installed command, its output checked: by the clock, and by the processors' time,
which says more where others work on the same machine. Nothing is asserted about time.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GITOPS = str(Path(sys.executable).parent / "gitops")

_ENVIRONMENT = """\
apiVersion: checkstack.io/v1alpha1
kind: Environment
metadata: {{name: env-{n}, title: Environment {n}}}
spec:
  # what templates see
  fields: {{baseUrl: "https://e{n}.example.net", region: eu-1, tier: {n}}}
"""
_SYSTEM = """\
apiVersion: checkstack.io/v1alpha1
kind: System
metadata:
  name: system-{n}
  title: System {n}   # shown to people
  labels: {{owner: team-{n}}}
spec:
  fields: {{runbook: "https://wiki.example.net/{n}"}}
  environments:
    - {{kind: Environment, name: env-{n}}}
  healthchecks:
    # the page itself
    - ref: {{kind: Healthcheck, name: check-{n}-0}}
      degradedThreshold: 2
      unhealthyThreshold: 4
    - ref: {{kind: Healthcheck, name: check-{n}-1}}
"""
_CHECK = """\
apiVersion: checkstack.io/v1alpha1
kind: Healthcheck
metadata: {{name: check-{n}-{i}, title: "Check {n} {i}"}}
spec:
  strategy: healthcheck-http.http
  intervalSeconds: 60   # once a minute
  config: {{timeout: 8000}}
  collectors:
    - collectorId: healthcheck-http.request
      config:
        # the environment says where
        url: "{{{{ environment.baseUrl }}}}/{i}"
        method: GET
        headers:
          - {{name: X-Probe, value: "{{{{ system.name | lower }}}}"}}
          - {{name: X-Zone, value: "{{{{ environment.zone || 'none' }}}}"}}
      assertions:
        - {{field: statusCode, operator: equals, value: 200}}
        - {{field: responseTimeMs, operator: lessThan, value: 900}}
"""
_AUTOMATION = """\
apiVersion: checkstack.io/v1alpha1
kind: Automation
metadata: {{name: page-{n}}}
spec:
  triggers:
    - event: healthcheck.system_health_changed
      filter: "trigger.payload.newStatus == 'unhealthy' && !trigger.payload.environmentId"
      for: {{minutes: 5}}
  actions:
    # tell everybody
    - action: automation.log
      config: {{message: "{{{{ trigger.payload.systemId }}}} is down"}}
  mode: restart
  concurrency_scope: context_key
"""


def write(folder: Path, files: int) -> None:
    """Ten documents a file: an environment, a system, seven checks and an automation."""
    for n in range(files):
        documents = [_ENVIRONMENT.format(n=n), _SYSTEM.format(n=n)]
        documents += [_CHECK.format(n=n, i=i) for i in range(7)]
        documents.append(_AUTOMATION.format(n=n))
        (folder / f"monitoring/{n % 10}").mkdir(parents=True, exist_ok=True)
        (folder / f"monitoring/{n % 10}/{n}.yaml").write_text("---\n".join(documents), encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-q", "-m", "version 1")


def git(folder: Path, *arguments: str) -> None:
    """Raises when git does."""
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def timed(folder: Path, *arguments: str) -> tuple[float, float]:
    """Seconds of one run, and of all its processes; exits when the output isn't what was asked for."""
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([GITOPS, "migrate", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if "documents in" not in done.stdout:
        sys.exit(f"exit code {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    return seconds, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


def main() -> None:
    """Print a line a scene, and JSON for machines with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="gitops-bench-") as place:
        folder = Path(place)
        write(folder, asked.files)
        checks, writes = [], []
        for _ in range(asked.runs):
            checks.append(timed(folder, "--check"))
            writes.append(timed(folder, "--write"))
            git(folder, "checkout", "-q", "--", ".")
    for scene, runs in (("migrate --check", checks), ("migrate --write", writes)):
        figures[scene] = statistics.median(seconds for seconds, _ in runs)
        figures[f"{scene}, processors"] = statistics.median(used for _, used in runs)
    for scene, seconds in figures.items():
        print(f"{asked.files:>6} files of 10 documents  {scene:<28} {seconds:7.2f} s")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
