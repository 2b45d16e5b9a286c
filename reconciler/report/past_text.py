"""The past of one slice as people read it: runs newest first, the changes of health where they happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.base.durations import format_duration
from reconciler.flows.health import Regional, seen
from reconciler.flows.runs import Digest, Past, Told
from reconciler.model.run import Outcome
from reconciler.model.slice import SliceName
from reconciler.report.health_text import LOOKS, MARKS, WORDS, reason, regions_failing, shortened
from reconciler.report.moments import moment, span, took
from reconciler.report.run_text import outcome, run_text
from reconciler.report.style import Style, safe
from reconciler.report.table import table
from reconciler.store.executing import Transition

_ARROW = "→"
_OUTCOMES: tuple[Outcome, ...] = ("healthy", "degraded", "unhealthy")


def past_text(past: Past, style: Style) -> Iterator[str]:
    """How it stands, then a line for each run."""
    yield from _standing(past, style)
    if not past.runs:
        yield _nothing(past)
        return
    yield ""
    rows = sorted([*_runs(past.runs), *_transitions(past.transitions)], key=lambda row: (-row[0], row[1]))
    regions = len({told.run.region for told in past.runs}) > 1
    header = ["AT", *(["REGION"] if regions else []), "OUTCOME", "TOOK", "LATE", "WHY"]
    cells = [[*row[:1], *(row[1:2] if regions else []), *row[2:]] for _, _, row in rows]
    yield from _painted(table(header, cells, style), style)


def last_text(past: Past, style: Style, *, full: bool) -> Iterator[str]:
    """How it stands, then the newest run in full."""
    yield from _standing(past, style)
    if not past.runs:
        yield _nothing(past)
        return
    told = past.runs[0]
    run = told.run
    late = f", {took(_late(told))} after it was due" if run.at > run.slot else ""
    yield f"The last run was {span(past.at - run.at)} ago, at {moment(run.at)}{late}, by {safe(run.worker)}."
    yield ""
    yield from run_text(told, style, full=full)


def digests_text(name: SliceName, digests: Sequence[Digest], which: str, style: Style) -> Iterator[str]:
    """A line for each hour or day, oldest first."""
    if not digests:
        called = safe(str(name))
        yield f"No {which} of {called} is over and summed up yet; gitops runs {called} lists its runs."
        return
    regions = len({d.region for d in digests}) > 1
    header = [which.upper(), *(["REGION"] if regions else []), "RUNS", "HEALTHY", "DEGRADED", "UNHEALTHY"]
    header += ["P50", "P95", "P99", "SLOWEST"]
    rows = []
    for d in digests:
        at = moment(d.start)[:10] if which == "day" else f"{moment(d.start)[:16]} UTC"
        duration = d.metrics.get("duration")
        times = [took(duration[key]) if duration else "-" for key in ("p50", "p95", "p99", "max")]
        share = f"{100 * d.healthy / d.runs:.2f} %" if d.runs else "-"
        counts = [f"{d.runs:,}", share, f"{d.degraded:,}", f"{d.unhealthy:,}"]
        rows.append([at, *([d.region or "-"] if regions else []), *counts, *times])
    yield from table(header, rows, style)


def _standing(past: Past, style: Style) -> Iterator[str]:
    """A line for each region: health, since when, how often it runs."""
    if not past.states:
        yield f"{style(safe(str(past.slice.name)), 'bold')}: not scheduled yet"
    found = [seen(past.slice.name.check, state, past.observed) for state in past.states]
    for now in found:
        state = now.state
        word = style(f"{MARKS[now.standing]} {WORDS[now.standing]}", LOOKS[now.standing])
        region = f" ({safe(state.region)})" if state.region else ""
        at = now.state.since
        since = f" for {span(past.at - at)} (since {moment(at)})" if state.runs or now.failing else ""
        every = f", every {format_duration(state.interval_ms)}" if state.interval_ms else ""
        yield f"{style(safe(str(past.slice.name)), 'bold')}{region}: {word}{since}{every}"
        said = reason(now, past.at)
        if said:
            yield f"  {safe(said)}"
    together = Regional.of(past.slice.name.check, found) if len(found) > 1 else None
    if together is not None and together.failing:
        yield safe(regions_failing(together))


def _nothing(past: Past) -> str:
    name = past.slice.name
    at = f" --environment {name.environment}" if name.environment else ""
    if any(state.runs for state in past.states):
        return "No run of it is kept from that time."
    return safe(f"It never ran. gitops run {name.check} --system {name.system}{at} runs it now.")


_Row = tuple[float, int, list[str]]


def _runs(runs: Sequence[Told]) -> Iterator[_Row]:
    for told in runs:
        run = told.run
        late = took(_late(told)) if run.at > run.slot else "-"
        cells = [moment(run.at), run.region or "-", outcome(run.outcome, Style()), took(run.duration_ms), late]
        yield run.at, 1, [*cells, shortened(run.reason or "")]


def _transitions(transitions: Sequence[Transition]) -> Iterator[_Row]:
    """A change stands above the run that made it, as later things do."""
    for t in transitions:
        yield t.at, 0, [moment(t.at), t.region or "-", f"{_ARROW} {t.now}", "", "", _was(t)]


def _was(t: Transition) -> str:
    """And why, where no run stands below that says it."""
    return f"was {t.was}: {t.cause}" if t.cause and not t.by.check else f"was {t.was}"


def _late(told: Told) -> float:
    return max(0.0, told.run.at - told.run.slot) * 1000


def _painted(lines: Iterator[str], style: Style) -> Iterator[str]:
    """Colour is put on once the columns are measured: its codes have no width."""
    yield next(lines)
    looks = {f"{mark} {word}": LOOKS[word] for word in _OUTCOMES for mark in (MARKS[word], _ARROW)}
    for line in lines:
        found = next((words for words in looks if f"  {words}" in line), None)
        yield line if found is None else line.replace(found, style(found, looks[found]), 1)
