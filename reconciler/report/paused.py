"""What doesn't run for now, as text and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.flows.pausing import Paused, Slot
from reconciler.report.diagnostics_json import FORMAT
from reconciler.report.health_json import pause_json
from reconciler.report.moments import iso, moment, span
from reconciler.report.run_json import name_json
from reconciler.report.style import Style, safe
from reconciler.report.table import table

_HEADER = ("SLICE", "REGION", "STATE", "BY", "SINCE", "UNTIL", "WHY")
_SHOWN = 50


def paused_text(found: Sequence[Paused], now: float, style: Style) -> Iterator[str]:
    """A row each, oldest first."""
    if not found:
        yield "Nothing is paused or set aside."
        return
    rows = []
    for slot, row in found:
        until = "-" if row.until is None else moment(row.until)
        tries = f" after {slot.tries} tries" if slot.tries else ""
        cells = [row.region or "-", f"{row.kind}{tries}", row.actor, f"{span(now - row.at)} ago", until, row.reason]
        rows.append([str(slot.name), *cells])
    yield from table(_HEADER, rows, style)
    yield ""
    yield "gitops check resume SYSTEM/CHECK lets them run again."


def paused_json(found: Sequence[Paused]) -> dict[str, Any]:
    """The same for machines."""
    return {"format": FORMAT, "slices": [{**_slot(p.slot), "tries": p.slot.tries, **pause_json(p.row)} for p in found]}


def slots_text(found: Sequence[Slot]) -> Iterator[str]:
    """A line each, of the first."""
    for slot in found[:_SHOWN]:
        yield safe(f"  {slot.name}{f' ({slot.region})' if slot.region else ''}")
    if len(found) > _SHOWN:
        yield f"  and {len(found) - _SHOWN:,} more"


def slots_json(found: Sequence[Slot], what: str, *, until: float | None = None) -> dict[str, Any]:
    """All that were changed; ``what`` is what they are now."""
    return {"format": FORMAT, what: [_slot(slot) for slot in found], "until": iso(until)}


def _slot(slot: Slot) -> dict[str, Any]:
    return {**name_json(slot.name), "region": slot.region or None}
