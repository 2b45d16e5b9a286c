"""Annotations of GitHub Actions: commands in the job's log that stand beside the line in the pull request.

Whatever begins with ``::`` on a line of its own is a command, so nothing of a document may start a line or end a value.
"""

from __future__ import annotations

from reconciler.base.diagnostics import Diagnostic
from reconciler.report.findings import Findings, in_words
from reconciler.report.place import end_column
from reconciler.report.style import safe

_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(found: Findings) -> str:
    """A line for each diagnostic; nothing for none."""
    return "".join(f"{_annotation(d, found)}\n" for d in found.diagnostics)


def _annotation(d: Diagnostic, found: Findings) -> str:
    properties = {"title": d.code}
    if d.place is not None:
        properties = {
            "file": found.path(d.place.path),
            "line": str(d.place.line),
            "endLine": str(d.place.line),
            "col": str(d.place.column),
            "endColumn": str(end_column(d.excerpt, d.place.column)),
            **properties,
        }
    told = ",".join(f"{name}={_clean(value).translate(_PROPERTY)}" for name, value in properties.items())
    return f"::{d.severity} {told}::{_clean(in_words(d)).translate(_DATA)}"


def _clean(text: str) -> str:
    """Line breaks are kept, as they are escaped; what steers a terminal isn't."""
    return "\n".join(safe(line) for line in text.split("\n"))
