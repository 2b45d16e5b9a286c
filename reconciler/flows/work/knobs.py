"""What an operator may set. Flags and variables of the worker, never keys of ``gitops.yaml``."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.run import LOCAL

CONCURRENCY = 100
SCRIPTS = 4
GRACE = 30.0
LEASE = 15.0


@dataclass(frozen=True, slots=True)
class Knobs:
    """``concurrency`` runs at once, ``lane`` of them slow ones (a quarter by default), and ``scripts`` beside them.

    Seconds: ``grace`` for runs in flight at the end; ``lease`` until slices of a killed worker run elsewhere; ``poll``
    until a new generation is seen; ``batch`` between two visits to the store while there is much to do.
    """

    concurrency: int = CONCURRENCY
    scripts: int = SCRIPTS
    lane: int | None = None
    grace: float = GRACE
    regions: tuple[str, ...] = (LOCAL,)
    metrics: tuple[str, int] | None = None
    traces: bool = False
    automations: bool = True
    lease: float = LEASE
    poll: float = 0.5
    batch: float = 0.05
