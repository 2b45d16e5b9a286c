"""What a person has to do about what no step can decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.base.diagnostics import Diagnostic

_KINDS = {
    "SLO": "keep the target where reports are made, page by an automation, then delete this document",
    "Satellite": "start a worker for this region, then delete this document",
    "View": "delete this document: gitops get and gitops status show what it did",
}
_CODES = {
    "untranslatable": "write it by hand in the words of version 2, with apiVersion gitops/v2; it stays as it is",
    "unresolved-reference": "declare the ServiceAccount with its permissions, or drop the label; then migrate again",
    "bad-name": "version 2 takes no such name: choose another, with metadata.renamedFrom to keep its history",
}
_LEFT_OUT = (
    ("notificationPolicy", "write an automation that does what the policy did; the policy stays as a comment"),
    ("anomaly", "drop it, or set thresholds by hand; the settings stay as a comment"),
    ("is nothing that templates see", "it was empty in version 1 as well; give it a field, or take it out"),
    ("", "look at what stays as a comment, and drop it"),
)


def advised(diagnostic: Diagnostic, document: Any) -> Diagnostic:
    """The same with a way out, where it has none."""
    if diagnostic.code == "unsupported-kind" and isinstance(document, dict):
        return replace(diagnostic, hint=_KINDS.get(str(document.get("kind")), diagnostic.hint))
    if diagnostic.code == "v1-unknown-key":
        return replace(diagnostic, hint="it did nothing in version 1 either; it stays as a comment")
    if diagnostic.code == "left-out":
        return replace(diagnostic, hint=next(hint for part, hint in _LEFT_OUT if part in diagnostic.message))
    return replace(diagnostic, hint=diagnostic.hint or _CODES.get(diagnostic.code))
