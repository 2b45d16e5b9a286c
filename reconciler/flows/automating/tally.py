"""What automations count. Plain numbers, made into Prometheus' form when it asks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from reconciler.flows.work.tally import Spread


@dataclass(slots=True)
class AutomationTally:
    """``late``: seconds from what happened to the first action that it led to. ``going`` and ``dead`` are replaced as a
    whole, now and then: runs that haven't ended by status, and deliveries that were given up."""

    runs: Counter[str] = field(default_factory=Counter)
    steps: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: int = 0
    fired: int = 0
    stopped: Counter[str] = field(default_factory=Counter)
    late: Spread = field(default_factory=Spread)
    turns: Spread = field(default_factory=Spread)
    faults: int = 0
    leading: bool = False
    going: dict[str, int] = field(default_factory=dict)
    dead: int = 0
