"""What actions are done with; one for a worker, or for a command that sends something again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.flows.acting.port import Asks

if TYPE_CHECKING:
    from reconciler.execute.egress import Guard
    from reconciler.execute.http.engine import Engine
    from reconciler.execute.script import Sandboxes, Script
    from reconciler.flows.acting.messengers import Messengers
    from reconciler.secrets.resolver import Resolver


class Hands:
    """Everything is made when the first action needs it. Belongs to one event loop."""

    def __init__(
        self, ask: Asks, *, guard: Guard, resolver: Resolver, sandboxes: Sandboxes, at_once: int | None = None
    ) -> None:
        """``ask`` reaches the store, ``guard`` knows where connections mustn't go, ``at_once`` is how many scripts of
        actions run at a time. What was handed in isn't closed here."""
        self.ask = ask
        self.guard = guard
        self._resolver = resolver
        self._sandboxes = sandboxes
        self._at_once = at_once

    @cached_property
    def engine(self) -> Engine:
        """libcurl, as checks use it."""
        from reconciler.execute.http.engine import Engine

        return Engine()

    @cached_property
    def scripts(self) -> Script:
        """The sandbox, with places of its own, so that slow checks don't hold up what reacts to them."""
        from reconciler.execute.script import Script

        return Script(self._sandboxes, at_once=self._at_once)

    @cached_property
    def messengers(self) -> Messengers:
        """Whoever sends messages to people."""
        from reconciler.flows.acting.messengers import Messengers

        return Messengers(self.guard.networks)

    async def secrets(self, names: Iterable[str]) -> dict[str, str]:
        """Values by name. Raises ``SecretsError``."""
        wanted = tuple(names)
        if not wanted:
            return {}
        return await asyncio.to_thread(self._resolver.resolve, wanted, None)

    async def aclose(self) -> None:
        """End what was made here."""
        made = vars(self)
        if "engine" in made:
            self.engine.close()
        if "scripts" in made:
            await self.scripts.aclose()
        if "messengers" in made:
            await self.messengers.aclose()
