"""What a validation found, and the part of it that lies in some files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.base.diagnostics import Diagnostic
from reconciler.base.errors import UsageError
from reconciler.flows.opened import Source
from reconciler.model.plan import Totals


@dataclass(frozen=True, slots=True)
class Validation:
    """``diagnostics`` are sorted by file and line; ``totals`` is None when there are errors anywhere."""

    diagnostics: tuple[Diagnostic, ...]
    totals: Totals | None
    files: tuple[str, ...] = ()
    """What was checked: every file that may hold documents, valid or not."""
    elsewhere: int = 0
    """Errors outside of the files that were asked about; they aren't told."""
    since: str = ""
    """The commit whose successors alone were checked; empty when everything was."""

    @property
    def valid(self) -> bool:
        """No errors; warnings are allowed."""
        return not any(d.severity == "error" for d in self.diagnostics)


def restricted(found: Validation, source: Source, paths: Sequence[Path]) -> Validation:
    """What lies in these files and folders; relative ones start from the source's folder.

    Faults of the whole source are always told. Raises ``UsageError`` for a path that leads nowhere.
    """
    if not paths:
        return found
    wanted = [_inside(source, path, found.files) for path in paths]

    def asked(path: str) -> bool:
        return any(not w or path == w or path.startswith(f"{w}/") for w in wanted)

    told = tuple(d for d in found.diagnostics if d.place is None or asked(d.place.path))
    errors = _errors(found.diagnostics) - _errors(told)
    files = tuple(path for path in found.files if asked(path))
    return replace(found, diagnostics=told, files=files, elsewhere=errors)


def _errors(diagnostics: Iterable[Diagnostic]) -> int:
    return sum(1 for d in diagnostics if d.severity == "error")


def _inside(source: Source, path: Path, files: Sequence[str]) -> str:
    """The path as the diagnostics spell it; empty for the folder itself."""
    full = Path(os.path.normpath(source.folder / path))
    if not full.is_relative_to(source.folder):
        full = full.resolve()
    if not full.is_relative_to(source.folder):
        raise UsageError(f"{path} lies outside of {source.folder}", hint="name another folder with --directory")
    name = "" if full == source.folder else full.relative_to(source.folder).as_posix()
    known = not name or any(f == name or f.startswith(f"{name}/") for f in files)
    if not known and not (source.head is None and os.path.lexists(full)):
        raise UsageError(f"there is no {path}", hint=f"paths start from {source.folder}")
    return name
