"""Runs as people read them: one in full, with every assertion and what it was judged by; and many, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.flows.origins import Origin
from reconciler.flows.runs import Told
from reconciler.model.run import Outcome
from reconciler.report.moments import took
from reconciler.report.style import Style, count, safe

MARKS: dict[Outcome, str] = {"healthy": "✓", "degraded": "!", "unhealthy": "✗"}
LOOKS: dict[Outcome, str] = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}
_LONG = 100
_LINES = 10
_OUTPUT = ("stdout", "stderr", "message", "banner")
"""Results that are texts of several lines: they stand below the others."""
_TOLD = ("success", "timedOut")
"""What outcome and error tell already."""
_SHORT = 7
_SHORTEST = 0.05
"""Milliseconds of a phase that is worth a word: an address that is none of a name isn't looked up."""


def outcome(word: Outcome, style: Style) -> str:
    """``✗ unhealthy``, painted."""
    return style(f"{MARKS[word]} {word}", LOOKS[word])


def run_text(told: Told, style: Style, *, full: bool = False) -> Iterator[str]:
    """Everything about one run."""
    run, detail = told.run, told.run.detail
    region = f" ({safe(run.region)})" if run.region else ""
    mark = style(MARKS[run.outcome], LOOKS[run.outcome])
    word = style(run.outcome, LOOKS[run.outcome], "bold")
    yield f"{mark} {style(safe(str(told.name)), 'bold')}{region}: {word} in {took(run.duration_ms)}"
    yield from (f"  {style(line, LOOKS[run.outcome])}" for line in _sentence(detail.get("error")))
    for collector in detail.get("collectors", ()):
        yield from (f"  {line}" for line in _collector(collector, style, full=full))
    if told.origin is not None:
        yield f"  {style(place(told.origin, run.generation), 'dim')}"


def place(origin: Origin, generation: int) -> str:
    """``monitoring/orders.yaml:16 at 1a2b3c4, generation 3``."""
    at = f" at {origin.commit[:_SHORT]}" if origin.commit else ""
    which = f", generation {generation}" if generation else ""
    return safe(f"{origin.path}:{origin.line}{at}{which}")


def totals(counts: Mapping[Outcome, int], style: Style) -> str:
    """``3 runs: 1 unhealthy, 2 healthy``, the worst first."""
    words: tuple[Outcome, ...] = ("unhealthy", "degraded", "healthy")
    parts = [style(f"{counts[word]:,} {word}", LOOKS[word]) for word in words if counts.get(word)]
    return f"{style(count(sum(counts.values()), 'run'), 'bold')}: {', '.join(parts) or 'nothing to run'}"


def _collector(c: Mapping[str, Any], style: Style, *, full: bool) -> Iterator[str]:
    result: Mapping[str, Any] = c.get("result") or {}
    label = c["type"] if c.get("id") in (None, c["type"]) or str(c["id"]).isdigit() else f"{c['type']} {c['id']}"
    yield f"{style(safe(label), 'bold')}  {_metrics(c['type'], result)}".rstrip()
    yield from (f"  {style(line, 'red')}" for line in _sentence(c.get("error")))
    if c.get("phases"):
        parts = ", ".join(f"{safe(name)} {took(ms)}" for name, ms in c["phases"].items() if ms >= _SHORTEST)
        yield f"  phases: {parts}"
    for name in _OUTPUT:
        if result.get(name) != c.get("error"):
            yield from (f"  {line}" for line in _output(name, result.get(name), style, full=full))
    for verdict in c.get("assertions", ()):
        yield f"  {verdict_text(verdict, style)}"
    if c.get("sandbox"):
        yield from (f"  {line}" for line in sandbox_lines(c["sandbox"], style, said=c.get("error") or ""))
    for note in c.get("notes", ()):
        first, *more = _sentence(note) or [""]
        yield from (f"  note: {first}", *(f"        {line}" for line in more))


def _sentence(text: str | None) -> list[str]:
    """A few may be more than a line: what a script raised, and where."""
    return [safe(line).rstrip() for line in (text or "").splitlines()]


def verdict_text(v: Mapping[str, Any], style: Style) -> str:
    """``✗ statusCode equals 200: found 503``."""
    expected = v.get("expected")
    parts = [v["field"], v.get("jsonPath"), v["operator"], None if expected is None else _value(expected)]
    what = safe(" ".join(str(part) for part in parts if part is not None))
    actual = v.get("actual")
    told = actual is not None and not (v["passed"] and str(actual) == str(expected))
    found = f"found {_cut(str(actual))}" if told else ""
    why = "; ".join(safe(part) for part in (found, v.get("reason")) if part)
    mark = style("✓", "green") if v["passed"] else style("✗", "red")
    return f"{mark} {what}{': ' if why else ''}{why if v['passed'] else style(why, 'red')}"


def sandbox_lines(report: Mapping[str, Any], style: Style, *, said: str = "") -> Iterator[str]:
    """What held of what was asked for, and why not all, unless that was ``said`` already."""
    held, asked = report.get("enforced") or (), report.get("requested") or ()
    missing = [layer for layer in asked if layer not in held]
    told = f"{safe(', '.join(held))} held" if held else "nothing held"
    without = style(f", without {safe(', '.join(missing))}", "yellow") if missing else ""
    yield f"sandbox: {told}{without}"
    reasons = [f"{row['layer']}: {row['reason']}" for row in report.get("downgrades") or ()]
    yield from (style(safe(reason), "yellow") for reason in reasons if reason not in said)
    yield from (safe(f"{row['layer']}: {row['note']}") for row in report.get("notes") or ())
    if report.get("droppedEnvironment"):
        yield safe(f"variables that no script may have were left out: {', '.join(report['droppedEnvironment'])}")


def _metrics(collector: str, result: Mapping[str, Any]) -> str:
    fields = _fields(collector)
    parts = []
    for name in [*(f for f in fields if f in result), *(f for f in result if f not in fields)]:
        value = result[name]
        if name in (*_OUTPUT, *_TOLD) or value is None or value == "":
            continue
        parts.append(safe(f"{name} {_metric(value, fields.get(name))}"))
    return " · ".join(parts)


def _fields(collector: str) -> dict[str, str | None]:
    """The fields of its result in the order that tells most, with their units."""
    from reconciler.kinds.results import RESULTS

    return {field.name: field.unit for field in RESULTS.get(collector, ())}


def _metric(value: Any, unit: str | None) -> str:
    if unit == "ms" and isinstance(value, int | float):
        return took(value)
    text = _cut(_value(value))
    return text if unit is None else f"{text}{'' if unit == '%' else ' '}{unit}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return dumps(value).decode()


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _output(name: str, text: Any, style: Style, *, full: bool) -> Iterator[str]:
    if not isinstance(text, str) or not text.strip():
        return
    lines = text.splitlines()
    bar = style("|" if name != "stderr" else "!", "dim")
    for line in lines if full else lines[:_LINES]:
        yield f"{bar} {safe(line)}".rstrip()
    if not full and len(lines) > _LINES:
        yield f"… {count(len(lines) - _LINES, 'more line')}; --full shows them"
