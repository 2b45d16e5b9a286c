"""``gitops init``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.base.errors import UsageError
from reconciler.cli.lazy import Command
from reconciler.cli.options import prints
from reconciler.report.output import Output

_SETTINGS = """\
# How this repository wants to be treated. Every key may be left out.

source: {name}            # the name of this source; other sources in the same store have other names
include: ["monitoring/**/*.yaml"]
deletion: orphan          # what is gone from git keeps running until somebody ends it; or: delete
limits:
  deletePercent: 30       # a plan that deletes more than this is refused, unless forced
"""
_ENVIRONMENTS = """\
# An environment holds what differs from place to place. Checks read its fields as {{ environment.<field> }}.
apiVersion: gitops/v2
kind: Environment
metadata: {name: staging}
spec:
  fields:
    baseUrl: https://staging.example.com
---
apiVersion: gitops/v2
kind: Environment
metadata: {name: production, title: Production}
spec:
  extends: staging        # its fields lie underneath, so that only the difference stands here
  fields:
    baseUrl: https://www.example.com
"""
_SYSTEM = """\
# A system is what people care about: it lives in environments, and checks tell how it is.
apiVersion: gitops/v2
kind: System
metadata: {name: website}
spec:
  environments: [staging, production]
  checks:
    - check: website-http
      # environments: [production]              # only there; left out: everywhere the system is
      thresholds: {degraded: 2, unhealthy: 4}   # failures in a row
"""
_CHECK = """\
# A check says what is run, how often, and what must be true. It is rendered for each environment.
apiVersion: gitops/v2
kind: Check
metadata: {name: website-http}
spec:
  interval: 1m
  strategy: {type: http@3, config: {timeout: 10s}}   # gitops explain http@3 tells what can stand here
  collectors:
    - type: request@1
      config:
        url: "{{ environment.baseUrl }}/"
      assertions:
        - {field: statusCode, operator: equals, value: 200}
"""


@click.command(cls=Command)
@click.argument("directory", required=False, default=".", type=click.Path(path_type=Path, file_okay=False))
@prints(quiet=True)
def command(output: Output, *, directory: Path) -> None:
    """Write a small repository that applies, with comments that teach, into DIRECTORY. Overwrites nothing."""
    name = directory.resolve().name or "root"
    files = {
        "gitops.yaml": _SETTINGS.replace("{name}", _quoted(name)),
        "monitoring/environments.yaml": _ENVIRONMENTS,
        "monitoring/systems/website.yaml": _SYSTEM,
        "monitoring/checks/website-http.yaml": _CHECK,
    }
    there = [path for path in files if (directory / path).exists() or (directory / path).is_symlink()]
    if there:
        raise UsageError(f"{directory / there[0]} is there already; nothing was written", hint="name an empty folder")
    written = _write(directory, files)
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT

        output.data({"format": FORMAT, "directory": str(directory), "written": written})
        return
    output.lines([f"Wrote {path}" for path in written])
    inside = "" if directory == Path(".") else f" -C {directory}"
    output.lines(["", f"Next: gitops validate{inside}, then gitops plan --worktree{inside}"])


def _write(directory: Path, files: dict[str, str]) -> list[str]:
    for path, text in files.items():
        target = directory / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"{target} can't be written: {error.strerror}", hint="name another folder") from error
    return list(files)


def _quoted(name: str) -> str:
    """A folder may be called anything; JSON's quotes are YAML's as well."""
    from reconciler.base.canonical import dumps

    plain = name.replace("-", "").replace("_", "")
    return name if plain.isascii() and plain.isalpha() else dumps(name).decode()
