"""Kinds, strategies, collectors, triggers and actions of other distributions, found by their entry points.

``importlib.metadata`` costs 30 ms to import and most installations have no plugin, so the entry point files are first
searched for our group names as plain bytes, which takes about a millisecond.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from reconciler.base.errors import GitopsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.kinds.table import Entry

_PREFIX = "gitops."
_NEEDLE = b"[gitops."


def mentioned(search: Sequence[str]) -> bool:
    """Whether any distribution under these folders declares an entry point group of ours."""
    return any(_NEEDLE in data for folder in search for data in _entry_point_files(folder))


def discover(
    taken: Mapping[str, frozenset[str]], *, search: Sequence[str] | None = None
) -> list[tuple[str, str, Entry]]:
    """``(table, name, entry)`` of every plugin, sorted. ``taken`` are the built-in names of each table.

    Raises ``GitopsError`` when a name is built in, comes from two distributions, or its entry can't be loaded.
    """
    search = sys.path if search is None else search
    if not mentioned(search):
        return []
    from importlib.metadata import distributions

    found: dict[tuple[str, str], tuple[str, Entry]] = {}
    for distribution in distributions(path=list(search)):
        owner = distribution.metadata["Name"] or "an unnamed distribution"
        for point in distribution.entry_points:
            group = point.group.removeprefix(_PREFIX)
            if not point.group.startswith(_PREFIX) or group not in taken:
                continue
            if point.name in taken[group]:
                raise GitopsError(f"the plugin {owner} declares {group}/{point.name}, which is built in", hint=_REMOVE)
            before = found.get((group, point.name))
            if before is not None and before[0] != owner:
                raise GitopsError(
                    f"the plugins {before[0]} and {owner} both declare {group}/{point.name}", hint=_REMOVE
                )
            if before is None:
                found[group, point.name] = (owner, _load(owner, group, point.name, point.load))
    return [(group, name, entry) for (group, name), (_, entry) in sorted(found.items())]


_REMOVE = "uninstall that plugin, or ask its authors to choose another name"


def _load(owner: str, group: str, name: str, load: object) -> Entry:
    from reconciler.kinds.table import Entry

    where = f"{group}/{name} of the plugin {owner}"
    try:
        entry = load() if callable(load) else None
    except Exception as error:
        raise GitopsError(f"{where} can't be loaded: {error}") from error
    if not isinstance(entry, Entry):
        raise GitopsError(f"{where} is no reconciler.kinds.table.Entry", hint="the entry point names an Entry instance")
    subject = name.lower() if group == "kinds" else f"{group}/{name}"
    if entry.subject != subject:
        raise GitopsError(f"{where} calls its subject {entry.subject!r}; it has to be {subject!r}")
    return entry


def _entry_point_files(folder: str) -> Iterator[bytes]:
    try:
        names = [entry.path for entry in os.scandir(folder or ".") if entry.name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return
    for path in names:
        try:
            with open(os.path.join(path, "entry_points.txt"), "rb") as file:
                yield file.read()
        except OSError:
            continue
