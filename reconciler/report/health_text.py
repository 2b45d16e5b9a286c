"""Health as people read it: a table of systems and environments, what is wrong first, nothing unknown in green."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.flows.health import RANK, Cell, HealthReport, Regional, Seen, Standing, SystemHealth
from reconciler.model.run import HOST
from reconciler.report.moments import moment, span
from reconciler.report.style import Style, count, safe
from reconciler.report.table import table
from reconciler.store.executing import PauseRow, WorkerRow

MARKS: dict[Standing, str] = {
    "unhealthy": "✗",
    "degraded": "!",
    "stale": "?",
    "unknown": "?",
    "paused": "‖",
    "healthy": "✓",
}
LOOKS: dict[Standing, str] = {
    "unhealthy": "red",
    "degraded": "yellow",
    "stale": "magenta",
    "unknown": "dim",
    "paused": "blue",
    "healthy": "green",
}
WORDS: dict[Standing, str] = {
    "unhealthy": "unhealthy",
    "degraded": "degraded",
    "stale": "stale",
    "unknown": "no runs yet",
    "paused": "paused",
    "healthy": "healthy",
}
_LONG = 120
"""Characters of a reason in a table; commands that show one run have all of it."""
_FOLDED = 40
"""From so many rows on, those that are healthy are only counted."""
_OF_SYSTEM = ("CHECK", "ENVIRONMENT", "HEALTH", "SINCE", "LAST RUN", "WHY")
_REGION = "REGION"
_HEADER = ("SYSTEM", "ENVIRONMENT", "HEALTH", "SINCE", "CHECKS", "WHY")


def health_text(report: HealthReport, style: Style, *, full: bool = False) -> Iterator[str]:
    """The table, a line of totals, a line about workers."""
    rows = [(system, cell) for system in report.systems for cell in system.cells]
    if not rows:
        yield "No slices are scheduled."
        yield workers_line(report, style)
        return
    shown = rows
    if not full and len(rows) > _FOLDED:
        shown = [row for row in rows if row[1].standing != "healthy"]
    if shown:
        cells = [_row(system, cell, report.at) for system, cell in shown]
        yield from _coloured(table(_HEADER, cells, style), style)
    if len(shown) < len(rows):
        more = "more " if shown else ""
        yield f"{count(len(rows) - len(shown), f'{more}row is', f'{more}rows are')} healthy; --full shows them."
    yield ""
    yield totals_line(report, style)
    yield workers_line(report, style)


def system_text(report: HealthReport, system: str, style: Style) -> Iterator[str]:
    """The slices of one system, a line each."""
    rows = []
    for each in report.systems:
        for cell in each.cells:
            rows += [(seen, [seen.check, cell.environment or "-", *_slice(seen, report.at)]) for seen in cell.seen]
    if not rows:
        yield f"Nothing to show of {safe(system)}: all of it is healthy, or no check watches it."
        return
    rows.sort(key=lambda row: (RANK[row[0].standing], row[1], row[0].state.region))
    header = list(_OF_SYSTEM)
    if any(seen.state.region for seen, _ in rows):
        header.insert(2, _REGION)
        for seen, cells in rows:
            cells.insert(2, seen.state.region or HOST)
    yield from _coloured(table(header, [cells for _, cells in rows], style), style)
    yield from _regions(report)
    yield ""
    yield totals_line(report, style)
    yield workers_line(report, style)


def _regions(report: HealthReport) -> Iterator[str]:
    """A line for each slice of which some region fails, below the regions themselves."""
    lines = [
        safe(f"{check.check}{f'/{cell.environment}' if cell.environment else ''}: {regions_failing(check)}")
        for system in report.systems
        for cell in system.cells
        for check in cell.regional
        if check.failing
    ]
    if lines:
        yield ""
        yield from lines


def regions_failing(check: Regional) -> str:
    """``2 of 3 regions failing: eu-1, us-1``."""
    return f"{len(check.failing)} of {len(check.regions)} regions failing: {', '.join(check.failing)}"


def _slice(seen: Seen, now: float) -> list[str]:
    state = seen.state
    since = span(now - state.since) if state.runs or seen.failing else "-"
    last = "-" if state.last_at is None else f"{span(now - state.last_at)} ago"
    return [f"{MARKS[seen.standing]} {WORDS[seen.standing]}", since, last, shortened(reason(seen, now) or "")]


def totals_line(report: HealthReport, style: Style) -> str:
    """``4 slices: 1 unhealthy, 3 healthy``, the worst first."""
    counts = report.counts
    parts = [_part(s, counts[s], style) for s in RANK if counts[s]]
    return f"{count(sum(counts.values()), 'slice')}: {', '.join(parts)}" if parts else "No slices are scheduled."


def workers_line(report: HealthReport, style: Style) -> str:
    """Who runs checks."""
    silent = f"; {_silent(report.silent, report.at)}" if report.silent else ""
    if report.workers:
        hosts = ", ".join(sorted({safe(w.host) for w in report.workers}))
        return f"{count(len(report.workers), 'worker')} alive on {hosts}{silent}"
    return style(f"No worker is alive{silent}; gitops worker runs the checks on their schedule", "yellow")


def _silent(workers: Sequence[WorkerRow], now: float) -> str:
    last = max(workers, key=lambda w: w.seen)
    return f"{count(len(workers), 'worker')} silent, last heard of {span(now - last.seen)} ago"


def _part(standing: Standing, number: int, style: Style) -> str:
    word = "without a run" if standing == "unknown" else WORDS[standing]
    return style(f"{number:,} {word}", LOOKS[standing])


def _coloured(lines: Iterator[str], style: Style) -> Iterator[str]:
    """Colour is put on once the columns are measured: its codes have no width."""
    yield next(lines)
    words = {f"{MARKS[s]} {WORDS[s]}": LOOKS[s] for s in RANK}
    for line in lines:
        found = next((word for word in words if f"  {word}" in line), None)
        yield line if found is None else line.replace(found, style(found, words[found]), 1)


def _row(system: SystemHealth, cell: Cell, now: float) -> list[str]:
    since = "-" if cell.since is None else span(now - cell.since)
    health = f"{MARKS[cell.standing]} {WORDS[cell.standing]}"
    return [system.name, cell.environment or "-", health, since, _checks(cell), shortened(why(cell, now))]


def _checks(cell: Cell) -> str:
    total = len(cell.seen)
    parts = []
    if cell.failing:
        parts.append(f"{cell.failing} of {total} failing")
    if cell.stale:
        parts.append(f"{cell.stale} of {total} stale")
    if cell.paused:
        parts.append(f"{cell.paused} of {total} paused")
    if cell.unknown and cell.unknown < total:
        parts.append(f"{cell.unknown} of {total} without a run")
    return ", ".join(parts) or str(total)


def why(cell: Cell, now: float) -> str:
    """The first thing that is wrong: which check, in which of its regions, and its failing assertion."""
    regional = {check.check: check for check in cell.regional}
    for seen in cell.seen:
        said = reason(seen, now)
        if said is None:
            continue
        check = regional.get(seen.check)
        if check is not None and check.failing:
            return f"{seen.check}: {regions_failing(check)}: {said}"
        return f"{seen.check}{f' ({seen.state.region})' if seen.state.region else ''}: {said}"
    return ""


def shortened(text: str) -> str:
    """A reason as it stands in a table."""
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def reason(seen: Seen, now: float) -> str | None:
    """What there is to say of one slice; None for one that is simply healthy."""
    state = seen.state
    parts = []
    if seen.unserved is not None:
        parts.append(seen.unserved)
    if seen.pause is not None:
        parts.append(paused_by(seen.pause))
    if state.runs and state.health != "healthy" and not (seen.unserved and state.last_outcome == "healthy"):
        parts.append(state.reason or state.health)
    elif state.runs and state.last_outcome not in (None, "healthy"):
        parts.append(f"the last run failed: {state.reason or state.last_outcome}")
    if seen.stale and state.last_at is not None:
        parts.append(f"not run since {moment(state.last_at)}")
    return "; ".join(parts) or None


def paused_by(pause: PauseRow) -> str:
    """By whom, why and until when; or that it was set aside, and why."""
    if pause.kind != "paused":
        return f"set aside: {pause.reason}"
    until = f" until {moment(pause.until)}" if pause.until is not None else ""
    why = f": {pause.reason}" if pause.reason else ""
    return f"paused by {pause.actor}{until}{why}"
