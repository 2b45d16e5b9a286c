"""The same facts as :mod:`.migrate_text`, for machines."""

from __future__ import annotations

from typing import Any

from reconciler.flows.migrate import Rewriting
from reconciler.flows.migrate_file import DocumentChange, FileChange, Note
from reconciler.report.diagnostics_json import FORMAT, diagnostic_json, place_json
from reconciler.report.migrate_text import diff_text
from reconciler.report.style import PLAIN


def migrate_json(found: Rewriting, *, written: bool, diff: bool) -> dict[str, Any]:
    """``diff`` of a file is null unless it was asked for."""
    return {
        "format": FORMAT,
        "written": written,
        "files": [_file(change, diff=diff) for change in found.files],
        "left": [diagnostic_json(d) for d in found.left],
        "counts": {
            "files": found.read,
            "changed": len(found.files),
            "documents": sum(len(change.documents) for change in found.files),
            "current": found.current,
        },
    }


def _file(change: FileChange, *, diff: bool) -> dict[str, Any]:
    return {
        "path": change.path,
        "documents": [_document(document) for document in change.documents],
        "diff": "".join(diff_text(change, PLAIN)) if diff else None,
    }


def _document(document: DocumentChange) -> dict[str, Any]:
    return {
        "kind": document.kind,
        "name": document.name,
        "line": document.line,
        "steps": list(document.steps),
        "comments": [_note(note) for note in document.comments],
        "expanded": [_note(note) for note in document.expanded],
    }


def _note(note: Note) -> dict[str, Any]:
    return {"place": place_json(note.place), "text": note.text}
