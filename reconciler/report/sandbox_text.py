"""What a host can enforce, and the policy it is asked for, as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.report.style import Style, safe
from reconciler.report.table import pairs, table
from reconciler.sandbox.capabilities import Row


def probe_text(rows: Sequence[Row], style: Style) -> Iterator[str]:
    """A line for each layer, and beneath what to do about those that are missing."""
    cells = [[row.layer, "yes" if row.enforceable else "NO", row.how or row.why_not] for row in rows]
    yield from table(["LAYER", "ENFORCED", "HOW, OR WHY NOT"], cells, style)
    advice = [row for row in rows if not row.enforceable and row.what_to_do]
    if advice:
        yield ""
        yield style("What to do", "bold")
        yield from (f"  {safe(row.layer)}: {safe(row.what_to_do)}" for row in advice)


def probe_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [
        {
            "layer": row.layer,
            "enforceable": row.enforceable,
            "how": row.how,
            "whyNot": row.why_not,
            "whatToDo": row.what_to_do,
        }
        for row in rows
    ]


def policy_text(policy: dict[str, Any], style: Style) -> Iterator[str]:
    """``key  value`` lines, keys as ``policy set`` takes them."""
    yield from pairs(list(_flat(policy)), style)


def _flat(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        name = f"{prefix}{key}"
        if isinstance(inner, dict):
            yield from _flat(inner, f"{name}.")
        elif isinstance(inner, list):
            yield name, ", ".join(map(str, inner)) or "[]"
        else:
            yield name, {True: "true", False: "false", None: "null"}.get(inner, str(inner))
