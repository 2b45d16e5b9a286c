"""Tags of unions that are told apart by their keys."""

from collections.abc import Iterable
from typing import Any

TAG = "\0"
"""Begins every tag, so that faults can tell tags from the keys of a document."""


def one_of(value: Any, keys: Iterable[str]) -> str | None:
    """The tag of the one key of ``keys`` that the map ``value`` has; None when it has none or several, or is no map."""
    if not isinstance(value, dict):
        return None
    found = [key for key in keys if key in value]
    return f"{TAG}{found[0]}" if len(found) == 1 else None
