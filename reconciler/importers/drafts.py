"""Systems in the making."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reconciler.importers.families import Merged


@dataclass(slots=True)
class Draft:
    """A system in the making."""

    title: str
    group: str | None
    probes: list[Merged] = field(default_factory=list)
    name: str = ""
    checks: list[tuple[str, Merged, int]] = field(default_factory=list)
    """Name of the check, and the measure it is made of."""
    fields: dict[str, Any] = field(default_factory=dict)
