"""Where a block stands: ``actions[0].choose[1].sequence[2]``, and ``repeat[7]`` for the eighth round of a loop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.base.diagnostics import Path

_STEP = re.compile(r"([A-Za-z]+)|\[([0-9]+)\]")

_BRANCH = re.compile(r"\.parallel\[[0-9]+\]")


def steps(path: str) -> Path:
    """The parts of a path: names and indexes."""
    return tuple(name or int(index) for name, index in _STEP.findall(path))


def document_path(path: str) -> Path:
    """The path in the document: below ``spec``, and without the rounds of loops."""
    found: list[str | int] = ["spec"]
    for step in steps(path):
        if isinstance(step, int) and found[-1] == "repeat":
            continue
        found.append(step)
    return tuple(found)


def block_at(spec: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    """The block that stands there; None when there is none."""
    found: Any = spec
    try:
        for step in document_path(path)[1:]:
            found = found[step]
    except (KeyError, IndexError, TypeError):
        return None
    return found if isinstance(found, Mapping) else None


def branch_of(path: str) -> str:
    """The innermost branch of a ``parallel`` that a place lies in; empty outside of any."""
    return path[: max((match.end() for match in _BRANCH.finditer(path)), default=0)]


def below(path: str, container: str) -> bool:
    """Whether ``path`` lies inside the block at ``container``."""
    return path.startswith(container) and path[len(container) : len(container) + 1] in (".", "[")
