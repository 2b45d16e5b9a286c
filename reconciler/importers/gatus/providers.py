"""How alerts of Gatus reach people, as actions of an automation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconciler.base.diagnostics import Path
from reconciler.importers import channels
from reconciler.importers.automations import MESSAGE
from reconciler.importers.gatus.variables import named, plain
from reconciler.importers.port import File, Notes
from reconciler.importers.secrets import HEADER_NAME, Keeper, sensitive
from reconciler.importers.templates import clean_body, literal

Actions = list[dict[Any, Any]]
_METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE")
_PLACEHOLDERS = {
    "[ALERT_DESCRIPTION]": f"{{{{ {MESSAGE} }}}}",
    "[ENDPOINT_NAME]": "{{ trigger.payload.systemId }}",
    "[ENDPOINT_URL]": "{{ trigger.payload.systemId }}",
    "[ENDPOINT_GROUP]": "",
    "[RESULT_ERRORS]": "",
    "[RESULT_CONDITIONS]": "",
}
_STATE = "[ALERT_TRIGGERED_OR_RESOLVED]"
_REPOSITORY = re.compile(r"(https?://[^/]+)/([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+?)(?:\.git)?/?\Z")


@dataclass(slots=True)
class Provider:
    """What ``alerting`` says of one kind."""

    kind: str
    config: dict[str, Any]
    file: File
    path: Path
    keeper: Keeper
    notes: Notes

    def secret(self, key: str, what: str) -> str | None:
        """The name of the secret that holds the value of ``key``; None when it isn't there, which is told."""
        value = self.config.get(key)
        if not isinstance(value, str) or not value:
            self.left(key, f"alerting.{self.kind} has no {key}")
            return None
        return self.keeper.name(value, self.file.at((*self.path, key)), self.kind, key, what=what)

    def text(self, key: str, default: str = "") -> str | None:
        """A value in plain sight; None when a variable hides it, which is told."""
        value = str(self.config.get(key) or default)
        if named(value):
            self.left(key, f"alerting.{self.kind}.{key} comes from a variable, which the file doesn't tell")
            return None
        return plain(value)

    def left(self, key: str, message: str) -> None:
        """So that it can't be told this way."""
        self.notes.left(self.file.at((*self.path, key)), message, "write an Automation with webhook@1")


def _hook(service: str) -> Callable[[Provider], Actions | None]:
    def actions(provider: Provider) -> Actions | None:
        name = provider.secret("webhook-url", f"the address of the webhook of {provider.kind}")
        return None if name is None else [channels.hook(service, f"${{{{ secrets.{name} }}}}")]

    return actions


def _telegram(provider: Provider) -> Actions | None:
    token, chat = provider.secret("token", "the token of the Telegram bot"), provider.text("id")
    server = provider.text("api-url", "https://api.telegram.org")
    if token is None or not chat or server is None:
        return None
    return [channels.telegram(f"${{{{ secrets.{token} }}}}", chat, server)]


def _ntfy(provider: Provider) -> Actions | None:
    server, topic = provider.text("url", "https://ntfy.sh"), provider.text("topic")
    if not server or not topic:
        return None
    token = (
        provider.secret("token", "the whole header: Bearer, a blank, and the token")
        if provider.config.get("token")
        else None
    )
    priority = provider.config.get("priority")
    return [channels.ntfy(f"{server.rstrip('/')}/{topic}", token, priority if isinstance(priority, int) else None)]


def _gotify(provider: Provider) -> Actions | None:
    server, token = provider.text("server-url"), provider.secret("token", "the token of the application at Gotify")
    if not server or token is None:
        return None
    priority = provider.config.get("priority")
    return [channels.gotify(server, token, priority if isinstance(priority, int) else 5)]


def _github(provider: Provider) -> Actions | None:
    token, url = provider.secret("token", "a token that may open issues on GitHub"), provider.text("repository-url")
    match = _REPOSITORY.match(url or "")
    if token is None or match is None:
        if url is not None:
            provider.left("repository-url", "repository-url names no repository")
        return None
    config = {
        "repository": match[2],
        "title": f"{{{{ {MESSAGE} }}}}",
        "token": f"${{{{ secrets.{token} }}}}",
    }
    if match[1] != "https://github.com":
        config["apiUrl"] = f"{match[1]}/api/v3"
    return [{"id": "issue", "action": "github.issue@1", "config": config}]


def _custom(provider: Provider) -> Actions | None:
    url, method = provider.config.get("url"), str(provider.config.get("method") or "GET").upper()
    if not isinstance(url, str) or not url or method not in _METHODS:
        provider.left("url", "alerting.custom has no url, or a method that can't be used")
        return None
    at = provider.file.at((*provider.path, "url"))
    hidden = sensitive(url) or bool(named(url)) or "@" in url.partition("://")[2].partition("/")[0] or "[" in url
    if "[" in url:
        provider.notes.changed(at, "placeholders in the address of custom alerts are sent as they stand", None)
    what = "the address of the custom alerts, as a whole"
    place = provider.keeper.text(url, at, "alert url", what=what) if hidden else plain(url)
    body = provider.config.get("body")
    text = None
    if isinstance(body, str) and body:
        text = _filled(clean_body(body, provider.file.at((*provider.path, "body")), provider.notes), provider)
    return [channels.block(place, method=method, headers=_headers(provider), body=text)]


def _headers(provider: Provider) -> list[dict[str, Any]]:
    found = provider.config.get("headers")
    kept: list[dict[str, Any]] = []
    for name, value in found.items() if isinstance(found, dict) else ():
        if not HEADER_NAME.match(str(name)):
            continue
        text = str(value)
        if sensitive(str(name)) or named(text):
            what = f"the whole header {name} of the custom alerts"
            at = provider.file.at((*provider.path, "headers", str(name)))
            kept.append(
                {
                    "name": str(name),
                    "valueFrom": {"secret": provider.keeper.name(text, at, "alert", str(name), what=what)},
                }
            )
        else:
            kept.append({"name": str(name), "value": _filled(text, provider)})
    return kept


def _filled(text: str, provider: Provider) -> str:
    """Placeholders of Gatus as templates; words for the state from ``placeholders`` of the provider."""
    text = literal(plain(text))
    placeholders = provider.config.get("placeholders")
    words = placeholders.get("ALERT_TRIGGERED_OR_RESOLVED") if isinstance(placeholders, dict) else None
    words = words if isinstance(words, dict) else {}
    down, up = (str(words.get(key, key)).replace("'", "") for key in ("TRIGGERED", "RESOLVED"))
    state = f"{{{{ '{down}' if trigger.payload.newStatus == 'unhealthy' else '{up}' }}}}"
    for placeholder, template in (*_PLACEHOLDERS.items(), (_STATE, state)):
        text = text.replace(placeholder, template)
    return text


PROVIDERS: dict[str, Callable[[Provider], Actions | None]] = {
    **{service: _hook(service) for service in channels.BODIES},
    "telegram": _telegram,
    "ntfy": _ntfy,
    "gotify": _gotify,
    "github": _github,
    "custom": _custom,
}
