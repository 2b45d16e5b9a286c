"""``check.run_now``, ``check.pause`` and ``check.resume``: a check of a system, in one environment or in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.automate.port import Done
from reconciler.flows.acting.port import Undone

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.port import Asked
    from reconciler.flows.acting.stores import Stores
    from reconciler.model.slice import SliceKey


class RunNow:
    """Makes it due at once. A paused one stays paused."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        ran = await hands.ask(lambda stores: stores.slices.run_now(_meant(stores, asked)))
        if not ran:
            raise Undone(f"{_called(asked)} is paused: resume it first")
        return Done({"slices": ran})


class Pause:
    """Takes it out of the schedule, for a while or until it is resumed."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        identity = asked.identity

        def pause(stores: Stores) -> int:
            duration = asked.config.get("duration")
            return stores.slices.pause(
                _meant(stores, asked),
                actor=f"automation {identity.name}",
                reason=f"run {identity.run}",
                until=None if duration is None else stores.db.clock() + duration / 1000,
            )

        return Done({"slices": await hands.ask(pause)})


class Resume:
    """Puts it back. One that runs is left alone."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        return Done({"slices": await hands.ask(lambda stores: stores.slices.resume(_meant(stores, asked)))})


def _meant(stores: Stores, asked: Asked) -> list[tuple[SliceKey, str]]:
    """What the config names, of all regions. Raises :class:`Undone` where no such thing runs."""
    uids = {}
    for kind in ("System", "Check", "Environment"):
        name = asked.config.get(kind.lower())
        if name is not None:
            uids[kind] = stores.uid(kind, name)
            if uids[kind] is None:
                raise Undone(f"there is no {kind} named {name!r}")
    found = [
        (state.key, state.region)
        for state in stores.slices.states(system=uids["System"])
        if state.key.check == uids["Check"] and uids.get("Environment") in (None, state.key.environment)
    ]
    if not found:
        raise Undone(f"{_called(asked)} doesn't run: no assignment of the system has it")
    return found


def _called(asked: Asked) -> str:
    config = asked.config
    names = (config["system"], config["check"], config.get("environment"))
    return "/".join(name for name in names if name is not None)
