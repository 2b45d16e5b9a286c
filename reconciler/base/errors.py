"""Every error a user can meet, drawn once.

::

    GitopsError                     exit 1   one sentence, and where there is one the way out
    ├── UsageError                  exit 2   the command line or gitops.yaml asks for what can't be
    ├── SourceError                          the repository or the revision can't be read
    ├── InvalidDocuments                     diagnostics of a whole repository, all at once
    ├── ChainError                           the migration chains of this installation are broken
    ├── PlanRefused                          a safety guard held; carries the numbers
    │   └── StalePlan                        the store moved on since the plan was made
    └── StoreError                           the store can't be used; the generation before is intact
        ├── StoreTooNew                      written by a newer release
        ├── StoreInUse                       others work with it, whom this would harm
        ├── LockHeld                         somebody else applies right now
        └── LockLost                         what was done under a lock came too late

Each class carries its facts as attributes and composes its message in ``__init__``; the command line translates
the tree into exit codes in one place (``reconciler.cli.main``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.base.diagnostics import Diagnostic


class GitopsError(Exception):
    """Base of all expected failures: ``message`` is one sentence, ``hint`` the way out, ``exit_code`` the promise."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(GitopsError):
    """The request itself can't be understood: flags, variables, or ``gitops.yaml``."""

    exit_code = 2


class SourceError(GitopsError):
    """The repository, the revision, or a file in it can't be read."""


class InvalidDocuments(GitopsError):
    """At least one error among ``diagnostics``, which are sorted by file and line."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        errors = sum(1 for d in diagnostics if d.severity == "error")
        super().__init__(f"{errors} error{'s' if errors != 1 else ''} in the documents; nothing was changed")
        self.diagnostics = tuple(diagnostics)


class ChainError(GitopsError):
    """``faults``: one line for each broken link, each naming its file."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(
            "the migration chains of this installation are broken:\n" + "\n".join(f"  {f}" for f in faults),
            hint="reinstall the tool, or mend the named files",
        )
        self.faults = tuple(faults)


class PlanRefused(GitopsError):
    """A guard of the plan held. ``reason`` is a stable word: deletions, empty-source, protected, held, ..."""

    def __init__(self, reason: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class StalePlan(PlanRefused):
    """The plan was made for generation ``base``; the store is at ``now``."""

    def __init__(self, base: int, now: int) -> None:
        super().__init__(
            "stale",
            f"the plan was made for generation {base}, but the store is at generation {now}",
            hint="make a new plan and review it",
        )
        self.base, self.now = base, now


class StoreError(GitopsError):
    """The store can't be read or written; what was applied before is intact."""


UNFINISHED = 1_000_000
"""The version of tables that a copy hasn't filled yet, which no release knows."""


class StoreTooNew(StoreError):
    """The store's tables are at version ``found``, this release knows up to ``known``."""

    def __init__(self, where: str, found: int, known: int) -> None:
        if found == UNFINISHED:
            message, hint = f"the store {where} is a copy that isn't finished", "run the same gitops store copy again"
        else:
            message = (
                f"the store {where} was written by a newer release "
                f"(its tables are at version {found}, this one knows {known})"
            )
            hint = "use that release or a later one"
        super().__init__(message, hint=hint)
        self.found, self.known = found, known


class StoreInUse(StoreError):
    """Somebody works with the store. ``users`` are sentences about who, as far as it is known."""

    def __init__(self, message: str, *, users: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.users = tuple(users)


class LockHeld(StoreError):
    """Another apply holds the lock. ``holder`` says who, where and since when, as far as it is known."""

    def __init__(self, holder: str) -> None:
        super().__init__(
            f"another apply is running: {holder}", hint="wait for it, or pass --lock-timeout to wait longer"
        )
        self.holder = holder


class LockLost(StoreError):
    """``key`` was held, and has gone to somebody else, ``holder``, or to nobody: then that is empty."""

    def __init__(self, key: str, holder: str) -> None:
        who = f" to {holder}" if holder else ""
        super().__init__(
            f"the lock {key} was lost{who}; what was done under it is undone",
            hint="try again; a lock is lost when its connection is cut, or nothing is done under it for too long",
        )
        self.key, self.holder = key, holder
