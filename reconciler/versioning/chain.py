"""Chains of migration steps: what a sound chain is, and walking data along one.

Nothing here touches a disk, so that every broken chain can be tested without files; :mod:`.loading` reads the steps.
Named tuples and no dataclasses, whose import alone would cost more than the check of all chains at start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

Data = dict[str, Any]
Place = tuple[str | int, ...]
Note = tuple[Place, str]
Problem = tuple[Place, str, int | None]


def no_notes(data: Data) -> list[Note]:
    """What a step says that leaves nothing out."""
    return []


class Migration(NamedTuple):
    """One step from version ``frm`` to ``to``.

    ``migrate`` is pure: it returns new data and leaves its input as it was. ``notes`` tells, of the data before the
    step, what the step will leave out: pairs of a path and a sentence, shown as warnings. ``renamed`` maps path
    patterns of the step's result to those of its input (``*`` stands for one part), for :mod:`.trace`.
    """

    frm: int
    to: int
    description: str
    migrate: Callable[[Data], Data]
    file: str
    notes: Callable[[Data], list[Note]] = no_notes
    renamed: tuple[tuple[Place, Place], ...] = ()


class MigrationError(Exception):
    """A step raised. ``problems`` holds what the step itself pinned down: path, sentence, and offset into the text."""

    def __init__(self, step: Migration, cause: Exception) -> None:
        super().__init__(f"Migration from v{step.frm} to v{step.to} failed: {str(cause) or type(cause).__name__}")
        self.step = step
        self.problems: tuple[Problem, ...] = tuple(getattr(cause, "problems", ()))


class NewerVersion(ValueError):
    """Data at version ``found`` meets code that knows up to ``known``: there is no way down."""

    def __init__(self, subject: str, found: int, known: int) -> None:
        super().__init__(
            f"{subject} version {found} was written for a newer release; this one knows versions up to {known}"
        )
        self.subject, self.found, self.known = subject, found, known


class Chain(NamedTuple):
    """The steps of one subject from ``first`` to ``head``, in order. Sound once :func:`check` had nothing to say."""

    subject: str
    first: int
    head: int
    steps: tuple[Migration, ...] = ()

    def path(self, version: int) -> tuple[Migration, ...]:
        """The steps from ``version`` to head; empty at head.

        Raises :class:`NewerVersion` beyond head, and ``ValueError`` for a version that never was.
        """
        if version > self.head:
            raise NewerVersion(self.subject, version, self.head)
        if version < self.first:
            raise ValueError(f"{self.subject} has no version {version}; its first is {self.first}")
        return tuple(s for s in self.steps if s.frm >= version)

    def migrate(self, data: Data, version: int) -> Data:
        """``data`` brought from ``version`` to head; raises :class:`MigrationError` for a step that throws."""
        for step in self.path(version):
            data = run(step, data)
        return data


def run(step: Migration, data: Data) -> Data:
    """One step; whatever it raises comes out as :class:`MigrationError`, so that callers meet one class."""
    try:
        return step.migrate(data)
    except Exception as cause:
        raise MigrationError(step, cause) from cause


def relevant(steps: Iterable[Migration], first: int, head: int) -> tuple[Migration, ...]:
    """The steps a chain walks, sorted: those below the first version or at and beyond head are nobody's concern."""
    return tuple(sorted((s for s in steps if first <= s.frm < head), key=lambda s: (s.frm, s.to, s.file)))


def check(subject: str, steps: Sequence[Migration], *, first: int, head: int) -> list[str]:
    """What is wrong with the steps of a subject, one sentence each, naming the file. Empty: the chain is sound.

    The order of ``steps`` doesn't matter. After a fault the check goes on behind it, so that one start shows all.
    """
    faults: list[str] = []
    expected, previous = first, ""
    for step in relevant(steps, first, head):
        if step.to != step.frm + 1:
            faults.append(
                f"{step.file}: Migration must increment version by 1, but this one goes from {step.frm} to {step.to}"
            )
        if step.frm != expected:
            again = f", which {previous} starts from already" if step.frm == expected - 1 and previous else ""
            faults.append(
                f"{step.file}: Migration chain broken: expected migration from version {expected},"
                f" but found one from version {step.frm}{again}"
            )
        expected, previous = max(expected, step.frm + 1), step.file
    if expected < head:
        faults.append(
            f"{subject}: Migration chain incomplete: reaches version {expected}, but target version is {head};"
            f" migrations/{subject}/v{expected}_to_v{expected + 1}.py is missing"
        )
    return faults
