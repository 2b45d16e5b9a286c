"""What a script is told as its context, and what its result means for the collector that ran it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.execute.port import Collected
from reconciler.sandbox.report import LAYERS, SandboxReport
from reconciler.sandbox.runners.outcome import ScriptResult, ShellResult
from reconciler.sandbox.runners.variables import Subject

FAILED = "Check failed"
"""What is said of a script that says it failed, and nothing else."""
FLOODED = "Script wrote more output than is allowed and was stopped"
_SHOWN = 900
"""Characters of a stack or of standard error in a note."""
_UNSHARED = ("script", "secretEnv")


def context_of(subject: Subject, fields: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """``context`` of a Python or Node.js script. Of its config everything but its text and its secrets."""
    environment = None
    if subject.environment_id is not None:
        name = subject.environment_name or subject.environment_id
        environment = {**fields, "id": subject.environment_id, "name": name}
    return {
        "check": {
            "id": subject.check_id,
            "name": subject.check_name,
            "intervalSeconds": subject.interval_seconds,
        },
        "system": {"id": subject.system_id, "name": subject.system_name},
        "environment": environment,
        "config": {key: value for key, value in config.items() if key not in _UNSHARED},
    }


def executed(r: ShellResult, asked: Mapping[str, bool], notes: tuple[str, ...] = ()) -> Collected:
    """Of the collector ``execute``. ``asked``: the layers that the policy asks for."""
    result = {
        "exitCode": r.exit_code,
        "stdout": r.stdout,
        "stderr": r.stderr,
        "executionTimeMs": round(r.execution_ms, 3),
        "success": r.success,
        "timedOut": r.timed_out,
    }
    error = FLOODED if r.output_truncated and not r.timed_out else r.error
    return _collected(r, result, error, asked, notes)


def returned(r: ScriptResult, asked: Mapping[str, bool], notes: tuple[str, ...] = ()) -> Collected:
    """Of the collector ``inline-script``: a script that says it failed is an error of the collector, in its own words.

    What there is no result of comes with what the script left behind.
    """
    result: dict[str, Any] = {"success": r.success}
    if r.message is not None:
        result["message"] = r.message
    if r.value is not None:
        result["value"] = r.value
    result["executionTimeMs"] = round(r.execution_ms, 3)
    result["timedOut"] = r.timed_out
    notes = (*notes, *r.notes)
    if r.stack:
        notes = (*notes, _shortened(r.stack))
    elif r.failure is not None and r.stderr not in ("", r.failure):
        notes = (*notes, f"standard error: {_shortened(r.stderr)}")
    error = r.error if r.error is not None or r.success else r.message or FAILED
    return _collected(r, result, error, asked, notes)


def report_of(report: SandboxReport, asked: Mapping[str, bool]) -> dict[str, Any]:
    """The report as it is kept with every run: which layers were asked for, which were seen to hold, and why not.

    What holds for every run on this host, ``gitops sandbox probe`` tells.
    """
    found: dict[str, Any] = {
        "requested": [layer for layer in LAYERS if asked.get(layer)],
        "enforced": [layer for layer in LAYERS if report.enforced.get(layer)],
    }
    if report.downgrades:
        found["downgrades"] = [{"layer": d.layer, "reason": d.reason} for d in report.downgrades]
    if notes := [{"layer": n.layer, "note": n.note} for n in report.notes if n.of_run]:
        found["notes"] = notes
    if report.dropped_environment:
        found["droppedEnvironment"] = list(report.dropped_environment)
    return found


def _collected(
    r: ShellResult, result: dict[str, Any], error: str | None, asked: Mapping[str, bool], notes: tuple[str, ...]
) -> Collected:
    return Collected(
        result,
        error,
        sandbox=None if r.report is None else report_of(r.report, asked),
        notes=notes,
        timed_out=r.timed_out,
        unobservable=r.refused is not None,
    )


def _shortened(text: str) -> str:
    """The end says most: of a stack it is the error itself."""
    text = text.strip()
    return text if len(text) <= _SHOWN else f"…{text[-_SHOWN:]}"
