"""A generated repository of a real one's size: documents of about 25 lines, five environments, five slices a check."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

ENVIRONMENTS = ("production", "staging", "preview", "canary", "sandbox")
CHECKS_PER_SYSTEM = 10

_CHECK = """\
# Probe {i} of system {s}: is the {word} endpoint there, and does it answer in time?
apiVersion: gitops/v2
kind: Check
metadata:
  name: check-{i}
  title: Check number {i}
  description: Watches the {word} endpoint of system {s}.
  labels:
    team: team-{team}
    tier: "{tier}"
spec:
  interval: {interval}s
  strategy:
    type: http@3
    config: {{timeout: {timeout}s}}
  collectors:
    - type: request@1
      config:
        url: "{{{{ environment.baseUrl }}}}/{word}/{i}"
        method: GET
        headers:
          - {{name: X-Probe, value: "{{{{ system.name }}}}"}}
          - {{name: X-Check, value: "check-{i}"}}
      assertions:
        - {{field: statusCode, operator: equals, value: 200}}
        - {{field: responseTimeMs, operator: lessThan, value: {limit}}}
"""

_SYSTEM = """\
apiVersion: gitops/v2
kind: System
metadata:
  name: system-{s}
  title: System number {s}
spec:
  fields:
    runbook: https://wiki.example.net/system-{s}
  environments: [{environments}]
  checks:
{checks}"""

_ENVIRONMENT = """\
apiVersion: gitops/v2
kind: Environment
metadata: {{name: {name}, title: {title}}}
spec:
  fields: {{baseUrl: "https://{name}.example.net", region: eu-{n}, tier: {n}}}
"""

_WORDS = ("ready", "health", "orders", "login", "search", "metrics", "status")


def documents(n: int) -> Iterator[tuple[str, str]]:
    """(path, text) of ``n`` documents: one file for each check and environment, ten systems a file."""
    systems = max(1, (n - len(ENVIRONMENTS)) // (CHECKS_PER_SYSTEM + 1))
    checks = n - len(ENVIRONMENTS) - systems
    for number, name in enumerate(ENVIRONMENTS, 1):
        yield f"environments/{name}.yaml", _ENVIRONMENT.format(name=name, title=name.title(), n=number)
    pending: list[str] = []
    for s in range(systems):
        mine = range(s, checks, systems)
        lines = "".join(f"    - {{check: check-{i}, thresholds: {{degraded: 2, unhealthy: 4}}}}\n" for i in mine)
        pending.append(_SYSTEM.format(s=s, environments=", ".join(ENVIRONMENTS), checks=lines))
        if len(pending) == 10 or s == systems - 1:
            yield f"systems/group-{s // 10}.yaml", "---\n".join(pending)
            pending = []
    for i in range(checks):
        s, word = i % systems, _WORDS[i % len(_WORDS)]
        text = _CHECK.format(
            i=i, s=s, word=word, team=i % 13, tier=i % 3, interval=30 + i % 90, timeout=5 + i % 10, limit=500 + i % 700
        )
        yield f"checks/system-{s}/check-{i}.yaml", text


def write(folder: Path, n: int) -> int:
    """Write and commit the repository; returns the number of slices it means."""
    for path, text in documents(n):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "first")
    git(folder, "repack", "-a", "-d", "-q")  # as a clone over a network is
    systems = max(1, (n - len(ENVIRONMENTS)) // (CHECKS_PER_SYSTEM + 1))
    return (n - len(ENVIRONMENTS) - systems) * len(ENVIRONMENTS)


def commit(folder: Path, message: str) -> None:
    """Everything there is."""
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=bench", "-c", "user.email=bench@example.net", "commit", "-q", "-m", message)


def git(folder: Path, *arguments: str) -> None:
    """Run git, quietly."""
    subprocess.run(["git", "-C", str(folder), "-c", "gc.auto=0", *arguments], check=True, capture_output=True)
