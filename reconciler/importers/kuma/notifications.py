"""Notifications of Uptime Kuma as channels, as far as there is an action for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.importers import channels
from reconciler.importers.port import File, Notes
from reconciler.importers.probe import At, Channel
from reconciler.importers.secrets import HEADER_NAME, Keeper, reference, sensitive
from reconciler.importers.templates import literal

_HOOKS = {
    "slack": ("slack", "slackwebhookURL"),
    "discord": ("discord", "discordWebhookUrl"),
    "teams": ("teams", "webhookUrl"),
    "mattermost": ("mattermost", "mattermostWebhookUrl"),
    "rocket.chat": ("rocketchat", "rocketwebhookURL"),
    "GoogleChat": ("googlechat", "googleChatWebhookURL"),
}


class _Given:
    """One notification, while it is read."""

    def __init__(self, name: str, config: dict[str, Any], at: At, keeper: Keeper, notes: Notes) -> None:
        self.name, self.config, self.at, self.keeper, self.notes = name, config, at, keeper, notes

    def text(self, key: str, default: str = "") -> str:
        """A setting as text."""
        return str(self.config.get(key) or default).strip()

    def secret(self, key: str, what: str, *, whole: str | None = None) -> str | None:
        """The name of the secret for a setting; None where it is empty."""
        value = self.text(key)
        word = "url" if "url" in key.lower() else "token"
        return self.keeper.name(value, self.at, self.name, word, what=whole or what) if value else None


class Notifications:
    """Those of one backup, each read when a monitor first names it."""

    def __init__(
        self, file: File, records: Sequence[tuple[Path, dict[str, Any]]], keeper: Keeper, notes: Notes
    ) -> None:
        self._file, self._keeper, self._notes = file, keeper, notes
        self._records = {str(record.get("id")): (path, record) for path, record in records}
        self._channels: dict[str, Channel | None] = {}

    def of(self, chosen: Any, path: Path) -> tuple[str, ...]:
        """The keys of the channels of one monitor."""
        if isinstance(chosen, dict):
            wanted = [str(key) for key, on in chosen.items() if on]
        else:
            wanted = [str(key) for key in chosen] if isinstance(chosen, list) else []
        keys: list[str] = []
        for number in wanted:
            if number not in self._records:
                self._notes.left(self._file.at(path), f"the notification {number} isn't in the backup", None)
                continue
            if number not in self._channels:
                self._channels[number] = self._channel(number)
            channel = self._channels[number]
            if channel is not None:
                keys.append(channel.key)
        return tuple(keys)

    def channels(self) -> list[Channel]:
        """Those that something tells; the others are told to the user."""
        for number, (path, record) in self._records.items():
            if number not in self._channels:
                self._notes.left(self._file.at(path), f"no monitor tells {record.get('name', number)}", "nothing to do")
        return [channel for channel in self._channels.values() if channel is not None]

    def _channel(self, number: str) -> Channel | None:
        path, record = self._records[number]
        config = record.get("config")
        if isinstance(config, str):
            try:
                config = json.loads(config)
            except ValueError:
                config = None
        config = {**record, **config} if isinstance(config, dict) else record
        name = str(record.get("name") or config.get("name") or f"notification {number}").strip()
        at, kind = self._file.at(path), str(config.get("type") or record.get("type") or "")
        if record.get("active") in (False, 0):
            self._notes.left(at, f"the notification {name} is switched off, and was left out", None)
            return None
        block = _block(kind, _Given(name, config, at, self._keeper, self._notes))
        if block is None:
            hint = "write an Automation, for example with webhook@1 or run_script@1"
            self._notes.left(at, f"the notification {name} ({kind or 'of no type'}) has no action here", hint)
            return None
        return Channel(f"{self._file.name} {number}", name, at, [block], recovery=True)


def _block(kind: str, given: _Given) -> dict[str, Any] | None:
    if kind in _HOOKS:
        service, key = _HOOKS[kind]
        name = given.secret(key, f"the address of the webhook of {given.name}")
        return channels.hook(service, reference(name)) if name else None
    make = _BLOCKS.get(kind)
    return make(given) if make is not None else None


def _telegram(given: _Given) -> dict[str, Any] | None:
    token, chat = given.secret("telegramBotToken", "the token of the Telegram bot"), given.text("telegramChatID")
    return channels.telegram(reference(token), chat) if token and chat else None


def _ntfy(given: _Given) -> dict[str, Any] | None:
    server, topic = given.text("ntfyserverurl", "https://ntfy.sh"), given.text("ntfytopic")
    if not topic:
        return None
    if given.text("ntfyAuthenticationMethod") == "usernamePassword":
        given.notes.left(
            given.at, f"{given.name} logs in with a password, which isn't carried over", "use a token of ntfy"
        )
    token = given.secret("ntfyaccesstoken", "the whole header: Bearer, a blank, and the token")
    priority = given.text("ntfyPriority")
    return channels.ntfy(f"{server.rstrip('/')}/{topic}", token, int(priority) if priority.isdigit() else None)


def _gotify(given: _Given) -> dict[str, Any] | None:
    server, token = (
        given.text("gotifyserverurl"),
        given.secret("gotifyapplicationToken", "the token of the application at Gotify"),
    )
    priority = given.text("gotifyPriority")
    return channels.gotify(server, token, int(priority) if priority.isdigit() else 5) if server and token else None


def _webhook(given: _Given) -> dict[str, Any] | None:
    url = given.text("webhookURL")
    if not url:
        return None
    what = f"the address of {given.name}, as a whole"
    hidden = sensitive(url) or "@" in url.partition("://")[2].partition("/")[0]
    place = given.keeper.text(url, given.at, given.name, "url", what=what) if hidden else url
    if given.text("webhookContentType") not in ("", "json"):
        given.notes.changed(given.at, f"{given.name} is sent the event as JSON, not in the form it was", "write body")
    return channels.block(place, headers=_headers(given))


def _headers(given: _Given) -> list[dict[str, Any]]:
    try:
        found = json.loads(given.text("webhookAdditionalHeaders", "{}"))
    except ValueError:
        found = {}
    kept: list[dict[str, Any]] = [{"name": "Content-Type", "value": "application/json"}]
    for name, value in found.items() if isinstance(found, dict) else ():
        if not HEADER_NAME.match(name):
            continue
        if sensitive(name):
            secret = given.keeper.name(
                str(value), given.at, given.name, name, what=f"the whole header {name} of {given.name}"
            )
            kept.append({"name": name, "valueFrom": {"secret": secret}})
        else:
            kept.append({"name": name, "value": literal(str(value))})
    return kept


_BLOCKS: dict[str, Callable[[_Given], dict[str, Any] | None]] = {
    "telegram": _telegram,
    "ntfy": _ntfy,
    "gotify": _gotify,
    "webhook": _webhook,
}
