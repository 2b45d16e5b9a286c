"""Gatus: endpoints with conditions, alerts, and its own settings. Several files are merged as Gatus does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.importers.gatus.alerting import Alerting
from reconciler.importers.gatus.endpoint import Context, probe_of
from reconciler.importers.port import File, Imported, Notes, Unreadable
from reconciler.importers.secrets import Keeper

_OWN = frozenset(
    (
        *("storage", "web", "ui", "security", "metrics", "debug", "concurrency", "connectivity"),
        *("disable-monitoring-lock", "skip-invalid-config-update"),
    )
)
"""Settings of Gatus itself, which say nothing about what is checked."""
_UNLIKE = {
    "maintenance": "an Automation with automation.cron@1 and maintenance.start@1 says the same",
    "remote": "import the configuration of the other instance as well",
    "tunneling": "run a worker where the endpoints can be reached",
    "announcements": None,
}
_WITHOUT_EQUAL = {
    "external-endpoints": ("is pushed from outside", "write a Check that looks for itself, such as a script"),
    "suites": ("is a suite of requests that share values", "write a Check with a script that makes them in turn"),
}


def read(files: Sequence[File], notes: Notes) -> Imported:
    """Every endpoint of the files, in their order."""
    found, keeper = Imported(), Keeper(notes, variables=True)
    loaded = [(file, value) for file in files if (value := _loaded(file, notes)) is not None]
    alerting = Alerting(loaded, keeper, notes)
    for file, value in loaded:
        _settings(file, value, notes)
        for key in ("endpoints", "services"):
            context = Context(file, keeper, notes, alerting)
            for index, endpoint in enumerate(_items(file, value, key, notes)):
                probe = probe_of(endpoint, (key, index), context)
                if probe is not None:
                    found.probes.append(probe)
    found.channels = alerting.channels()
    return found


def _loaded(file: File, notes: Notes) -> dict[str, Any] | None:
    try:
        value = file.yaml()
        if value is not None and not isinstance(value, dict):
            raise Unreadable("this is no configuration of Gatus: it has to be a map with endpoints", 1)
    except Unreadable as error:
        notes.unread(file, error)
        return None
    return value


def _items(file: File, value: dict[str, Any], key: str, notes: Notes) -> list[Any]:
    items = value.get(key)
    if items is None:
        return []
    if isinstance(items, list):
        return items
    notes.left(file.at((key,)), f"{key} has to be a list", "write one item for each, beginning with a dash")
    return []


def _settings(file: File, value: dict[str, Any], notes: Notes) -> None:
    for key, item in value.items():
        at = file.at((key,))
        if key in ("endpoints", "services", "alerting") or key.startswith("x-"):
            continue
        if key in _OWN:
            notes.left(at, f"{key} configures Gatus itself, and has nothing to do here", None)
        elif key in _UNLIKE:
            notes.left(at, f"{key} has no equal that an import could write", _UNLIKE[key])
        elif key in _WITHOUT_EQUAL and isinstance(item, list):
            sentence, hint = _WITHOUT_EQUAL[key]
            for index, each in enumerate(item):
                name = each.get("name", index) if isinstance(each, dict) else index
                notes.left(file.at((key, index)), f"{name} {sentence}", hint)
        else:
            notes.left(at, f"{key} isn't known to this importer", None)
