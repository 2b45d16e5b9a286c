"""The document moves to gitops/v2."""

from __future__ import annotations

from typing import Any

FROM, TO = 1, 2


def migrate(data: dict[str, Any]) -> dict[str, Any]:
    """The group as version 2 writes it: a group has no settings."""
    from ..shared.v1_documents import envelope, is_old

    return envelope(data, "Group", {}) if is_old(data) else data
