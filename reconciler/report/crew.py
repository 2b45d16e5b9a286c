"""The workers, as text and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.flows.crew import Crew, Member
from reconciler.model.run import HOST
from reconciler.report.diagnostics_json import FORMAT
from reconciler.report.moments import iso, span
from reconciler.report.style import Style, safe
from reconciler.report.table import table

_HEADER = ("WORKER", "HOST", "REGIONS", "STATE", "SEEN", "UP", "VERSION", "SCRIPTS HELD BY", "AUTOMATIONS", "CAN'T RUN")
_LOOKS = {"alive": "green", "stopping": "yellow", "lost": "red"}


def crew_text(crew: Crew, style: Style) -> Iterator[str]:
    """A row each, and a line for each region that nobody serves."""
    if not crew.members:
        yield "No worker is there: gitops worker runs the checks on their schedule."
    else:
        header, *lines = table(_HEADER, [_row(member, crew.at) for member in crew.members], style)
        yield header
        for line in lines:
            word = next((word for word in _LOOKS if f"  {word}  " in line), None)
            yield line if word is None else line.replace(f"  {word}  ", f"  {style(word, _LOOKS[word])}  ", 1)
    for region in crew.unserved:
        yield style(safe(region.unserved), "yellow")


def _row(member: Member, now: float) -> list[str]:
    row, info = member.row, member.row.info
    layers = info.get("sandbox")
    return [
        row.id,
        row.host,
        ", ".join(region or HOST for region in info.get("regions") or ()) or "-",
        member.state,
        f"{span(now - row.seen)} ago",
        span(row.seen - row.started),
        str(info.get("version") or "-"),
        "not known yet" if layers is None else ", ".join(layers) or "nothing",
        "yes" if info.get("automations") else "no",
        ", ".join(info.get("lacking") or ()) or "-",
    ]


def crew_json(crew: Crew) -> dict[str, Any]:
    """Everything they told. ``sandbox`` is null until the host was probed."""
    return {
        "format": FORMAT,
        "at": iso(crew.at),
        "workers": [_json(member) for member in crew.members],
        "unserved": [
            {"region": r.name or None, "since": iso(r.seen) if r.served else None, "sentence": r.unserved}
            for r in crew.unserved
        ],
    }


def _json(member: Member) -> dict[str, Any]:
    row, info = member.row, member.row.info
    return {
        "id": row.id,
        "host": row.host,
        "pid": row.pid,
        "state": member.state,
        "started": iso(row.started),
        "seen": iso(row.seen),
        "version": info.get("version"),
        "regions": [region or None for region in info.get("regions") or ()],
        "concurrency": info.get("concurrency"),
        "scripts": info.get("scripts"),
        "lacking": info.get("lacking") or [],
        "sandbox": info.get("sandbox"),
        "automations": bool(info.get("automations")),
    }
