"""The walk over an automation's actions: from the start, or from where a snapshot says it was left.

A walk performs what can be performed now, hands over what has to be kept, and returns when the run has ended or every
branch of it waits. It is walked again when a wait is over, when what a ``waitUntil`` looks at may have changed, or when
the process that walked it is gone; what was saved as done is never performed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.automate.port import Event, Started, Wait, Walked, World


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

    ``snapshot`` and ``waits`` are those of the last :class:`Progress` that was kept; waits that are over by now say so.
    A wait whose ``due_at`` has passed is over as well. A wait of kind ``until`` is looked at in every walk: ``due_at``
    is then when it has to be looked at again in any case, and it says itself whether it is over. Raises
    :class:`Lost`, and whatever ``world`` raises.
    """
    raise NotImplementedError


def matches(spec: Mapping[str, Any], wait: Wait, event: Event, *, now: float) -> bool:
    """Whether ``event`` is what a wait of kind ``trigger`` waits for: its name, its context key, and the filter.

    The filter sees ``trigger`` (that of ``event``) and ``now``. One that can't be evaluated doesn't hold.
    """
    raise NotImplementedError
