"""Uptime Kuma's JSON backup: monitors with their groups and tags, and what they tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.importers.kuma.monitor import Backup, probe_of
from reconciler.importers.kuma.notifications import Notifications
from reconciler.importers.port import File, Imported, Notes, Unreadable
from reconciler.importers.secrets import Keeper

_KNOWN = frozenset({"version", "monitorList", "notificationList", "proxyList"})


def read(files: Sequence[File], notes: Notes) -> Imported:
    """Every monitor of the backups, in their order."""
    found, keeper = Imported(), Keeper(notes)
    for file in files:
        try:
            value = _backup(file)
        except Unreadable as error:
            notes.unread(file, error)
            continue
        told = Notifications(file, _records(value, "notificationList"), keeper, notes)
        monitors = _records(value, "monitorList")
        backup = Backup(file, _groups(monitors), _proxies(value), told, keeper, notes)
        for path, monitor in monitors:
            if monitor.get("type") != "group":
                probe = probe_of(monitor, path, backup)
                if probe is not None:
                    found.probes.append(probe)
        for key, item in value.items():
            if key not in _KNOWN and item:
                hint = (
                    "an Automation with automation.cron@1 and maintenance.start@1 says the same"
                    if "maint" in key
                    else None
                )
                notes.left(file.at((key,)), f"{key} has no equal that an import could write", hint)
        found.channels += told.channels()
    return found


def _backup(file: File) -> dict[str, Any]:
    value = file.json()
    if isinstance(value, list):
        return {"monitorList": value}
    if not isinstance(value, dict) or "monitorList" not in value:
        raise Unreadable(
            "this is no backup of Uptime Kuma: it has no monitorList", 1, "export it under Settings, Backup"
        )
    return value


def _records(value: dict[str, Any], key: str) -> list[tuple[Path, dict[str, Any]]]:
    """The records with their paths, whether they are a list or a map by id."""
    held = value.get(key)
    items = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
    return [((key, step), item) for step, item in items if isinstance(item, dict)]


def _groups(monitors: Sequence[tuple[Path, dict[str, Any]]]) -> dict[str, str]:
    """Titles of the groups by id; those of the same name carry the name of the group around them."""
    groups = {str(m.get("id")): m for _, m in monitors if m.get("type") == "group"}
    names = {key: str(m.get("name") or f"Group {key}").strip() for key, m in groups.items()}
    counts = Counter(names.values())
    around = {key: str(monitor.get("parent")) for key, monitor in groups.items()}
    return {
        key: f"{names[around[key]]} {name}" if counts[name] > 1 and around[key] in names else name
        for key, name in names.items()
    }


def _proxies(value: dict[str, Any]) -> dict[str, tuple[Path, dict[str, Any]]]:
    return {str(proxy.get("id")): (path, proxy) for path, proxy in _records(value, "proxyList")}
