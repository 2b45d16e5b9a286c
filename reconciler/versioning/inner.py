"""Where the inner configurations of a version 2 document are, and which version their pins name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from reconciler.base.diagnostics import Path
from reconciler.kinds.table import ACTIONS, COLLECTORS, STRATEGIES, TRIGGERS, Entry

NESTED = ("sequence", "else", "parallel", "choose", "repeat")
"""Keys of an action that hold further actions, at whatever depth."""


class Inner(NamedTuple):
    """A pinned configuration: ``holder[key]`` is the pin (``http@3``), ``holder["config"]`` its configuration."""

    path: Path
    holder: dict[str, Any]
    key: str
    entry: Entry
    version: int


def behind(kind: str, data: dict[str, Any]) -> list[Inner]:
    """The inner configurations whose pins are below their heads. What can't be understood is left to validation."""
    found = _INSIDE.get(kind)
    spec = data.get("spec")
    if found is None or not isinstance(spec, dict):
        return []
    if kind == "Automation" and not _have_history(len(TRIGGERS), len(ACTIONS)):
        return []
    return [inner for inner in found(spec) if inner.version < inner.entry.head]


@cache
def _have_history(triggers: int, actions: int) -> bool:
    """Whether any trigger or action has a version below its head; else no automation needs to be walked.

    The sizes of the tables are the key, because plugins add to them.
    """
    return any(entry.head > entry.first for table in (TRIGGERS, ACTIONS) for entry in table.values())


def of_check(spec: dict[str, Any]) -> Iterator[Inner]:
    """Those of a check's spec; a slice holds the same, without what isn't for executors."""
    strategy = spec.get("strategy")
    if not isinstance(strategy, dict):
        return
    name, version = split_pin(strategy.get("type"))
    entry = STRATEGIES.get(name)
    if entry is not None and version:
        yield Inner(("spec", "strategy"), strategy, "type", entry, version)
    collectors = spec.get("collectors")
    if not isinstance(collectors, list):
        return
    for index, collector in enumerate(collectors):
        if isinstance(collector, dict):
            bare, version = split_pin(collector.get("type"))
            entry = COLLECTORS.get(f"{name}.{bare}")
            if entry is not None and version:
                yield Inner(("spec", "collectors", index), collector, "type", entry, version)


def _automation(spec: dict[str, Any]) -> Iterator[Inner]:
    triggers = spec.get("triggers")
    if isinstance(triggers, list):
        for index, trigger in enumerate(triggers):
            if isinstance(trigger, dict):
                name, version = split_pin(trigger.get("event"))
                entry = TRIGGERS.get(name)
                if entry is not None and version:
                    yield Inner(("spec", "triggers", index), trigger, "event", entry, version)
    for path, action in actions(spec.get("actions"), ("spec", "actions")):
        name, version = split_pin(action.get("action"))
        entry = ACTIONS.get(name)
        if entry is not None and version:
            yield Inner(path, action, "action", entry, version)


def actions(value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every map below ``value`` that may be an action, with its path; control blocks are entered at any depth.

    A stack and no recursion, so that a hostile depth of nesting costs memory only.
    """
    waiting: list[tuple[Path, Any]] = [(path, value)]
    while waiting:
        at, node = waiting.pop()
        if isinstance(node, list):
            waiting.extend([((*at, i), item) for i, item in enumerate(node)][::-1])
        elif isinstance(node, dict):
            if "action" in node:
                yield at, node
            waiting.extend(((*at, key), node[key]) for key in NESTED if key in node)


def split_pin(pin: Any) -> tuple[str, int]:
    """``http@3`` as ``("http", 3)``; version 0 where there is none, or none to be understood."""
    if not isinstance(pin, str):
        return "", 0
    name, _, version = pin.partition("@")
    return name, int(version) if version.isascii() and version.isdigit() and len(version) < 6 else 0


_INSIDE = {"Check": of_check, "Automation": _automation}
