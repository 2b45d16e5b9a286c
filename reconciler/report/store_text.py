"""What an operator asks of a store, as people read it: status, history, drift, one generation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.flows.inspect import DriftReport, Shown, Status
from reconciler.model.plan import Action, Stored
from reconciler.report.moments import moment, took
from reconciler.report.plan_changes import changes_text
from reconciler.report.style import Style, count, safe
from reconciler.report.table import pairs, table
from reconciler.report.values import change_lines
from reconciler.store.port import GenerationRow, SourceRow

_SHORT = 7


def changes_word(counts: Mapping[str, int]) -> str:
    """``-1 ~2 +3``, what is lost first."""
    return " ".join(f"{a.symbol}{counts[a.value]:,}" for a in Action if counts.get(a.value)) or "none"


def status_text(status: Status, where: str, style: Style) -> Iterator[str]:
    """The state of a store in a screen."""
    row = status.generation
    if row is None:
        yield f"The store {where} is empty: nothing was applied yet."
        return
    at = f" at {row.commit[:_SHORT]}" if row.commit else ""
    told = f"{row.n}, {row.kind} of {row.source}{at} by {row.actor} on {row.host}, {moment(row.at)}"
    lines = [
        ("Store", where),
        ("Generation", told),
        ("Holds", f"{count(status.resources, 'resource')}, {count(status.slices, 'slice')}"),
        ("Orphans", f"{len(status.orphans):,}"),
        ("Outside", _outside(status.outside)),
    ]
    yield from pairs(lines, style)
    yield ""
    yield from sources_table(status.sources, {}, style)
    if status.orphans:
        yield ""
        yield from orphans_table(status.orphans, style)


def _outside(writes: int) -> str:
    return f"{count(writes, 'write')} outside an apply; gitops drift shows what differs" if writes else "no writes"


def sources_table(
    sources: Sequence[SourceRow], grants: Mapping[str, Sequence[tuple[str, str]]], style: Style
) -> Iterator[str]:
    """One line for each source; ``held`` names the commit that a rollback turned away from."""
    names = sorted({s.name for s in sources} | set(grants))
    by_name = {s.name: s for s in sources}
    rows = []
    for name in names:
        s = by_name.get(name)
        at, when = (s.commit[:_SHORT] or "working tree", moment(s.at)) if s else ("-", "never applied")
        held = f"away from {s.held[:_SHORT]}" if s and s.held else ""
        granted = " ".join(f"{what}:{pattern}" for what, pattern in grants.get(name, ()))
        rows.append([name, at, when, held, *([granted or "everything"] if grants else [])])
    yield from table(["SOURCE", "COMMIT", "APPLIED", "HELD", *(["MAY NAME"] if grants else [])], rows, style)


def orphans_table(orphans: Sequence[Stored], style: Style) -> Iterator[str]:
    """What is gone from git and keeps running."""
    rows = [
        [
            f"{o.resource.key.kind}/{o.resource.key.name}",
            o.resource.source or "(released)",
            str(o.since),
            "protected" if o.resource.protected else "",
        ]
        for o in orphans
    ]
    yield from table(["ORPHAN", "SOURCE", "SINCE", ""], rows, style)


def history_table(rows: Sequence[GenerationRow], style: Style) -> Iterator[str]:
    """Newest first."""
    cells = [
        [
            str(r.n),
            moment(r.at),
            r.actor,
            f"{r.kind} {r.note}".strip(),
            r.source,
            r.commit[:_SHORT] or "-",
            changes_word(r.counts.get("resources", {})),
            changes_word(r.counts.get("slices", {})),
            took(r.duration_ms),
        ]
        for r in rows
    ]
    header = ["GENERATION", "APPLIED", "BY", "WHAT", "SOURCE", "COMMIT", "RESOURCES", "SLICES", "TOOK"]
    yield from table(header, cells, style)


def shown_text(shown: Shown, style: Style, *, full: bool) -> Iterator[str]:
    """One generation: who, when, what."""
    row = shown.row
    at = f" at {row.commit[:_SHORT]}" if row.commit else ""
    yield style(safe(f"Generation {row.n}: {row.kind} {row.note}".rstrip() + f" of source {row.source}{at}"), "bold")
    yield safe(f"{moment(row.at)}, by {row.actor} on {row.host}, in {took(row.duration_ms)}")
    yield from changes_text(shown.plan, lambda part: shown.before, style, full=full)
    yield ""
    for what in ("resources", "slices"):
        yield style(f"{what.capitalize()}: {changes_word(row.counts.get(what, {}))}", "bold")


def drift_text(report: DriftReport, style: Style, *, full: bool) -> Iterator[str]:
    """What was written outside an apply, oldest names first."""
    for row in report.rows:
        at = f"  at {moment(row.at)}" if row.at else ""
        yield f"{style(safe(row.what), 'yellow')}  {row.op}{at}"
        for field in row.fields:
            yield from (f"    {line}" for line in change_lines(field.path, field.old, field.new, style, full=full))
    if not report.drifted:
        yield "No drift. The store holds what was applied."
        return
    if report.rows:
        yield ""
    if not report.rows and not report.sealed:
        yield "The rows aren't those of the last apply, but which of them changed wasn't recorded."
    else:
        yield f"Drift: {count(len(report.rows), 'row')} written outside an apply."
    yield "The next gitops apply puts back what git says."
