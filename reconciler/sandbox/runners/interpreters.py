"""Which Python and which Node.js scripts run on, and where those are inside.

Scripts get the Python this tool itself runs on, since managed packages are built for exactly that one, without the
virtual environment around it: what the tool is installed with is no business of a script.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache

_BOUND = ("/usr/", "/bin/", "/lib/", "/lib64/")
"""Folders that every sandbox has."""
_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """``read_only`` is what has to be bound for ``path`` to work, (host path, path inside).

    ``ours``: a Python of the same version as this process, which takes code that was compiled here.
    """

    path: str
    read_only: tuple[tuple[str, str], ...] = ()
    ours: bool = False


@cache
def python() -> Interpreter:
    """The Python below this process's virtual environment."""
    path = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    if path.startswith(_BOUND):
        return Interpreter(path, ours=True)
    prefix = os.path.realpath(sys.base_prefix)
    bound = (prefix,) if path.startswith(f"{prefix}/") else (path, prefix)
    return Interpreter(path, _same(*bound), ours=True)


@cache
def node() -> Interpreter | None:
    """Node.js of the system, else the first on PATH; None where there is none."""
    folders = (*_FOLDERS, *os.environ.get("PATH", "").split(os.pathsep))
    for folder in folders:
        found = os.path.join(folder, "node")
        if folder.startswith("/") and os.path.isfile(found) and os.access(found, os.X_OK):
            path = os.path.realpath(found)
            return Interpreter(path) if path.startswith(_BOUND) else Interpreter(path, _same(path))
    return None


def _same(*paths: str) -> tuple[tuple[str, str], ...]:
    """Bound where they are: shared builds find their library by that path, and runs without a sandbox need no other."""
    return tuple((path, path) for path in paths)
