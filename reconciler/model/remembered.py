"""What a trigger remembers from one event to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Key = tuple[int, int, str, str]
"""Automation, trigger, what and part."""


class Remembered(NamedTuple):
    """Of a trigger of an automation: ``what`` is ``cron``, ``interval``, ``numeric``, ``window`` or ``dwell``.

    ``trigger`` is its index, ``part`` what it is apart for, ``due_at`` when to look at it in any case, and ``digest``
    tells which definition it belongs to.
    """

    automation: int
    trigger: int
    what: str
    part: str
    due_at: float | None
    digest: str
    value: Mapping[str, Any]

    @property
    def key(self) -> Key:
        """Which one."""
        return self[:4]
