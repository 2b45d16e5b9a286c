"""The walk over an automation's actions: from the start, or from where a snapshot says it was left.

A walk performs what can be performed now, hands over what has to be kept, and returns when the run has ended or every
branch of it waits. It is walked again when a wait is over, when what a ``waitUntil`` looks at may have changed, or when
the process that walked it is gone; what was saved as done is never performed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.automate.conditions import expression_holds
from reconciler.automate.context import Nowhere, Scope
from reconciler.automate.paths import block_at
from reconciler.automate.port import Event, Started, Wait, Walked, World
from reconciler.automate.rendering import Broken
from reconciler.automate.runmemory import Memory
from reconciler.automate.walker import Walker


async def walk(
    spec: Mapping[str, Any],
    started: Started,
    world: World,
    *,
    run: str,
    snapshot: bytes | None = None,
    waits: Sequence[Wait] = (),
) -> Walked:
    """Go as far as it goes. ``spec`` is that of the stored body; ``run`` tells this run from all others, in every key.

    ``snapshot`` and ``waits`` are those of the last ``Progress`` that was kept; waits that are over by now say so.
    A wait whose ``due_at`` has passed is over as well. A wait of kind ``until`` is looked at in every walk, and says
    itself whether it is over: its ``due_at`` is when it has to be looked at again in any case. Raises ``Lost``, and
    whatever ``world`` raises.
    """
    try:
        memory = Memory() if snapshot is None else Memory.read(snapshot)
    except Broken as broken:
        return Walked("failed", str(broken))
    if snapshot is None and waits:
        return Walked("failed", "the run waited, but what it remembers is gone")
    return await Walker(spec, started, world, run=run, memory=memory, waits=waits).walk()


def matches(spec: Mapping[str, Any], wait: Wait, event: Event, *, now: float) -> bool:
    """Whether ``event`` is what a wait of kind ``trigger`` waits for: its name, its context key, and the filter.

    The filter sees ``trigger`` (that of ``event``) and ``now``. One that can't be evaluated doesn't hold.
    """
    if wait.kind != "trigger" or wait.resumed or wait.event != event.name:
        return False
    if wait.context_key is not None and wait.context_key != event.context_key:
        return False
    block = block_at(spec, wait.path)
    if block is None or "waitForTrigger" not in block:
        return False
    source = block["waitForTrigger"].get("filter")
    return source is None or expression_holds(source, Scope(Started(event), Nowhere(now))).holds
