"""pip and npm as processes: what they are told, and what of their complaints reaches a person."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from reconciler.sandbox.packages.faults import PackagesError

_SHOWN = 12  # lines of a tool's complaint
_PIP = ("--disable-pip-version-check", "--no-input", "--quiet")
_NPM = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-bin-links", "--no-update-notifier", "--loglevel=error")


def pip(*arguments: str, cwd: Path) -> None:
    """Run the pip beside this tool, with the indexes and proxies that its own settings name."""
    _run([sys.executable, "-I", "-m", "pip", *_PIP, *arguments], "pip", cwd)


def npm(*arguments: str, cwd: Path, cache: Path) -> None:
    """Run npm without install scripts. Its cache is the caller's: no other build can have put something there."""
    found = shutil.which("npm")
    if found is None:
        raise PackagesError(
            "npm packages are allowed, but there is no npm on this host", hint="install Node.js with npm"
        )
    _run([found, *arguments, *_NPM, f"--cache={cache}"], "npm", cwd)


def _run(command: Sequence[str], name: str, cwd: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PIP_TARGET", "PIP_USER", "PIP_PREFIX", "PIP_ROOT")}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False
        )
    except OSError as error:
        raise PackagesError(f"{name} can't be started: {error.strerror}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        if any("No module named pip" in line for line in said):
            raise PackagesError("there is no pip beside this tool", hint="run python -m ensurepip in its environment")
        raise PackagesError(f"{name} failed with exit code {done.returncode}:\n" + "\n".join(said[-_SHOWN:]))
