"""The same facts as :mod:`.import_text`, for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.flows.importing import Conversion
from reconciler.report.diagnostics_json import FORMAT


def import_json(found: Conversion, folder: str, *, changed: Sequence[str]) -> dict[str, Any]:
    """``line`` of a note is null where the file has none, ``path`` is the place in its YAML or JSON."""
    return {
        "format": FORMAT,
        "folder": folder,
        "files": [{"path": path, "documents": dict(kinds)} for path, kinds in found.documents.items()],
        "written": list(changed),
        "notes": [
            {
                "kind": note.kind,
                "file": note.at.file,
                "line": note.at.line,
                "path": note.at.path or None,
                "message": note.message,
                "hint": note.hint,
                "secret": note.name,
            }
            for note in found.notes
        ],
        "counts": {"files": found.read, "monitors": found.monitors},
    }
