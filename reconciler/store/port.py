"""What flows may ask of a store. Planning is handed a :class:`Reader` only; one apply needs the :class:`Writer`.

Every implementation passes ``tests/contract``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from reconciler.model.plan import Plan, Stored
from reconciler.model.resource import Key, Reference
from reconciler.model.slice import Slice, SliceKey
from reconciler.store.executing import WorkerRow


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What is remembered of a source: the position that was applied, and from which inputs."""

    name: str
    commit: str
    tree: str
    inputs: str
    held: str
    """The commit a rollback turned away from, else empty."""
    totals: dict[str, int]
    at: float
    """Epoch seconds, by the database's clock."""


@dataclass(frozen=True, slots=True)
class GenerationRow:
    """One apply in the history. ``counts`` maps ``resources`` and ``slices`` to counts by action."""

    n: int
    parent: int | None
    at: float
    actor: str
    host: str
    kind: str
    source: str
    commit: str
    tree: str
    duration_ms: float
    counts: dict[str, dict[str, int]]
    note: str


class OutsideWrite(NamedTuple):
    """A write made outside an apply, with what was there before. ``uid`` is the resource's, or the slice's system's.

    ``kind``, ``name`` and ``status`` are those of a resource, empty for a slice.
    """

    at: float
    source: str
    table: str
    op: str
    uid: int
    check: int
    environment: int
    digest: str
    body: str
    kind: str
    name: str
    status: str


class Mismatch(NamedTuple):
    """A row whose body no longer has the digest that was applied."""

    table: str
    uid: int
    check: int
    environment: int


class SliceRow(NamedTuple):
    """A slice with the names of its parts, as people ask for it."""

    system: str
    check: str
    environment: str | None
    key: SliceKey
    digest: str
    body: bytes
    source: str
    since: int


class Known(Protocol):
    """What a change is laid over and compared with: a store, or what a commit says of the files beside it."""

    def generation(self) -> int:
        """The newest generation; 0 where nothing is known."""

    def next_uid(self) -> int:
        """The first uid that was never given."""

    def resources(self, *, keys: Collection[Key]) -> Iterator[Stored]:
        """Current resources of these keys."""

    def referrers(self, keys: Collection[Key], kind: str | None = None) -> Iterator[tuple[int, Key, Reference]]:
        """(uid and key of the resource, its reference) of everything that refers to one of ``keys``."""

    def names(self, uids: Collection[int] | None = None) -> dict[int, Key]:
        """Keys by uid: the newest that each uid had."""

    def slice_digests(self, systems: Collection[int] | None = None) -> dict[SliceKey, str]:
        """Current slices, of these systems or all."""


class Reader(Known, Protocol):
    """Read-only hands. Unless said otherwise a method answers for the newest generation."""

    where: str
    """Its address as it may be shown."""
    address: str
    """What opens the same store once more; it may hold a password."""

    def snapshot(self) -> AbstractContextManager[None]:
        """All reads inside see one state."""

    def source(self, name: str) -> SourceRow | None:
        """The row of a source, if it was ever applied."""

    def sources(self) -> list[SourceRow]:
        """All sources, by name."""

    def blobs(self, source: str) -> dict[str, str]:
        """Path to blob id of every file of the source that was read."""

    def blob_notes(self, source: str) -> list[tuple[str, int, int, str]]:
        """(path, documents, passed over, warnings JSON) of the files that have something to tell."""

    def count_documents(self, source: str, paths: Collection[str] | None = None) -> tuple[int, int, int]:
        """(files, documents, passed over) of the source, or of these paths of it."""

    def resources(
        self, *, keys: Collection[Key] | None = None, source: str | None = None, paths: Collection[str] | None = None
    ) -> Iterator[Stored]:
        """Current resources: of these keys, or of a source (of these paths), or all."""

    def resources_at(self, generation: int, source: str | None = None) -> Iterator[Stored]:
        """Resources as they were in a generation."""

    def slices(self, keys: Collection[SliceKey]) -> dict[SliceKey, Slice]:
        """Current slices with their bodies."""

    def all_bodies(self) -> Iterator[bytes]:
        """The body of every current slice, in no order."""

    def slice_rows(self, generation: int | None = None) -> Iterator[SliceRow]:
        """Slices with names, sorted by names, of a generation or now."""

    def slice_changes(self, generation: int) -> Iterator[tuple[SliceKey, str, str, str]]:
        """(key, old digest, new digest, kind) of the slices that a generation wrote."""

    def slice_bodies(self, generation: int, *, keys: Collection[SliceKey]) -> dict[SliceKey, bytes]:
        """Bodies of these slices as they were in a generation."""

    def counts(self, source: str | None = None) -> tuple[int, int]:
        """(resources, slices) there are now."""

    def orphans(self) -> list[Stored]:
        """All orphaned resources, by source and key."""

    def history(self, limit: int | None = None) -> list[GenerationRow]:
        """Newest first."""

    def outside(self, source: str | None = None) -> list[OutsideWrite]:
        """Writes made outside an apply since the last apply of their source, oldest first.

        What belongs to no source (a released resource, a slice of a system that isn't there) is told to each.
        """

    def outside_count(self, source: str | None = None) -> int:
        """How many there are."""

    def mismatches(self) -> list[Mismatch]:
        """Every current row whose body doesn't have its digest; reads everything."""

    def seal_holds(self) -> bool:
        """Whether the set of current rows is the one that the last apply sealed; reads all keys and digests."""

    def grants(self, source: str) -> list[tuple[str, str]]:
        """(what, pattern) that the operator granted the source."""

    def setting(self, key: str) -> str | None:
        """A value of the settings table."""

    def workers(self) -> list[WorkerRow]:
        """All workers that have registered and neither left nor were silent for a day."""

    def clock(self) -> float:
        """The database's clock, by which ``seen`` of a worker is told."""


class Writer(Reader, Protocol):
    """What an apply needs on top."""

    def lock(
        self, *, actor: str, timeout: float, waiting: Callable[[str], None] | None = None
    ) -> AbstractContextManager[None]:
        """One apply at a time; raises ``LockHeld`` after ``timeout`` seconds.

        ``waiting`` is called once, with who holds the lock, when it has to be waited for.
        """

    def apply(self, plan: Plan, *, actor: str, host: str, started: float) -> int:
        """Commit the plan in one transaction and return its generation, or raise ``StalePlan``.

        ``started`` is a ``time.monotonic()``; the history keeps the duration. A plan with nothing pending only updates
        the position of its source, and returns the generation there is.
        """

    def grant(self, source: str, what: str, pattern: str, *, actor: str) -> None:
        """Allow the source to name what matches the glob; ``what`` is ``secret`` or ``permission``."""

    def revoke(self, source: str, what: str, pattern: str) -> bool:
        """Take a grant back; says whether it was there."""

    def set_setting(self, key: str, value: str) -> None:
        """Write one setting."""

    def close(self) -> None:
        """Give everything back; a store isn't used after it."""
