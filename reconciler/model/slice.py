"""A slice: one (system, check, environment or none) with its fully rendered configuration."""

from __future__ import annotations

from typing import NamedTuple

NO_ENVIRONMENT = 0
"""The uid that stands for "no environment" in a slice's key."""


class SliceKey(NamedTuple):
    """Uids, not names: a rename keeps history. ``environment`` is :data:`NO_ENVIRONMENT` for a run with none."""

    system: int
    check: int
    environment: int


class Slice(NamedTuple):
    """``body`` is canonical JSON: ``{"assignment": ..., "check": ...}``, rendered; secrets stay references."""

    key: SliceKey
    digest: str
    body: bytes


class SliceName(NamedTuple):
    """A slice as people call it: the names of its parts now, ``system/check`` or ``system/check/environment``."""

    system: str
    check: str
    environment: str | None

    def __str__(self) -> str:
        return "/".join(part for part in self if part is not None)

    @property
    def order(self) -> tuple[str, str, str]:
        """What reports sort by."""
        return self.system, self.check, self.environment or ""
