"""What goes between the floor and the clerk."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from reconciler.flows.subjects import Known
from reconciler.store.executing import Claim, Finished

if TYPE_CHECKING:
    from reconciler.execute.prepare import Prepared
    from reconciler.model.slice import SliceKey
    from reconciler.sandbox.runners.variables import Subject

_RECIPES = 20_000


@dataclass(slots=True)
class Recipe:
    """A slice's body, and what the floor makes of it when it is first run; then the bytes aren't needed any more."""

    body: bytes | None
    prepared: Prepared | None = None


class Ready(NamedTuple):
    """A claim with all that its run needs."""

    claim: Claim
    recipe: Recipe
    known: Known


class Done(NamedTuple):
    """A run to be stored, with what is counted of it once it is durable."""

    finished: Finished
    strategy: str
    late: float | None
    subject: Subject


@dataclass(slots=True)
class Outbox:
    """What the floor hands in; the clerk takes it away as a whole."""

    done: list[Done] = field(default_factory=list)
    again: list[Claim] = field(default_factory=list)
    skipped: list[Claim] = field(default_factory=list)
    paces: list[tuple[SliceKey, str, str]] = field(default_factory=list)

    def add(self, other: Outbox) -> None:
        """Behind what is there."""
        self.done += other.done
        self.again += other.again
        self.skipped += other.skipped
        self.paces += other.paces

    def __bool__(self) -> bool:
        return bool(self.done or self.again or self.skipped or self.paces)


class Floor(Protocol):
    """What the clerk says; called on the event loop's thread, but for :meth:`room`."""

    def room(self) -> int:
        """How many more claims it can take; those on their way to it count as taken."""

    def receive(self, ready: Sequence[Ready]) -> None:
        """These are to be run."""

    def lose(self, leases: Collection[int]) -> None:
        """Somebody else has these by now."""

    def stored(self, done: Sequence[Done]) -> None:
        """These are durable."""

    def unsaved(self) -> None:
        """A result was dropped, as no store could keep it."""

    def refresh(self) -> None:
        """Another generation was read."""

    def store_failed(self) -> None:
        """To be counted."""


class Recipes:
    """The last used bodies by region and slice; another digest takes the place of the one before."""

    def __init__(self, limit: int = _RECIPES) -> None:
        self._limit = limit
        self._known: OrderedDict[SliceKey, tuple[str, Recipe]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: SliceKey, digest: str) -> Recipe | None:
        """What is remembered of this body."""
        found = self._known.get(key)
        if found is None or found[0] != digest:
            return None
        self._known.move_to_end(key)
        return found[1]

    def put(self, key: SliceKey, digest: str, body: bytes) -> Recipe:
        """Remember it."""
        recipe = Recipe(body)
        self._known[key] = (digest, recipe)
        self._known.move_to_end(key)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return recipe
