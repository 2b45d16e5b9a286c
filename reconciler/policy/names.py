"""What every plan has to know of policies, the one that does nothing too: so this module imports next to nothing."""

from __future__ import annotations

from typing import Literal

FOLDER = "policies/"
"""Below the folder of the source. What lies in here is never read as documents."""

Preset = Literal["off", "recommended", "strict"]
PRESETS: tuple[Preset, ...] = ("off", "recommended", "strict")
"""From the least to the most that is asked for."""


def is_policy_file(path: str) -> bool:
    """Whether a path of the source belongs to its policies."""
    return path.startswith(FOLDER) and path.endswith((".yaml", ".yml"))
