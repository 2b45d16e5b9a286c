"""Blocks that tell well-known services, as automations run them. Addresses that let anybody post are secrets."""

from __future__ import annotations

from typing import Any

from reconciler.importers.automations import MESSAGE

_JSON: dict[str, Any] = {"name": "Content-Type", "value": "application/json"}
_TEXT = f"{{{{ ({MESSAGE}) | json }}}}"
_CARD = (
    '{"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content":'
    f' {{"type": "AdaptiveCard", "version": "1.2", "body": [{{"type": "TextBlock", "text": {_TEXT}}}]}}}}]}}'
)

BODIES = {
    "slack": f'{{"text": {_TEXT}}}',
    "mattermost": f'{{"text": {_TEXT}}}',
    "rocketchat": f'{{"text": {_TEXT}}}',
    "googlechat": f'{{"text": {_TEXT}}}',
    "teams": f'{{"text": {_TEXT}}}',
    "teams-workflows": _CARD,
    "discord": f'{{"content": {_TEXT}}}',
}
"""What services take that are called at one secret address."""


def hook(service: str, url: str) -> dict[str, Any]:
    """``url`` is a reference to a secret; ``service`` a key of :data:`BODIES`."""
    return block(url, headers=[_JSON], body=BODIES[service])


def telegram(token: str, chat: str, server: str = "https://api.telegram.org") -> dict[str, Any]:
    """``token`` is a reference."""
    from json import dumps

    body = f'{{"chat_id": {dumps(chat)}, "text": {_TEXT}}}'
    return block(f"{server.rstrip('/')}/bot{token}/sendMessage", headers=[_JSON], body=body)


def ntfy(url: str, token: str | None = None, priority: int | None = None) -> dict[str, Any]:
    """``token`` is the name of a secret that holds the whole header."""
    headers: list[dict[str, Any]] = [{"name": "Title", "value": "{{ trigger.payload.systemId }}"}]
    if priority is not None:
        headers.append({"name": "Priority", "value": str(priority)})
    if token is not None:
        headers.append({"name": "Authorization", "valueFrom": {"secret": token}})
    return block(url, headers=headers, body=f"{{{{ {MESSAGE} }}}}")


def gotify(server: str, token: str, priority: int = 5) -> dict[str, Any]:
    """``token`` is the name of a secret."""
    body = f'{{"title": "Health", "message": {_TEXT}, "priority": {priority}}}'
    headers = [_JSON, {"name": "X-Gotify-Key", "valueFrom": {"secret": token}}]
    return block(f"{server.rstrip('/')}/message", headers=headers, body=body)


def block(
    url: str, *, method: str = "POST", headers: list[dict[str, Any]] | None = None, body: str | None = None
) -> dict[str, Any]:
    """A webhook; what isn't said keeps its default."""
    config: dict[str, Any] = {"url": url}
    if method != "POST":
        config["method"] = method
    if headers:
        config["headers"] = headers
    if body is not None:
        config["body"] = body
    return {"action": "webhook@1", "config": config}
