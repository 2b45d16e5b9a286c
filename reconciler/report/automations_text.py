"""Automations and their runs as people read them. What looks like a secret is shown as a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.automate.definitions import Automation, Trigger
from reconciler.base.canonical import dumps
from reconciler.flows.automations import Overview, Shown, Told
from reconciler.report.masks import Masks
from reconciler.report.moments import moment, span, took
from reconciler.report.style import Style, safe
from reconciler.report.table import pairs, table
from reconciler.store.automating import RunRow, StepRow, WaitRow

MARKS = {
    "success": "✓",
    "failed": "✗",
    "cancelled": "-",
    "skipped": "-",
    "waiting": "…",
    "running": "▸",
    "pending": "·",
    "queued": "·",
}
_LOOKS = {"success": "green", "failed": "red", "cancelled": "magenta", "waiting": "yellow", "running": "blue"}
_LONG = 120


def automations_table(found: Sequence[Overview], now: float, style: Style) -> Iterator[str]:
    """A line for each."""
    rows = [
        [
            each.automation.name,
            ", ".join(_trigger(t) for t in each.automation.triggers),
            _mode(each.automation),
            each.automation.spec.get("runAs") or "-",
            str(each.going) if each.going else "-",
            _last(each.last, now),
            "-" if each.tick_at is None else moment(each.tick_at),
        ]
        for each in found
    ]
    header = ["AUTOMATION", "TRIGGERS", "MODE", "RUNS AS", "GOING", "LAST RUN", "NEXT TICK"]
    return _painted(table(header, rows, style), style)


def runs_table(found: Sequence[Told], style: Style) -> Iterator[str]:
    """A line for each."""
    rows = [
        [
            str(run.id),
            name,
            f"{MARKS[state(run)]} {state(run)}",
            moment(run.created),
            _took(run.started, run.ended),
            run.event_name,
            run.context_key or "-",
            _short(run.reason or ""),
        ]
        for name, run in found
    ]
    return _painted(
        table(["RUN", "AUTOMATION", "STATUS", "AT", "TOOK", "STARTED BY", "CONTEXT", "WHY"], rows, style), style
    )


def run_text(found: Shown, style: Style, *, full: bool = False) -> Iterator[str]:
    """One run with the tree of its steps, what it waits for, and what it left for later runs."""
    run, masks = found.run, Masks()
    yield f"{style(safe(f'run {run.id} of {found.name}'), 'bold')}: {_worded(state(run), style)}"
    yield from (f"  {safe(line)}" for line in (run.reason or "").splitlines())
    yield from pairs(list(_facts(found)), style)
    if full:
        yield ""
        yield style("Event", "bold")
        yield from _unfolded(run.event.get("payload") or {}, masks)
    if found.steps:
        yield ""
        depths = found.depths
        for step in found.steps:
            yield from _step(step, depths[step.path], masks, style, full=full)
    waits = [wait for wait in found.waits if wait.resumed_at is None]
    if waits and run.ended is None:
        yield ""
        yield from (safe(f"{wait.path} waits {_waits(wait)}") for wait in waits)
    for artifact in found.artifacts:
        yield ""
        kept = _short(_one_line(masks.value(dict(artifact.value))))
        yield safe(
            f"It left {artifact.type} (of {artifact.step_id}) for {artifact.context_key or 'later runs'}: {kept}"
        )


def step_line(step: StepRow, style: Style) -> str:
    """One step, as it ended."""
    mark = style(MARKS[step.status], _LOOKS.get(step.status, "dim"))
    parts = [safe(step.path), safe(_called(step))]
    if step.ended is not None:
        parts.append(took(1000 * max(0.0, step.ended - step.at)))
    if step.attempts > 1:
        parts.append(f"{step.attempts} tries")
    return f"{mark} {'  '.join(parts)}"


def run_line(found: Shown, style: Style) -> str:
    """How one stands, in a sentence."""
    run = found.run
    why = f": {run.reason}" if run.reason else ""
    return f"Run {run.id} of {safe(found.name)} is {_worded(state(run), style)}{safe(why)}."


def state(run: RunRow) -> str:
    """How it stands, in a word."""
    return "queued" if run.queued else run.status


def _facts(found: Shown) -> Iterator[tuple[str, str]]:
    run = found.run
    trigger = f", trigger {run.trigger_id}" if run.trigger_id else ""
    actor = run.event.get("actor")
    by = f", by {actor}" if actor else ""
    yield "Started by", f"{run.event_name}{trigger}{by}"
    yield "Context", run.context_key or "-"
    yield "Generation", str(run.generation)
    yield "Created", moment(run.created)
    if run.started is not None:
        yield "Began", f"{moment(run.started)}, after {took(1000 * max(0.0, run.started - run.created))}"
    if run.ended is not None:
        yield "Ended", f"{moment(run.ended)}, after {_took(run.started, run.ended)}"
    elif run.worker:
        yield "With", run.worker
    elif run.ready_at is not None and run.ready_at > found.at:
        yield "Goes on", moment(run.ready_at)


def _step(step: StepRow, depth: int, masks: Masks, style: Style, *, full: bool) -> Iterator[str]:
    yield "  " * depth + step_line(step, style)
    below = "  " * (depth + 2)
    for line in (step.error or "").splitlines():
        yield below + style(safe(line), "red" if step.status == "failed" else "yellow")
    if step.result:
        value = masks.value(dict(step.result))
        if full:
            yield from (below + line for line in _unfolded(value, masks))
        else:
            yield below + style(safe(_short(_one_line(value))), "dim")


def _unfolded(value: Mapping[str, Any], masks: Masks) -> Iterator[str]:
    for key, each in masks.value(dict(value)).items():
        text = each if isinstance(each, str) else _one_line(each)
        if "\n" in text:
            yield safe(f"{key}:")
            yield from (f"  {safe(line)}" for line in text.splitlines())
        else:
            yield safe(f"{key}: {text}")


def _waits(wait: WaitRow) -> str:
    until = "" if wait.due_at is None else f" until {moment(wait.due_at)}"
    if wait.kind == "trigger":
        of = f" of {wait.context_key}" if wait.context_key else ""
        return f"for {wait.event}{of}{until}"
    return {"until": f"for its condition{until}", "retry": f"to try again{until}"}.get(wait.kind, until.strip())


def _called(step: StepRow) -> str:
    what = step.action or step.block
    return f"{step.step_id}: {what}" if step.step_id else what


def _trigger(trigger: Trigger) -> str:
    about = trigger.config.get("cronPattern") or trigger.config.get("hook")
    seconds = trigger.config.get("intervalSeconds")
    about = f"every {seconds} s" if seconds else about
    return f"{trigger.event} ({about})" if about else trigger.event


def _mode(automation: Automation) -> str:
    many = f" {automation.most}" if automation.mode in ("parallel", "queued") else ""
    by = " by context" if automation.spec.get("concurrencyScope") == "contextKey" else ""
    return f"{automation.mode}{many}{by}"


def _last(run: RunRow | None, now: float) -> str:
    return "never" if run is None else f"{MARKS[state(run)]} {state(run)} {span(now - run.created)} ago"


def _took(started: float | None, ended: float | None) -> str:
    return "-" if started is None or ended is None else took(1000 * max(0.0, ended - started))


def _one_line(value: Any) -> str:
    return dumps(value).decode()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONG else f"{line[: _LONG - 1]}…"


def _worded(word: str, style: Style) -> str:
    return style(f"{MARKS[word]} {word}", _LOOKS.get(word, "dim"))


def _painted(lines: Iterator[str], style: Style) -> Iterator[str]:
    yield next(lines)
    words = {f"{mark} {word}": _LOOKS[word] for word, mark in MARKS.items() if word in _LOOKS}
    for line in lines:
        found = next((word for word in words if f"  {word}" in line), None)
        yield line if found is None else line.replace(found, style(found, words[found]), 1)
