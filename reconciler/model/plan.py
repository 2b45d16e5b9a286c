"""The plan: a frozen, ordered list of decisions. Explain and apply are driven by the same list.

Fields marked *for people* must not influence what an apply does; everything else is what it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from reconciler.base.diagnostics import Diagnostic
from reconciler.model.resource import Key, Resource
from reconciler.model.slice import SliceKey


class Action(StrEnum):
    """What happens to a thing. The order of the members is the order of every report: what is lost comes first."""

    DELETE = "delete"
    ORPHAN = "orphan"
    MOVE = "move"
    UPDATE = "update"
    CREATE = "create"
    KEEP = "keep"

    @property
    def symbol(self) -> str:
        """The sign that people see."""
        return _SYMBOLS[self]

    @property
    def rank(self) -> int:
        """Its place in a report."""
        return _RANK[self]


_SYMBOLS = {
    Action.DELETE: "-",
    Action.ORPHAN: "o",
    Action.MOVE: ">",
    Action.UPDATE: "~",
    Action.CREATE: "+",
    Action.KEEP: "=",
}
_RANK = {action: rank for rank, action in enumerate(Action)}


class Cause(StrEnum):
    """Why something differs: git changed, somebody wrote to the store, or a new release means the same otherwise."""

    CHANGE = "change"
    DRIFT = "drift"
    REWRITE = "rewrite"


class Stored(NamedTuple):
    """A resource as the store holds it. ``status`` is ``active`` or ``orphaned``; ``since`` its generation."""

    uid: int
    resource: Resource
    status: str
    since: int


class ResourceChange(NamedTuple):
    """One decision about one resource. ``old`` is None for a create, ``new`` None for an orphan or a delete.

    A ``KEEP`` stands here only when its origin moved (another line or file) or its ownership record has to be written.
    """

    action: Action
    uid: int
    old: Stored | None
    new: Resource | None
    cause: Cause = Cause.CHANGE
    reason: str = ""
    """For people: why, in a few words."""

    @property
    def key(self) -> Key:
        """The name it has after the change; before it, where nothing is left."""
        if self.new is not None:
            return self.new.key
        assert self.old is not None
        return self.old.resource.key


class SliceChange(NamedTuple):
    """One decision about one slice. ``body`` is empty for a delete, ``old_digest`` for a create."""

    action: Action
    key: SliceKey
    old_digest: str
    digest: str
    body: bytes
    cause: Cause = Cause.CHANGE


class BlobChange(NamedTuple):
    """What the store remembers of a file, so that it isn't read again. ``sha`` is empty when the file is gone."""

    path: str
    sha: str
    documents: int
    passed_over: int
    warnings: bytes
    """Canonical JSON of the file's warnings, empty when there are none."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What the source holds now. For people."""

    files: int = 0
    documents: int = 0
    passed_over: int = 0
    resources: int = 0
    slices: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything an apply does, and what people need to judge it."""

    source: str
    base: int
    """The generation it was made for; an apply compares it inside its transaction."""
    kind: str
    """``apply``, ``rollback``, ``delete`` or ``release``."""
    commit: str
    tree: str
    inputs: str
    """Digest of the tool, the settings and the grants; with ``tree`` it says what the plan was made from."""
    resources: tuple[ResourceChange, ...]
    slices: tuple[SliceChange, ...]
    blobs: tuple[BlobChange, ...] = ()
    forget_blobs: bool = False
    """The next plan must read every file again (after a rollback, or when everything was read now)."""
    outside: int = 0
    """How many writes made outside an apply it saw, and so undoes."""
    hold: str = ""
    """The commit that a rollback turned away from; it and older ones are refused until git moves past it."""
    names: dict[int, str] = field(default_factory=dict)
    """For people: uid to name, for every uid in ``slices``."""
    orphans: tuple[Stored, ...] = ()
    """For people: what is orphaned already and keeps running."""
    warnings: tuple[Diagnostic, ...] = ()
    totals: Totals = Totals()
    reread: int = 0
    """For people: how many files were read for this plan."""
    note: str = ""
    """For people: what a rollback goes back to."""

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Decisions by action, for ``resources`` and ``slices``; a kept resource isn't counted."""
        return {
            "resources": _tally(c.action for c in self.resources),
            "slices": _tally(c.action for c in self.slices),
        }

    @property
    def pending(self) -> bool:
        """Whether an apply would make a new generation."""
        return bool(self.slices) or any(c.action is not Action.KEEP for c in self.resources)

    @property
    def drifted(self) -> bool:
        """Whether a part of it only undoes writes made outside an apply."""
        return any(c.cause is Cause.DRIFT for c in self.resources) or any(c.cause is Cause.DRIFT for c in self.slices)

    @property
    def changed(self) -> bool:
        """Whether a part of it is more than undoing drift."""
        return any(c.cause is not Cause.DRIFT and c.action is not Action.KEEP for c in self.resources) or any(
            c.cause is not Cause.DRIFT for c in self.slices
        )


def _tally(actions: Iterable[Action]) -> dict[str, int]:
    counted = Counter(actions)
    return {a.value: counted[a] for a in Action if counted[a] and a is not Action.KEEP}
