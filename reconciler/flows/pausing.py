"""Slices by the names that people type, to pause and resume them in each of their regions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from reconciler.base.errors import GitopsError, UsageError
from reconciler.flows.named import matching, named
from reconciler.model.run import HOST, LOCAL
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey, SliceName
from reconciler.store.executing import PauseRow, Reconciled, SliceState
from reconciler.store.port import Reader


class Slot(NamedTuple):
    """A slice in one region. ``tries``: workers that were lost over its newest tick."""

    name: SliceName
    key: SliceKey
    region: str
    tries: int


class Pausing(Protocol):
    """The part of the store's hands that pauses are made with."""

    def reconcile(self) -> Reconciled | None:
        """Bring the schedule up to the newest generation."""

    def states(self, *, system: int | None = None) -> Iterator[SliceState]:
        """The schedule."""

    def paused(self) -> list[PauseRow]:
        """All that are paused or set aside."""


class Paused(NamedTuple):
    """One that doesn't run, with its name."""

    slot: Slot
    row: PauseRow


def slots(hands: Pausing, reader: Reader, texts: Sequence[str], *, region: str | None = None) -> list[Slot]:
    """All that these name: ``system``, ``system/check`` or ``system/check/environment``, by name and region.

    Raises ``UsageError`` for what is no such name, ``GitopsError`` with what is near where there is none.
    """
    everything = list(named(reader))
    wanted = {}
    for text in texts:
        parts = text.split("/")
        if not 1 <= len(parts) <= 3 or not all(parts):
            raise UsageError(f"{text!r} names no slices", hint="write SYSTEM, SYSTEM/CHECK or SYSTEM/CHECK/ENVIRONMENT")
        system, check, environment = (*parts, None, None)[:3]
        for found in matching(everything, check, system=system, environment=environment):
            wanted[found.key] = found.name
    hands.reconcile()
    of = LOCAL if region == HOST else region
    rows = [
        Slot(wanted[s.key], s.key, s.region, s.tries)
        for system in sorted({key.system for key in wanted})
        for s in hands.states(system=system)
        if s.key in wanted and of in (None, s.region)
    ]
    if not rows:
        raise GitopsError(
            f"none of these runs in region {region}", hint="gitops status --system NAME shows the regions"
        )
    return sorted(rows, key=lambda row: (row.name.order, row.region))


def paused(hands: Pausing, reader: Reader) -> list[Paused]:
    """All that don't run for now, oldest first."""
    rows = hands.paused()
    if not rows:
        return []
    names = {uid: key.name for uid, key in reader.names().items()}
    tries = {(s.key, s.region): s.tries for system in {r.key.system for r in rows} for s in hands.states(system=system)}
    found = []
    for row in rows:
        system, check, environment = (names.get(uid) or f"#{uid}" for uid in row.key)
        name = SliceName(system, check, None if row.key.environment == NO_ENVIRONMENT else environment)
        found.append(Paused(Slot(name, row.key, row.region, tries.get((row.key, row.region), 0)), row))
    return found
