"""The diagnostic format of reviewdog, with suggestions a reviewer can take over by a click.

Columns count bytes of UTF-8 there, from 1.
"""

from __future__ import annotations

from typing import Any

import orjson

from reconciler.base.diagnostics import Diagnostic, Place
from reconciler.report.findings import Findings
from reconciler.report.place import end_column, replacement

_SEVERITY = {"error": "ERROR", "warning": "WARNING"}


def render(found: Findings) -> str:
    """One result."""
    result = {
        "source": {"name": "gitops"},
        "severity": "ERROR" if any(d.severity == "error" for d in found.diagnostics) else "WARNING",
        "diagnostics": [_diagnostic(d, found) for d in found.diagnostics],
    }
    return orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _diagnostic(d: Diagnostic, found: Findings) -> dict[str, Any]:
    text = d.message if d.hint is None else f"{d.message}\nhint: {d.hint}"
    place = d.place or Place("gitops.yaml", 1, 1)
    location = _location(place, found, d.excerpt)
    row: dict[str, Any] = {
        "message": text,
        "location": location,
        "severity": _SEVERITY[d.severity],
        "code": {"value": d.code},
    }
    if (new := replacement(d)) is not None:
        row["suggestions"] = [{"range": location["range"], "text": new}]
    if d.related:
        row["related_locations"] = [{"message": words, "location": _location(at, found)} for words, at in d.related]
    return row


def _location(place: Place, found: Findings, excerpt: str | None = None) -> dict[str, Any]:
    spot: dict[str, Any] = {"start": {"line": place.line, "column": _bytes(excerpt, place.column)}}
    if excerpt is not None:
        end = _bytes(excerpt, end_column(excerpt, place.column))
        spot["end"] = {"line": place.line, "column": end}
    return {"path": found.path(place.path), "range": spot}


def _bytes(excerpt: str | None, column: int) -> int:
    """A column in characters as one in bytes."""
    before = (excerpt or "")[: column - 1]
    return column + len(before.encode("utf-8", "replace")) - len(before)
