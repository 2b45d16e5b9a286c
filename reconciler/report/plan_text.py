"""A plan as people read it. What is lost comes first; no kind of change is ever left out of the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reconciler.base.durations import format_duration
from reconciler.model.plan import Action, Cause, Plan, Stored
from reconciler.plan.focus import EVERYTHING, Focus, focused
from reconciler.report.diagnostics_text import diagnostics_text
from reconciler.report.style import Style, count, safe
from reconciler.report.words import RESOURCE_WORDS, SLICE_WORDS

if TYPE_CHECKING:
    from reconciler.plan.running import Pace, Turn
    from reconciler.report.plan_changes import Bodies

_ORPHANS = 30
_WARNINGS = 20
_TURNS = 10


def plan_text(
    plan: Plan,
    bodies: Bodies,
    style: Style,
    *,
    legend: bool = False,
    full: bool = False,
    focus: Focus = EVERYTHING,
) -> Iterator[str]:
    """Lines of a plan, or of the part in ``focus``; the totals are always those of the whole."""
    lines = _all(plan, bodies, style, legend=legend, full=full, focus=focus)
    first = next(lines)
    if first:
        yield first
    yield from lines


def _all(plan: Plan, bodies: Bodies, style: Style, *, legend: bool, full: bool, focus: Focus) -> Iterator[str]:
    part = focused(plan, focus)
    if plan.pending:
        yield style(_header(plan), "bold")
        if legend:
            yield "  " + "   ".join(style.action(a, f"{a.symbol} {a.value}") for a in RESOURCE_WORDS)
        from reconciler.report.plan_changes import changes_text

        yield from changes_text(part, bodies, style, full=full)
    yield from _orphans(plan.orphans, style, full=full)
    yield from _warnings(plan, style, full=full)
    if plan.pending:
        yield ""
        if plan.kind == "diff":
            yield from _running(part, full=full)
        if focus:
            yield shown_line(plan, part, focus)
        yield from (style(line, "bold") for line in totals_lines(plan))
    else:
        yield from _nothing(plan, style)


def _running(part: Plan, *, full: bool) -> Iterator[str]:
    """What starts, what stops, and what runs more or less often: one line each."""
    from reconciler.plan.running import running

    found = running(part)
    for title, told in (
        ("Stop", [turn_text(t) for t in found.stops]),
        ("Start", [turn_text(t) for t in found.starts]),
        ("Interval", [pace_text(p) for p in found.paces]),
    ):
        shown = told if full else told[:_TURNS]
        more = f", and {len(told) - len(shown):,} more; --full shows all" if len(told) > len(shown) else ""
        if told:
            yield safe(f"{title}: {'; '.join(shown)}{more}")


def turn_text(turn: Turn) -> str:
    """``shop/home in production, staging``."""
    if turn.environments == (None,):
        return f"{turn.system}/{turn.check} without environment"
    return f"{turn.system}/{turn.check} in {', '.join(e or 'no environment' for e in turn.environments)}"


def pace_text(pace: Pace) -> str:
    """``ready 30s → 45s``."""
    return f"{pace.check} {format_duration(pace.old)} → {format_duration(pace.new)}"


def shown_line(plan: Plan, part: Plan, focus: Focus) -> str:
    """What of a plan is shown, where that isn't all: no number beside it may be taken for the whole."""
    decided, shown = (sum(c.action is not Action.KEEP for c in p.resources) for p in (plan, part))
    resources = f"{shown:,} of {count(decided, 'resource')}"
    slices = f"{len(part.slices):,} of {count(len(plan.slices), 'slice')}"
    return safe(f"Shown: {focus}: {resources} and {slices} that change. In all:")


def totals_lines(plan: Plan) -> list[str]:
    """Two lines that count every kind of change."""
    counts = plan.counts
    resources = Counter(c.cause for c in plan.resources if c.action is not Action.KEEP)
    slices = Counter(c.cause for c in plan.slices)
    return [
        _total("Plan", counts["resources"], RESOURCE_WORDS, resources),
        _total("Slices", counts["slices"], SLICE_WORDS, slices),
    ]


def _total(label: str, counts: dict[str, int], words: dict[Action, str], causes: Counter[Cause]) -> str:
    parts = [f"{counts[a]:,} {words[a]}" for a in words if counts.get(a)]
    apart = [f"{causes[c]:,} {c.value}" for c in (Cause.DRIFT, Cause.REWRITE) if causes[c]]
    aside = f" (of these {', '.join(apart)})" if apart else ""
    return f"{label}: {', '.join(parts) or 'no changes'}{aside}"


def _header(plan: Plan) -> str:
    base = f"on generation {plan.base}" if plan.base else "on an empty store"
    at = f"at {plan.commit[:7]}" if plan.commit else "from the working tree"
    match plan.kind:
        case "rollback":
            return safe(f"Rollback of source {plan.source} {plan.note}, {at}, {base}")
        case "delete" | "release":
            return safe(f"{plan.kind.capitalize()} orphans of source {plan.source}, {base}")
        case "diff":
            to = f"to {plan.commit[:7]}" if plan.commit else "to the working tree"
            return safe(f"Changes of source {plan.source} {plan.note} {to}")
        case _:
            return safe(f"Plan for source {plan.source} {at}, {base}")


def _orphans(orphans: Sequence[Stored], style: Style, *, full: bool) -> Iterator[str]:
    if not orphans:
        return
    yield ""
    yield style("Orphans: gone from git, still running", "bold")
    shown = orphans if full else orphans[:_ORPHANS]
    for o in shown:
        owner = f"of source {o.resource.source}" if o.resource.source else "of no source"
        name = style.action(Action.ORPHAN, f"{Action.ORPHAN.symbol} {o.resource.key}")
        yield f"{name}  {safe(owner)}, since generation {o.since}"
    if len(orphans) > len(shown):
        yield f"  and {len(orphans) - len(shown):,} more; gitops orphan list shows all"


def _warnings(plan: Plan, style: Style, *, full: bool) -> Iterator[str]:
    if not plan.warnings:
        return
    yield ""
    shown = plan.warnings if full else plan.warnings[:_WARNINGS]
    if len(shown) == len(plan.warnings):
        yield from diagnostics_text(shown, style)
        return
    *lines, _ = diagnostics_text(shown, style)
    yield from lines
    yield f"and {count(len(plan.warnings) - len(shown), 'more warning')}; --full shows all"


def _nothing(plan: Plan, style: Style) -> Iterator[str]:
    if plan.orphans or plan.warnings:
        yield ""
    totals = plan.totals
    if plan.kind == "diff":
        to = f"to {plan.commit[:7]}" if plan.commit else "to the working tree"
        yield style(safe(f"No changes of source {plan.source} {plan.note} {to}."), "bold")
        return
    if plan.base == 0:
        others = f" ({count(totals.passed_over, 'document')} of other tools passed over)" if totals.passed_over else ""
        yield style(f"No changes. There is no document in {count(totals.files, 'file')}{others}.", "bold")
        return
    held = f"{count(totals.resources, 'resource')}, {count(totals.slices, 'slice')}"
    yield style(f"No changes. {held}, as applied in generation {plan.base}.", "bold")
