"""What checks found, in the formats of other tools. A table written out; none is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from reconciler.base.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True)
class Findings:
    """``files`` are all that were checked; ``folder`` is where their paths start from, seen from the repository's top.

    Forges know the repository only, so for them the folder stands before each path.
    """

    diagnostics: Sequence[Diagnostic]
    files: Sequence[str] = ()
    folder: str = ""

    def path(self, path: str) -> str:
        """A path as the forge knows it."""
        return f"{self.folder}/{path}" if self.folder else path


class Format(Protocol):
    """A module's ``render``: the whole text, with its last line end."""

    def __call__(self, found: Findings) -> str: ...


FORMATS = {
    "sarif": "reconciler.report.diagnostics_sarif",
    "junit": "reconciler.report.diagnostics_junit",
    "github": "reconciler.report.diagnostics_github",
    "gitlab": "reconciler.report.diagnostics_gitlab",
    "rdjson": "reconciler.report.diagnostics_rdjson",
}


def format_of(name: str) -> Format:
    """The one of the table. Raises ``KeyError``."""
    return cast(Format, import_module(FORMATS[name]).render)


def harmless(text: str) -> str:
    """A report in JSON or XML, so written that a job whose log it is printed to finds no command of its own in it."""
    if text.startswith("<"):
        return text.replace("##[", "#&#35;[").replace("##vso", "#&#35;vso").replace("\n::", "\n&#58;:")
    return text.replace("##[", "#\\u0023[").replace("##vso", "#\\u0023vso")


def in_words(d: Diagnostic) -> str:
    """The sentence, the way out and the places beside it, where a format has but one text for all of it."""
    lines = [d.message]
    if d.hint:
        lines.append(f"hint: {d.hint}")
    lines += [f"{words}: {place}" for words, place in d.related]
    return "\n".join(lines)
