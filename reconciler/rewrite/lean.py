"""What nobody has to write: empty things that a step adds; and those that it takes away, which may as well stay."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.rewrite.claims import Claims

_MOST = 20
"""Empty things that are tried one by one; a document with more of them is written as its steps say."""


def leanest(original: dict[str, Any], target: dict[str, Any], means_the_same: Callable[[Any], bool]) -> dict[str, Any]:
    """The target, nearer to the original by things that are empty, as long as it means the same."""
    claims: Claims | None = None
    added, gone = _empties(target, ()), _empties(original, ())
    if not added and not gone:
        return target
    claims = Claims(original, target)
    tries = [(path, None, False) for path, _ in added if _is_new(path, original, claims)]
    for old, value in gone:
        new = claims.users.get(old[:-1])
        if new is not None and old not in claims.users and old[-1] not in _get(target, new):
            tries.append(((*new, old[-1]), value, True))
    for path, value, put in tries[:_MOST]:
        candidate = deepcopy(target)
        holder = _get(candidate, path[:-1])
        if put:
            holder[path[-1]] = value
        else:
            del holder[path[-1]]
        if means_the_same(candidate):
            target = candidate
    return target


def _is_new(path: Path, original: dict[str, Any], claims: Claims) -> bool:
    """Whether a step added it, rather than changed it."""
    if path in claims.of or claims.in_whole(path):
        return False
    old = claims.of.get(path[:-1])
    return old is None or path[-1] not in _get(original, old)


def _empties(data: Any, at: Path) -> list[tuple[Path, Any]]:
    """Keys of maps, at any depth, whose values are empty."""
    found: list[tuple[Path, Any]] = []
    for step, value in data.items() if isinstance(data, dict) else enumerate(data):
        if isinstance(value, (dict, list)) and value:
            found += _empties(value, (*at, step))
        elif isinstance(data, dict) and value in ({}, [], None, ""):
            found.append(((*at, step), value))
    return found


def _get(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data
