"""What one run got, as opposed to what was asked for. ``enforced`` comes from that run's evidence, never on faith."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LAYERS = ("resources", "filesystem", "network", "privilege")
"""The layers a policy asks for, in the order in which reports name them."""


@dataclass(frozen=True, slots=True)
class Downgrade:
    """A layer that was asked for and isn't there. ``synthetic``: about the policy itself, which refuses nothing."""

    layer: str
    reason: str
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing about a layer that holds. ``of_run``: of this run, and not of every run on this host."""

    layer: str
    note: str
    of_run: bool = False


@dataclass(frozen=True, slots=True)
class SandboxReport:
    """``evidence``: the observations of this run by which layers are known to have held (json status, counters, paths).

    ``enforced`` has one entry for each of :data:`LAYERS`; a layer the policy didn't ask for is False there, without a
    downgrade. ``dropped_environment`` holds names only.
    """

    requested: dict[str, Any]
    enforced: dict[str, bool]
    downgrades: tuple[Downgrade, ...] = ()
    notes: tuple[Note, ...] = ()
    platform: str = "linux"
    evidence: dict[str, Any] = field(default_factory=dict)
    dropped_environment: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it is stored beside a run: camelCase keys, JSON values only."""
        return {
            "requested": self.requested,
            "enforced": dict(self.enforced),
            "downgrades": [{"layer": d.layer, "reason": d.reason} for d in self.downgrades],
            "notes": [{"layer": n.layer, "note": n.note} for n in self.notes],
            "platform": self.platform,
            "evidence": self.evidence,
            "droppedEnvironment": list(self.dropped_environment),
        }


def nothing_enforced() -> dict[str, bool]:
    """Every layer False: where a run starts from."""
    return dict.fromkeys(LAYERS, False)


def refusal(downgrades: tuple[Downgrade, ...]) -> str | None:
    """The sentence of a refused run, or None when nothing that was asked for is missing."""
    missing = [f"{d.layer}: {d.reason}" for d in downgrades if not d.synthetic]
    return f"sandbox unavailable: {'; '.join(missing)}" if missing else None
