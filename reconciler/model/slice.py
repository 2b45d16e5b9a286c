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
