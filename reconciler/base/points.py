"""Entry points of other distributions, by name: more than one may take the same."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def by_name(group: str) -> dict[str, tuple[Any, ...]]:
    """All of a group; what is installed while the process runs isn't seen."""
    from importlib.metadata import entry_points

    found: dict[str, tuple[Any, ...]] = {}
    for point in entry_points(group=group):
        found[point.name] = (*found.get(point.name, ()), point)
    return found
