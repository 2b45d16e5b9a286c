"""The place of a block within a walk, and how it came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from reconciler.kinds.blocks import KEYS

MAX_ERROR = 2000
"""Characters of an error, or of a reason."""


class Came(NamedTuple):
    """How a block came out: ``on`` to the next one, ``waiting``, ``failed``, or the run has ``ended``.

    ``reason`` is why the run fails, with the place; ``error`` what its own record says. ``changed``: a record has to be
    made of the waiting.
    """

    how: Literal["on", "waiting", "failed", "ended"]
    reason: str | None = None
    result: Mapping[str, Any] = {}
    error: str | None = None
    changed: bool = False


ON = Came("on")
WAITING = Came("waiting")
ARMED = Came("waiting", changed=True)
ENDED = Came("ended")


@dataclass(frozen=True, slots=True)
class Here:
    """A block, or a list of them, and where it stands. ``round`` is ``repeat`` as its templates see it.

    ``known`` is what is remembered of it; changing that changes the memory.
    """

    path: str
    block: Mapping[str, Any] = field(default_factory=dict)
    round: Mapping[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Which block it is."""
        return kind_of(self.block)

    @property
    def id(self) -> str | None:
        """Its id, where it has one."""
        return self.block.get("id")

    @property
    def value(self) -> Any:
        """What stands behind the key that tells which block it is."""
        return self.block[self.kind]

    def inside(self, path: str, block: Mapping[str, Any] | None = None, round: Mapping[str, Any] | None = None) -> Here:
        """A place inside, with ``path`` added."""
        return Here(self.path + path, block or {}, self.round if round is None else round)


def kind_of(block: Mapping[str, Any]) -> str:
    """Which block a map is."""
    return next(kind for kind in KEYS if kind in block)


def shortened(text: str) -> str:
    """What of an error is kept: it may quote what a stranger sent."""
    return text if len(text) <= MAX_ERROR else f"{text[: MAX_ERROR - 3]}..."
