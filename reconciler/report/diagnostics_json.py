"""Diagnostics as machines read them. The shape is stable: keys may be added, none changes its meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.base.diagnostics import Diagnostic, Place
from reconciler.base.errors import GitopsError, InvalidDocuments, PlanRefused

FORMAT = 1


def place_json(place: Place | None) -> dict[str, Any] | None:
    """Path, line and column, both from 1; null where there is no place."""
    return None if place is None else {"path": place.path, "line": place.line, "column": place.column}


def diagnostic_json(d: Diagnostic) -> dict[str, Any]:
    """One diagnostic; every key is always there."""
    return {
        "severity": d.severity,
        "code": d.code,
        "message": d.message,
        "place": place_json(d.place),
        "hint": d.hint,
        "excerpt": d.excerpt,
        "related": [{"message": words, "place": place_json(place)} for words, place in d.related],
    }


def severity_counts(diagnostics: Sequence[Diagnostic]) -> dict[str, int]:
    """``{"errors": 3, "warnings": 1, "files": 2}``."""
    errors = sum(1 for d in diagnostics if d.severity == "error")
    files = len({d.place.path for d in diagnostics if d.place is not None})
    return {"errors": errors, "warnings": len(diagnostics) - errors, "files": files}


def error_json(error: GitopsError) -> dict[str, Any]:
    """What stands where the result would, when a command fails: ``reason`` is a stable word for refused plans."""
    told: dict[str, Any] = {"message": error.message, "hint": error.hint, "exitCode": error.exit_code}
    if isinstance(error, PlanRefused):
        told["reason"] = error.reason
    if isinstance(error, InvalidDocuments):
        told["diagnostics"] = [diagnostic_json(d) for d in error.diagnostics]
        told["counts"] = severity_counts(error.diagnostics)
    return {"format": FORMAT, "error": told}
