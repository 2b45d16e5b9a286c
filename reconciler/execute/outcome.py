"""What a run came to while it goes on, and what is told of it: the outcome, masked and capped."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.base.durations import format_duration
from reconciler.execute.caps import Outgoing
from reconciler.execute.port import Collected
from reconciler.execute.prepare import Prepared, PreparedCollector
from reconciler.model.run import Measured, Observation, Outcome, Verdict
from reconciler.secrets.masking import Masker


class Part(NamedTuple):
    """What one collector came to, as it was."""

    collector: PreparedCollector
    collected: Collected | None
    error: str | None = None
    unobservable: bool = False
    timed_out: bool = False
    verdicts: tuple[Verdict, ...] = ()


@dataclass(slots=True)
class Progress:
    """How far a run has come: what is told of one that is cut off."""

    parts: list[Part] = field(default_factory=list)
    secrets: tuple[str, ...] = ()
    error: str | None = None
    unobservable: bool = False
    timed_out: bool = False
    looking: bool = True
    """Whether it still waits for its own secrets, which says nothing of the target."""
    done: bool = False
    took_ms: float = 0.0

    def finish(self, began: float) -> None:
        """Nothing that comes after this changes what the run came to."""
        if not self.done:
            self.done, self.took_ms = True, (time.perf_counter() - began) * 1000


def cut_off(prepared: Prepared, progress: Progress, limit: float) -> None:
    """Say of a run that didn't end by itself where it was."""
    progress.timed_out = True
    if progress.looking:
        progress.error, progress.unobservable = f"the secrets weren't there after {_span(limit)}", True
        return
    if progress.error is not None:
        return
    if 0 < len(progress.parts) < len(prepared.collectors):
        missing = prepared.collectors[len(progress.parts) :]
        progress.parts += [Part(c, None, late(limit), timed_out=True) for c in missing]
        return
    progress.error = late(limit)


def observation(progress: Progress) -> Observation:
    """What leaves the run."""
    outgoing = Outgoing(Masker(progress.secrets) if progress.secrets else None)
    collectors = tuple([_measured(part, outgoing) for part in progress.parts])
    return Observation(
        outcome=_outcome(progress),
        duration_ms=round(progress.took_ms, 3),
        collectors=collectors,
        error=None if progress.error is None else outgoing.sentence(progress.error),
        timed_out=progress.timed_out or any(part.timed_out for part in progress.parts),
    )


def _outcome(progress: Progress) -> Outcome:
    unobservable = progress.unobservable
    if progress.error is not None and not unobservable:
        return "unhealthy"
    for part in progress.parts:
        if part.unobservable:
            unobservable = True
        elif part.error is not None:
            return "unhealthy"
        for verdict in part.verdicts:
            if not verdict.passed and not part.unobservable:
                return "unhealthy"
    return "degraded" if unobservable else "healthy"


def _measured(part: Part, outgoing: Outgoing) -> Measured:
    collector, collected = part.collector, part.collected
    error = None if part.error is None else outgoing.sentence(part.error)
    if collected is None:
        return Measured(collector.id, collector.type, {}, error)
    verdicts = outgoing.verdicts(part.verdicts)
    result = outgoing.result(collected.result, collector.ephemeral)
    sandbox = None if collected.sandbox is None else outgoing.report(collected.sandbox)
    notes = tuple([outgoing.sentence(note) for note in collected.notes[:20]])
    return Measured(
        collector.id, collector.type, result, error, collected.phases, verdicts, sandbox, (*notes, *outgoing.notes())
    )


def fault(strategy: str, error: Exception) -> str:
    """An exception that no strategy should let out."""
    return f"a fault of the strategy {strategy}, not of the target: {type(error).__name__}: {error}"


def late(limit_ms: float) -> str:
    """That the time was up."""
    return f"timed out after {_span(limit_ms)}"


def _span(limit_ms: float) -> str:
    return format_duration(round(limit_ms))
