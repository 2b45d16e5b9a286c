"""``log``: a line in the record of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.automate.port import Done

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.port import Asked


class Log:
    """Its result is the line."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        return Done({"message": asked.config["message"], "level": asked.config.get("level", "info")})
