"""The document moves to gitops/v2."""

from __future__ import annotations

from typing import Any

FROM, TO = 1, 2


def migrate(data: dict[str, Any]) -> dict[str, Any]:
    """The automation as version 2 writes it."""
    from ..shared.v1_documents import envelope, is_old

    return envelope(data, "Automation", dict(data["spec"])) if is_old(data) else data
