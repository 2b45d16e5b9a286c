"""The time limit is written out: 30 seconds where none was given."""

from __future__ import annotations

from typing import Any

FROM, TO = 1, 2


def migrate(data: dict[str, Any]) -> dict[str, Any]:
    """The config with a timeout in milliseconds; one that has a timeout stays as it is."""
    return data if data.get("timeout") is not None else {**data, "timeout": 30000}
