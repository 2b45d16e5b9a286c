"""Incidents and maintenances as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.base.durations import format_duration
from reconciler.flows.incidents import Now
from reconciler.report.moments import moment, span
from reconciler.report.style import Style, count, safe
from reconciler.report.table import pairs, table
from reconciler.store.incidents import HeldBack, Incident, Maintenance, Place, Update

_SEVERITIES = {"critical": "red", "major": "yellow"}


def incidents_table(found: Sequence[Incident], now: float, style: Style) -> Iterator[str]:
    """A line for each."""
    rows = [[i.id, i.severity, i.status, _places(i.systems), lasted(i, now), i.actor, i.title] for i in found]
    header = ["INCIDENT", "SEVERITY", "STATUS", "SYSTEMS", "FOR", "BY", "TITLE"]
    lines = table(header, rows, style)
    yield next(lines)
    for line in lines:
        word = next((w for w in _SEVERITIES if f"  {w}  " in line), None)
        yield line if word is None else line.replace(word, style(word, _SEVERITIES[word]), 1)


def incident_text(found: Incident, timeline: Sequence[Update], now: float, style: Style) -> Iterator[str]:
    """One with all that was said."""
    yield style(safe(f"{found.id}: {found.title}"), "bold")
    rows = [
        ("Severity", found.severity),
        ("Status", found.status),
        ("Systems", _places(found.systems)),
        ("Opened", f"{moment(found.at)}, by {found.actor}"),
    ]
    if found.run:
        rows.append(("By run", f"{found.run} (gitops automation show {found.run})"))
    rows.append(
        ("Resolved", f"{moment(found.resolved)}, after {lasted(found, now)}")
        if found.resolved
        else ("Open for", lasted(found, now))
    )
    yield from pairs(rows, style)
    yield ""
    said = [[moment(u.at), u.status, u.severity, u.actor, u.message or "-"] for u in timeline]
    yield from table(["AT", "STATUS", "SEVERITY", "BY", "MESSAGE"], said, style)


def incident_line(found: Incident, verb: str) -> str:
    """What was done to one."""
    return safe(f"{verb} {found.id}: {found.title} ({found.status}, {found.severity}).")


def lasted(found: Incident, now: float) -> str:
    """For how long it was open, or is."""
    return span((found.resolved or now) - found.at)


def maintenances_table(found: Sequence[Maintenance], now: float, style: Style) -> Iterator[str]:
    """A line for each."""
    rows = [
        [m.id, phase(m, now), _places(m.systems), moment(m.starts), _until(m), recurs(m) or "-", m.title] for m in found
    ]
    return table(["MAINTENANCE", "STATUS", "SYSTEMS", "FROM", "TO", "RECURS", "TITLE"], rows, style)


def maintenance_text(
    found: Maintenance,
    now: float,
    style: Style,
    *,
    following: Sequence[tuple[float, float]],
    held: Sequence[HeldBack],
) -> Iterator[str]:
    """One in full. ``following``: the times that are to come, where it recurs; ``held`` is what it held back."""
    yield style(safe(f"{found.id}: {found.title}"), "bold")
    rows = [
        ("Status", phase(found, now)),
        ("Systems", _places(found.systems)),
        ("From", moment(found.starts)),
        ("To", _until(found)),
        ("Recurs", recurs(found) or "no"),
        ("Health", "starts no automations meanwhile" if found.suppress else "starts automations as always"),
        ("Planned", f"{moment(found.at)}, by {found.actor}"),
    ]
    if found.run:
        rows.append(("By run", f"{found.run} (gitops automation show {found.run})"))
    if found.ended is not None:
        rows.append(("Ended", moment(found.ended)))
    if found.description:
        rows.append(("About", found.description))
    yield from pairs(rows, style)
    if held:
        yield ""
        changes = [(moment(h.at), h.name, f"{h.was} → {h.now}") for h in held]
        yield from table(["HELD BACK", "SYSTEM", "HEALTH"], changes, style)
    if following:
        yield ""
        yield from table(["NEXT", "UNTIL"], [[moment(starts), moment(ends)] for starts, ends in following], style)


def maintenance_line(found: Maintenance, verb: str) -> str:
    """What was done to one, and when it goes on."""
    when = f"from {moment(found.starts)} " if found.status == "scheduled" else ""
    until = "until it is ended" if found.ends is None else f"until {moment(found.ends)}"
    again = f", again by {recurs(found)}" if recurs(found) and found.ended is None else ""
    told = "" if found.ended is not None else f", {when}{until}{again}"
    return safe(f"{verb} {found.id}: {found.title}{told}.")


_SHOWN = 20
"""What an overview lists one by one, so that health isn't lost above it."""


def now_lines(now: Now, style: Style) -> Iterator[str]:
    """What an overview says of open incidents and of systems that are in a maintenance, a line for each, and that
    something couldn't be sent."""
    if now.incidents or now.maintenances or now.dead_letters:
        yield ""
    for i in now.incidents[:_SHOWN]:
        said = f"Incident {i.id} ({i.severity}, {i.status}) for {lasted(i, now.at)}: {_places(i.systems)}: {i.title}"
        looks = _SEVERITIES.get(i.severity)
        yield style(safe(said), looks) if looks else safe(said)
    if len(now.incidents) > _SHOWN:
        yield f"and {count(len(now.incidents) - _SHOWN, 'incident')} before: gitops incident list"
    for m in now.maintenances[:_SHOWN]:
        yield safe(f"Maintenance {m.id} until {_until(m)}: {_places(m.systems)}: {m.title}")
    if len(now.maintenances) > _SHOWN:
        yield f"and {count(len(now.maintenances) - _SHOWN, 'maintenance')} more: gitops maintenance list"
    if now.dead_letters:
        yield style(f"{count(now.dead_letters, 'dead letter')}: gitops delivery list --dead", "yellow")


def phase(found: Maintenance, now: float) -> str:
    """How it stands, in a word: by its times, which hold whether or not a worker was there to see them come."""
    if found.ended is not None:
        return found.status
    if found.covers(now):
        return "going on"
    return "over" if found.cron is None and found.ends is not None and found.ends <= now else "scheduled"


def recurs(found: Maintenance) -> str | None:
    """``0 2 * * sun (Europe/Berlin) for 2h``."""
    if found.cron is None or found.duration_ms is None:
        return None
    return f"{found.cron} ({found.timezone}) for {format_duration(found.duration_ms)}"


def _until(found: Maintenance) -> str:
    return "it is ended" if found.ends is None else moment(found.ends)


def _places(places: Sequence[Place]) -> str:
    return ", ".join(place.name for place in places) or "-"
