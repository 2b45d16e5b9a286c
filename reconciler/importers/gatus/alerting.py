"""Alerts of Gatus: their thresholds go to the systems, and what they tell becomes automations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.importers.gatus.providers import PROVIDERS, Provider
from reconciler.importers.port import File, Notes
from reconciler.importers.probe import Channel, Probe
from reconciler.importers.secrets import Keeper

FAILURES, SUCCESSES = 3, 2
"""What Gatus takes where an alert doesn't say."""
_UNLIKE = {
    "minimum-reminder-interval": "an Automation can tell again after a delay",
    "provider-override": "a second Automation can tell another channel",
}
_TITLES = {
    "slack": "Slack",
    "mattermost": "Mattermost",
    "rocketchat": "Rocket.Chat",
    "googlechat": "Google Chat",
    "teams": "Teams",
    "teams-workflows": "Teams",
    "discord": "Discord",
    "telegram": "Telegram",
    "ntfy": "ntfy",
    "gotify": "Gotify",
    "github": "GitHub",
    "custom": "the custom address",
}


class Alerting:
    """The providers of all files, each read when an endpoint first names it."""

    def __init__(self, loaded: Sequence[tuple[File, dict[str, Any]]], keeper: Keeper, notes: Notes) -> None:
        self._keeper, self._notes = keeper, notes
        self._providers: dict[str, tuple[File, Path, dict[str, Any]]] = {}
        self._channels: dict[str, Channel | None] = {}
        self._named: set[str] = set()
        for file, value in loaded:
            alerting = value.get("alerting")
            for kind, config in alerting.items() if isinstance(alerting, dict) else ():
                if isinstance(config, dict):
                    merged = {**self._providers.get(kind, (file, (), {}))[2], **config}
                    self._providers[kind] = (file, ("alerting", kind), merged)

    def channels(self) -> list[Channel]:
        """Those that something tells; providers that nothing names are told to the user."""
        for kind, (file, path, _) in self._providers.items():
            if kind not in self._named:
                self._notes.left(
                    file.at(path), f"no endpoint alerts by {kind}", "nothing to do, unless that is a mistake"
                )
        found = [channel for channel in self._channels.values() if channel is not None]
        both = {channel.title for channel in found if channel.recovery}
        for channel in found:
            if not channel.recovery and channel.title in both:
                channel.title += " of outages only"
        return found

    def tell(self, alerts: Any, path: Path, file: File, probe: Probe) -> None:
        """Give a monitor the channels and thresholds of its alerts."""
        limits: set[tuple[int, int]] = set()
        keys: list[str] = []
        for index, alert in enumerate(alerts if isinstance(alerts, list) else []):
            place = (*path, index)
            if not isinstance(alert, dict) or not isinstance(alert.get("type"), str):
                self._notes.left(file.at(place), "an alert has to be a map with a type", None)
                continue
            whole = {**self._default(alert["type"]), **alert}
            self._named.add(alert["type"])
            if whole.get("enabled") is False:
                continue
            limits.add(
                (_count(whole.get("failure-threshold"), FAILURES), _count(whole.get("success-threshold"), SUCCESSES))
            )
            self._unlike(alert, place, file)
            key = self._channel(whole, place, file)
            if key is not None:
                keys.append(key)
            description = whole.get("description")
            if isinstance(description, str) and description:
                probe.comments.append(f"Alert by {alert['type']}: {description}")
        probe.channels = tuple(dict.fromkeys(keys))
        if limits:
            self._thresholds(limits, probe, file, path)

    def _default(self, kind: str) -> dict[str, Any]:
        config = self._providers.get(kind, (None, (), {}))[2]
        default = config.get("default-alert")
        return default if isinstance(default, dict) else {}

    def _unlike(self, alert: dict[str, Any], path: Path, file: File) -> None:
        for key, hint in _UNLIKE.items():
            if key in alert:
                self._notes.left(
                    file.at((*path, key)), f"{key} of an alert has no equal that an import could write", hint
                )

    def _channel(self, alert: dict[str, Any], path: Path, file: File) -> str | None:
        kind, recovery = alert["type"], alert.get("send-on-resolved") is True
        key = f"{kind} and back" if recovery else kind
        if key not in self._channels:
            self._channels[key] = self._made(kind, key, recovery, file, path)
        return key if self._channels[key] is not None else None

    def _made(self, kind: str, key: str, recovery: bool, file: File, path: Path) -> Channel | None:
        if kind not in self._providers:
            self._notes.left(
                file.at(path), f"the files don't configure alerting.{kind}", "name the file that does as well"
            )
            return None
        where, place, config = self._providers[kind]
        if kind not in PROVIDERS:
            self._notes.left(
                where.at(place),
                f"alerts by {kind} have no action here",
                "write an Automation, for example with webhook@1 or run_script@1",
            )
            return None
        if config.get("overrides"):
            self._notes.left(
                where.at((*place, "overrides")),
                f"overrides of {kind} have no equal that an import could write",
                "write an Automation for each group",
            )
        actions = PROVIDERS[kind](Provider(kind, config, where, place, self._keeper, self._notes))
        if actions is None:
            return None
        title = _TITLES[kind]
        return Channel(key, title, where.at(place), actions, recovery, list(where.above(place)))

    def _thresholds(self, limits: set[tuple[int, int]], probe: Probe, file: File, path: Path) -> None:
        failures, successes = min(limits)
        if len(limits) > 1:
            self._notes.changed(
                file.at(path), f"the alerts of {probe.title} differ in their thresholds; the smallest are used for all"
            )
        thresholds = {"healthy": successes, "unhealthy": failures}
        usual = {"healthy": 1, "unhealthy": 5}
        probe.thresholds = {key: value for key, value in thresholds.items() if value != usual[key]}


def _count(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default
