"""Code quality reports of GitLab, which a merge request shows beside the lines."""

from __future__ import annotations

from typing import Any

import orjson

from reconciler.base.diagnostics import Diagnostic
from reconciler.report.findings import Findings, in_words
from reconciler.report.place import fingerprints

_SEVERITY = {"error": "major", "warning": "minor"}


def render(found: Findings) -> str:
    """A list. GitLab wants a place for each, so what has none stands at the settings."""
    rows = [_issue(d, mark, found) for d, mark in fingerprints(found.diagnostics)]
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _issue(d: Diagnostic, mark: str, found: Findings) -> dict[str, Any]:
    path, line, column = (d.place.path, d.place.line, d.place.column) if d.place else ("gitops.yaml", 1, 1)
    at = {"line": line, "column": column}
    return {
        "type": "issue",
        "check_name": d.code,
        "description": in_words(d),
        "categories": ["Bug Risk"],
        "severity": _SEVERITY[d.severity],
        "fingerprint": mark,
        "location": {"path": found.path(path), "positions": {"begin": at, "end": at}, "lines": {"begin": line}},
    }
