"""Which Python and which Node.js scripts run on, and where those are inside.

Scripts get the Python this tool itself runs on, since managed packages are built for exactly that one, without the
virtual environment around it: what the tool is installed with is no business of a script.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache

_INSIDE_PYTHON = "/opt/python"
_INSIDE_NODE = "/opt/node/bin/node"
_BOUND = ("/usr/", "/bin/", "/lib/", "/lib64/")
"""Folders that every sandbox has."""
_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """``path`` is as seen inside; ``read_only`` what has to be bound for that, (host path, path inside)."""

    path: str
    read_only: tuple[tuple[str, str], ...] = ()


@cache
def python() -> Interpreter:
    """The Python below this process's virtual environment."""
    path = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    if path.startswith(_BOUND):
        return Interpreter(path)
    prefix = os.path.realpath(sys.base_prefix)
    # A shared build finds its library by the absolute path it was built for.
    inside = prefix if sysconfig.get_config_var("Py_ENABLE_SHARED") else _INSIDE_PYTHON
    if not path.startswith(prefix + "/"):
        return Interpreter(path, ((path, path), (prefix, prefix)))
    return Interpreter(inside + path[len(prefix) :], ((prefix, inside),))


@cache
def node() -> Interpreter | None:
    """Node.js of the system, else the first on PATH; None where there is none."""
    folders = (*_FOLDERS, *os.environ.get("PATH", "").split(os.pathsep))
    for folder in folders:
        found = os.path.join(folder, "node")
        if folder.startswith("/") and os.path.isfile(found) and os.access(found, os.X_OK):
            path = os.path.realpath(found)
            bound = path.startswith(_BOUND)
            return Interpreter(path) if bound else Interpreter(_INSIDE_NODE, ((path, _INSIDE_NODE),))
    return None
