"""What actions on incidents and maintenances share: who does it, which one is meant, and whether it may be touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from reconciler.flows.acting.permissions import may_not_touch
from reconciler.flows.acting.port import Undone
from reconciler.store.incidents import Author, Place

if TYPE_CHECKING:
    from reconciler.flows.acting.port import Asked
    from reconciler.flows.acting.stores import Stores


def author(asked: Asked) -> Author:
    """The automation, as timelines name it."""
    return Author(f"automation {asked.identity.name}", asked.identity.automation, asked.identity.run)


def known(stores: Stores, asked: Asked, what: Literal["incident", "maintenance"]) -> str:
    """The id that the config names, else that of what this automation made for the same context. Raises
    :class:`Undone`."""
    named = asked.config.get(what)
    if named is not None:
        return str(named)
    made = stores.artifact(asked.identity.automation, asked.identity.context_key, what) or _of_run(asked, what)
    if made is None:
        verb = "opened no incident" if what == "incident" else "began no maintenance"
        raise Undone(f"{asked.identity.name} {verb} for this context: name one with {what}")
    return made


def within(asked: Asked, places: Sequence[Place], title: str) -> None:
    """Raises :class:`Undone` where the account may not touch each of these systems."""
    bounds = asked.bounds
    if bounds.systems and not places:
        raise Undone(f"{title} is about no system, and the account {bounds.account} is bound to some")
    if beyond := bounds.beyond(place.name for place in places):
        raise Undone(f"{title}: {may_not_touch(bounds, beyond)}")


def _of_run(asked: Asked, what: str) -> str | None:
    """What a block of this very run left, where it isn't kept yet."""
    artifacts = asked.doing.context.get("artifacts")
    for made in reversed(list(artifacts.values())) if isinstance(artifacts, Mapping) else ():
        value = made.get(what) if isinstance(made, Mapping) else None
        if isinstance(value, Mapping) and "id" in value:
            return str(value["id"])
    return None
