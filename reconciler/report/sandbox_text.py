"""What a host can enforce, and the policy it is asked for, as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.report.style import Style, safe
from reconciler.report.table import pairs, table
from reconciler.sandbox.capabilities import Row
from reconciler.sandbox.runners.outcome import ScriptResult, ShellResult


def probe_text(rows: Sequence[Row], style: Style) -> Iterator[str]:
    """A line for each layer, and beneath what to do about those that are missing."""
    cells = [[row.layer, "yes" if row.enforceable else "NO", row.how or row.why_not] for row in rows]
    yield from table(["LAYER", "ENFORCED", "HOW, OR WHY NOT"], cells, style)
    advice = [row for row in rows if not row.enforceable and row.what_to_do]
    if advice:
        yield ""
        yield style("What to do", "bold")
        yield from (f"  {safe(row.layer)}: {safe(row.what_to_do)}" for row in advice)


def probe_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [
        {
            "layer": row.layer,
            "enforceable": row.enforceable,
            "how": row.how,
            "whyNot": row.why_not,
            "whatToDo": row.what_to_do,
        }
        for row in rows
    ]


def policy_text(policy: dict[str, Any], style: Style) -> Iterator[str]:
    """``key  value`` lines, keys as ``policy set`` takes them."""
    yield from pairs(list(_flat(policy)), style)


def _flat(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        name = f"{prefix}{key}"
        if isinstance(inner, dict):
            yield from _flat(inner, f"{name}.")
        elif isinstance(inner, list):
            yield name, ", ".join(map(str, inner)) or "[]"
        else:
            yield name, {True: "true", False: "false", None: "null"}.get(inner, str(inner))


def run_text(result: ShellResult, style: Style, *, quiet: bool) -> Iterator[str]:
    """What the script wrote, what it came to, and unless ``quiet`` what was enforced of what was asked for."""
    for text in (result.stdout, "" if result.refused else result.stderr):
        yield from (safe(line) for line in text.splitlines())
    if quiet:
        return
    if result.stdout or result.stderr:
        yield ""
    yield style(safe(_outcome(result)), "bold")
    report = result.report
    if report is None:
        return
    held = [layer for layer, on in report.enforced.items() if on]
    yield f"Enforced: {', '.join(held) or 'nothing'}"
    yield from (safe(f"Downgraded: {d.layer}: {d.reason}") for d in report.downgrades)
    yield from (safe(f"Note: {n.layer}: {n.note}") for n in report.notes)


def _outcome(result: ShellResult) -> str:
    took = f"in {result.execution_ms:.0f} ms"
    said: list[str] = []
    if result.error is not None:
        said = [result.error]
    elif isinstance(result, ScriptResult):
        said = [str(part) for part in (result.message, result.value) if part is not None]
    return f"{'Passed' if result.success else 'Failed'} {took}{': ' if said else ''}{', '.join(said)}"


def run_json(result: ShellResult) -> dict[str, Any]:
    """The same for machines, with the whole report."""
    found: dict[str, Any] = {
        "success": result.success,
        "error": result.error,
        "exitCode": result.exit_code,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "timedOut": result.timed_out,
        "outputTruncated": result.output_truncated,
        "executionMs": result.execution_ms,
        "report": result.report.to_json() if result.report is not None else None,
    }
    if isinstance(result, ScriptResult):
        found |= {"message": result.message, "value": result.value, "notes": list(result.notes)}
    return found
