"""What a simulation of an automation shows: the gates, the path that was taken, and what would have been sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.automate.context import iso
from reconciler.automate.port import Step
from reconciler.automate.simulate import Gate, SentAction, Simulated
from reconciler.base.canonical import dumps
from reconciler.flows.automation_simulate import Tried
from reconciler.report.style import Style, count, safe

FORMAT = 1
_MARKS = {"success": "✓", "failed": "✗", "skipped": "-", "waiting": "…", "cancelled": "-", "running": "…"}
_LOOKS = {"success": "green", "failed": "red", "waiting": "yellow", "skipped": "dim", "cancelled": "dim"}
_LONG = 500


def simulated_text(came: Simulated, style: Style) -> Iterator[str]:
    """All of it, for people."""
    yield f"{style(safe(came.automation), 'bold')} from {iso(came.began)}"
    yield ""
    yield style("Gates", "bold")
    yield from (f"  {_gate(gate, style)}" for gate in came.gates)
    if not came.started:
        yield ""
        yield style("It would not start.", "yellow")
        return
    yield ""
    yield style("Path", "bold")
    yield from _path(came, style)
    yield ""
    yield style("Would be done", "bold")
    for sent in came.sent:
        yield from _sent(sent, came.began, style)
    if not came.sent:
        yield "  nothing"
    yield ""
    status = str(came.status)
    reason = f": {safe(came.reason)}" if came.reason else ""
    yield style(f"{_MARKS.get(status, ' ')} {status}{reason}", _LOOKS.get(status, "bold"))


def simulated_json(came: Simulated) -> dict[str, Any]:
    """The same for programs. Times are ISO texts."""
    return {
        "format": FORMAT,
        "automation": came.automation,
        "began": iso(came.began),
        "gates": [gate._asdict() for gate in came.gates],
        "started": came.started,
        "trigger": came.trigger,
        "status": came.status,
        "reason": came.reason,
        "steps": [_step_json(step) for step in came.steps],
        "sent": [{**each._asdict(), "at": iso(each.at), "config": dict(each.config)} for each in came.sent],
        "waits": [{"path": wait.path, "kind": wait.kind, "event": wait.event} for wait in came.waits],
    }


def tried_text(tried: Sequence[Tried], style: Style) -> Iterator[str]:
    """A line for each scenario, and below it what came otherwise."""
    for each in tried:
        failed = bool(each.differences)
        mark = style("✗", "red") if failed else style("✓", "green")
        yield f"{mark} {safe(each.file)}: {safe(each.title)}"
        yield from (f"    {safe(line)}" for line in each.differences)
    wrong = sum(1 for each in tried if each.differences)
    yield ""
    yield (
        f"{count(len(tried), 'scenario')}, {wrong} not as expected"
        if wrong
        else f"{count(len(tried), 'scenario')}, all as expected"
    )


def tried_json(tried: Sequence[Tried]) -> dict[str, Any]:
    """The same for programs, with the whole of each simulation."""
    return {
        "format": FORMAT,
        "scenarios": [
            {
                "file": each.file,
                "title": each.title,
                "differences": list(each.differences),
                "simulated": simulated_json(each.simulated),
            }
            for each in tried
        ],
    }


def _step_json(step: Step) -> dict[str, Any]:
    times = {"at": iso(step.at), "ended": None if step.ended is None else iso(step.ended)}
    kept = ("path", "block", "action", "id", "status", "attempts", "error")
    return {**{key: getattr(step, key) for key in kept}, **times, "result": dict(step.result)}


def _gate(gate: Gate, style: Style) -> str:
    name = gate.id or (f"triggers[{gate.trigger}]" if gate.trigger >= 0 else "by hand")
    mark = style("✓", "green") if gate.opens else style("✗", "red")
    return f"{mark} {safe(name)}: {gate.name}{f' ({safe(gate.note)})' if gate.note else ''}"


def _path(came: Simulated, style: Style) -> Iterator[str]:
    rows = [(_since(step.at, came.began), step) for step in came.steps]
    width = max((len(since) for since, _ in rows), default=0)
    for since, step in rows:
        mark = style(_MARKS.get(step.status, " "), _LOOKS.get(step.status, "bold"))
        what = step.action or step.block
        told = f"  {style(safe(_told(step)), 'dim')}" if _told(step) else ""
        yield f"  {since.rjust(width)} {mark} {safe(step.path)}  {safe(what)}{told}"


def _told(step: Step) -> str:
    """What else there is to say of a step, in a few words."""
    words = [] if step.action is None and step.id is None else [step.id or ""]
    if step.action is None:
        words += [f"{key} {_short(value)}" for key, value in step.result.items()]
    if step.attempts > 1:
        words.append(f"{step.attempts} attempts")
    if step.error:
        words.append(step.error)
    if step.ended is not None and step.ended > step.at and step.block in ("delay", "waitForTrigger", "waitUntil"):
        words.append(f"waited {_lasting(step.ended - step.at)}")
    return ", ".join(word for word in words if word)


def _sent(sent: SentAction, began: float, style: Style) -> Iterator[str]:
    again = f", attempt {sent.attempt}" if sent.attempt > 1 else ""
    yield f"  {style(safe(sent.action), 'bold')} {safe(sent.path)} ({_since(sent.at, began)}{again})"
    for key, value in sent.config.items():
        lines = _short(value).splitlines() or [""]
        yield f"    {safe(key)}: {safe(lines[0])}"
        yield from (f"      {safe(line)}" for line in lines[1:])


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else dumps(dict(value) if isinstance(value, Mapping) else value).decode()
    return text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."


def _since(at: float, began: float) -> str:
    return f"+{_lasting(at - began)}"


def _lasting(seconds: float) -> str:
    """``0s``, ``5m``, ``1h30m``, ``2d``."""
    left, written = round(seconds), ""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= size:
            written += f"{left // size}{unit}"
            left %= size
    return written or "0s"
