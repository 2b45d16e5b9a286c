"""What a webhook brought, as the payload of its event. Strangers write it: its size, depth and form are bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from reconciler.base.canonical import loads

MOST_BYTES = 1024 * 1024
_DEEPEST, _MOST_VALUES, _MOST_FIELDS = 32, 20_000, 1000
_LONGEST_HEADER = 256
HEADERS = (
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-github-delivery",
    "x-github-event",
    "x-gitlab-event",
    "x-event-type",
    "x-request-id",
)
"""What of the request's headers is handed on: never one that holds a credential."""


class Unreadable(ValueError):
    """What came in is no payload; says why, in words for the sender. ``status`` is that of the answer."""

    def __init__(self, why: str, *, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


def payload(hook: str, id: str | None, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """``hook``, ``id``, ``headers`` (null where the sender gave none) and ``body``. Raises :class:`Unreadable`."""
    kept = {name: headers[name][:_LONGEST_HEADER] if name in headers else None for name in HEADERS}
    return {"hook": hook, "id": id, "headers": kept, "body": read(headers.get("content-type", ""), body)}


def read(content_type: str, body: bytes) -> dict[str, Any]:
    """A JSON object, or a form: its fields as texts, those given several times as lists. Raises :class:`Unreadable`."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _form(body)
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise Unreadable("the body has to be a JSON object or a form", status=415)
    try:
        found = loads(body)
    except ValueError:
        raise Unreadable("the body is no JSON") from None
    if not isinstance(found, dict):
        raise Unreadable("the body is JSON, but no object")
    _bounded(found)
    return found


def _form(body: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Unreadable(f"the body is no form of at most {_MOST_FIELDS} fields in UTF-8") from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        held = fields.setdefault(name, [])
        held.append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _bounded(found: Any) -> None:
    """No deeper, and of no more values, than whoever handles it later can bear."""
    level, values = [found], 0
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for value in level:
            below += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        values += len(below)
        if values > _MOST_VALUES:
            raise Unreadable(f"the body has more than {_MOST_VALUES} values")
        if not below:
            return
        level = below
    raise Unreadable(f"the body is nested deeper than {_DEEPEST} levels")
