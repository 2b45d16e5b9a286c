"""How a flow tells what it is doing, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called often; must be cheap."""

    def stage(self, name: str, total: int) -> None:
        """A stage begins; ``total`` is the number of its steps, 0 when unknown."""

    def advance(self, steps: int = 1) -> None:
        """Steps of the current stage are done."""


class Silent:
    """Nobody listens."""

    def stage(self, name: str, total: int) -> None:
        """See the protocol."""

    def advance(self, steps: int = 1) -> None:
        """See the protocol."""
