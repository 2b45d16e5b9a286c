"""The request itself (url, method, headers, body) moves out of the strategy: request collectors make it."""

from __future__ import annotations

from typing import Any

FROM, TO = 2, 3

GONE = ("url", "method", "headers", "body")


def migrate(data: dict[str, Any]) -> dict[str, Any]:
    """The config without the request; a check that had no collector got one from the document's own step."""
    return {key: value for key, value in data.items() if key not in GONE}


def notes(data: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    """What is dropped, so that nobody misses it silently."""
    return [((key,), f"{key} is left out: http@3 leaves requests to its collectors") for key in GONE if key in data]
