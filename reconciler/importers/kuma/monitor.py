"""One monitor of Uptime Kuma, as far as its type has a strategy here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.base.durations import format_duration
from reconciler.importers.kuma import databases
from reconciler.importers.kuma.network import MEASURES as NETWORK
from reconciler.importers.kuma.notifications import Notifications
from reconciler.importers.kuma.web import MEASURES as WEB
from reconciler.importers.places import known
from reconciler.importers.port import File, Notes
from reconciler.importers.probe import Measure, Probe
from reconciler.importers.secrets import Keeper

_LEAST, _MOST = 1, 31 * 86_400
_SCRIPT = "a Check with a script can do it"
_HINTS = {
    "push": "write a Check that looks for itself, such as a script",
    "docker": "a script can ask docker, where the sandbox lets it",
    "real-browser": _SCRIPT,
    "sqlserver": _SCRIPT,
    "mongodb": _SCRIPT,
}
_USUAL = {"degraded": 2, "unhealthy": 5}


@dataclass(slots=True)
class Backup:
    """What the monitors of one file share."""

    file: File
    groups: dict[str, str]
    proxies: dict[str, tuple[Path, dict[str, Any]]]
    notifications: Notifications
    keeper: Keeper
    notes: Notes


@dataclass(slots=True)
class Monitor:
    """One record, while it is read. ``extra`` are further checks of the same system."""

    data: dict[str, Any]
    path: Path
    title: str
    backup: Backup
    extra: list[Measure]

    def left(self, key: str | None, message: str, hint: str | None = None) -> None:
        """``key`` of the monitor has no equal; None: the monitor as a whole."""
        path = self.path if key is None else (*self.path, key)
        self.backup.notes.left(self.backup.file.at(path), message, hint)

    def changed(self, key: str, message: str, hint: str | None = None) -> None:
        """``key`` means something a little different here."""
        self.backup.notes.changed(self.backup.file.at((*self.path, key)), message, hint)

    def text(self, key: str) -> str:
        """The text of ``key``; empty where there is none."""
        value = self.data.get(key)
        return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""

    def yes(self, key: str) -> bool:
        """Whether ``key`` is switched on; databases of Kuma write 1 for it."""
        return self.data.get(key) in (True, 1, "1", "true")

    def secret(self, key: str, value: str, what: str) -> str:
        """A reference to the secret that holds ``value``."""
        return self.backup.keeper.text(
            value, self.backup.file.at((*self.path, key)), self.title, _WORDS.get(key, key), what=what
        )


_WORDS = {
    "basic_auth_pass": "password",
    "databaseConnectionString": "password",
    "radiusPassword": "password",
    "tlsKey": "client key",
    "headers": "header",
    "proxyId": "proxy password",
}

MEASURES: dict[str, Callable[[Monitor], Measure | None]] = {**WEB, **NETWORK, **databases.MEASURES}


def probe_of(data: dict[str, Any], path: Path, backup: Backup) -> Probe | None:
    """None for what can't be checked here, or isn't checked there; both are told."""
    title = str(data.get("name") or "").strip() or f"monitor {data.get('id', path[-1])}"
    monitor = Monitor(data, path, title, backup, [])
    kind = str(data.get("type") or "")
    if data.get("active") in (False, 0, "0"):
        monitor.left("active", f"{title} is paused, and was left out", "write it when it is wanted again")
        return None
    if kind not in MEASURES:
        monitor.left(
            "type",
            f"{title} was left out: monitors of the type {kind or 'nothing'} have no strategy here",
            _HINTS.get(kind),
        )
        return None
    if monitor.yes("upsideDown"):
        hint = "a script can turn it round"
        monitor.left("upsideDown", f"{title} was left out: it is healthy when nothing answers, which no check is", hint)
        return None
    measure = MEASURES[kind](monitor)
    if measure is None:
        return None
    _timing(monitor, measure)
    probe = Probe(title, backup.file.at(path), [measure, *monitor.extra], backup.groups.get(str(data.get("parent"))))
    probe.description = monitor.text("description") or None
    probe.thresholds = _thresholds(monitor)
    _tags(monitor, probe)
    probe.channels = backup.notifications.of(data.get("notificationIDList"), (*path, "notificationIDList"))
    return probe


def _timing(monitor: Monitor, measure: Measure) -> None:
    interval = _number(monitor.data.get("interval"), 60)
    if not _LEAST <= interval <= _MOST:
        monitor.changed("interval", "an interval is from 1s to 31d here; the nearest is used")
    measure.interval = int(min(max(interval, _LEAST), _MOST) * 1000)
    limit = _number(monitor.data.get("timeout"), 0)
    if limit > 0 and limit != 30:
        measure.config["timeout"] = format_duration(int(min(max(limit, 0.1), 300) * 1000))
    if limit > 300:
        monitor.changed("timeout", "a timeout is at most 5m here")
    if monitor.data.get("conditions"):
        monitor.left(
            "conditions",
            f"the conditions of {monitor.title} have no equal that an import could write",
            "write assertions",
        )


def _thresholds(monitor: Monitor) -> dict[str, int]:
    """Kuma calls a monitor pending while it retries, and down after that."""
    retries = int(_number(monitor.data.get("maxretries"), 0))
    retry = _number(monitor.data.get("retryInterval"), 0)
    if retries > 0 and retry and retry != _number(monitor.data.get("interval"), 60):
        monitor.changed("retryInterval", f"{monitor.title} is retried at its usual interval")
    if _number(monitor.data.get("resendInterval"), 0) > 0:
        monitor.left(
            "resendInterval",
            f"{monitor.title} is told once, not again and again",
            "an Automation can tell again after a delay",
        )
    if retries <= 0:
        return {"unhealthy": 1}
    found = {"degraded": 1, "unhealthy": retries + 1}
    return {key: value for key, value in found.items() if value != _USUAL[key]}


def _tags(monitor: Monitor, probe: Probe) -> None:
    tags = monitor.data.get("tags")
    for tag in tags if isinstance(tags, list) else []:
        name = str(tag.get("name") or "").strip() if isinstance(tag, dict) else ""
        value = str(tag.get("value") or "").strip() if isinstance(tag, dict) else ""
        if name.lower() in ("env", "environment") and value:
            probe.environment = value
        elif name and value:
            probe.labels[name] = value
        elif name and known(name) is not None and probe.environment is None:
            probe.environment = name
        elif name and name not in probe.tags:
            probe.tags.append(name)


def _number(value: Any, default: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return default
    return number if number == number and abs(number) < 1e12 else default
