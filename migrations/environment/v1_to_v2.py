"""The document moves to gitops/v2.

Its fields stay as they are; fields that were left out or empty become none.
"""

from __future__ import annotations

from typing import Any

FROM, TO = 1, 2


def migrate(data: dict[str, Any]) -> dict[str, Any]:
    """The environment as version 2 writes it."""
    from ..shared.v1_documents import envelope, is_old

    if not is_old(data):
        return data
    fields = (data.get("spec") or {}).get("fields")
    return envelope(data, "Environment", {"fields": dict(fields)} if fields else {})
