"""Which systems an action touches, as its config says, or its trigger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from reconciler.flows.acting.port import payload_of


def systems_of(action: str, config: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Their names; None for an action that touches none. An empty list of systems stands for that of the trigger."""
    places = places_of(action)
    if not places:
        return None
    from reconciler.kinds.texts import reach

    found = [value for keys in places for _, value in reach(config, keys, ()) if isinstance(value, str)]
    return tuple(dict.fromkeys(found)) or of_trigger(payload_of(context))


def of_trigger(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """The systems that an event is about."""
    several, named = payload.get("systemIds"), payload.get("systemId")
    if isinstance(several, Sequence) and not isinstance(several, str) and several:
        return tuple(each for each in several if isinstance(each, str) and each)
    return (named,) if isinstance(named, str) and named else ()


@cache
def places_of(action: str) -> tuple[tuple[str, ...], ...]:
    """The keys under which the config of an action names systems; none for an action that isn't known."""
    from reconciler.kinds.loaded import load
    from reconciler.kinds.table import ACTIONS

    entry = ACTIONS.get(action)
    return () if entry is None else tuple(keys for keys, kind in load(entry).references if kind == "System")
