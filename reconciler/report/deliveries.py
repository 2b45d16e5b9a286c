"""Deliveries as people and machines read them. What is in their rows holds no secret's value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.base.canonical import dumps
from reconciler.report.moments import iso, moment
from reconciler.report.style import Style, safe
from reconciler.report.table import pairs, table
from reconciler.store.sql_deliveries import Delivery

if TYPE_CHECKING:
    from reconciler.flows.acting.replay import Replayed

Names = Mapping[int, str]
"""Of automations, by their uids."""


def deliveries_table(found: Sequence[Delivery], names: Names, style: Style) -> Iterator[str]:
    """A line for each."""
    rows = [
        [
            *(str(d.id), d.status, str(d.attempts), _by(d, names), d.action, d.target, moment(d.updated)),
            d.error or "-",
        ]
        for d in found
    ]
    return table(["DELIVERY", "STATUS", "ATTEMPTS", "AUTOMATION", "ACTION", "TARGET", "AT", "ERROR"], rows, style)


def delivery_text(d: Delivery, names: Names, style: Style) -> Iterator[str]:
    """One in full."""
    yield style(safe(f"Delivery {d.id}: {d.status}"), "bold")
    rows = [
        ("Automation", f"{_by(d, names)}, run {d.run}, {d.path}"),
        ("Action", d.action),
        ("Target", d.target),
        ("Key", d.key),
        ("Attempts", str(d.attempts)),
        ("First", moment(d.created)),
        ("Last", moment(d.updated)),
    ]
    if d.next_at is not None:
        rows.append(("Next", moment(d.next_at)))
    if d.error is not None:
        rows.append(("Error", d.error))
    if d.response:
        rows.append(("Answer", dumps(dict(d.response)).decode()))
    rows.append(("Sent", dumps(dict(d.request)).decode()))
    yield from pairs(rows, style)


def replayed_lines(done: Sequence[Replayed]) -> Iterator[str]:
    """What came of each."""
    for delivery, error in done:
        where = f"Delivery {delivery.id} ({delivery.action} to {delivery.target})"
        yield safe(f"{where} was taken." if error is None else f"{where} wasn't taken: {error}.")


def delivery_json(d: Delivery, names: Names, *, whole: bool = False) -> dict[str, Any]:
    """One for machines; ``whole``: with what is sent."""
    found: dict[str, Any] = {
        "id": d.id,
        "status": d.status,
        "key": d.key,
        "automation": names.get(d.automation),
        "run": d.run,
        "path": d.path,
        "action": d.action,
        "target": d.target,
        "attempts": d.attempts,
        "nextAt": iso(d.next_at),
        "createdAt": iso(d.created),
        "updatedAt": iso(d.updated),
        "error": d.error,
        "response": dict(d.response),
    }
    return {**found, "request": dict(d.request)} if whole else found


def _by(d: Delivery, names: Names) -> str:
    return names.get(d.automation) or f"#{d.automation}"
