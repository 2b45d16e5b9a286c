"""From a slice's newest runs to its health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.health.rollup import worst
from reconciler.model.run import Health, Outcome

LETTERS: dict[Outcome, str] = {"healthy": "h", "degraded": "d", "unhealthy": "u"}
"""A run in the string of the newest runs."""

OUTCOMES: dict[str, Outcome] = {letter: outcome for outcome, letter in LETTERS.items()}

MOST = 1000
"""Runs that are remembered at most."""


class Thresholds(NamedTuple):
    """What a slice's assignment says; ``window`` 0: the newest streak counts (mode ``consecutive``)."""

    healthy: int = 1
    degraded: int = 2
    unhealthy: int = 5
    window: int = 0

    @property
    def remembered(self) -> int:
        """How many of the newest runs it takes to judge."""
        return min(self.window or max(self), MOST)


def read(given: Mapping[str, Any]) -> Thresholds:
    """The thresholds in a slice's body; what is missing has its default."""
    base = Thresholds()
    window = int(given.get("windowSize") or 0) if given.get("mode") == "window" else 0
    return Thresholds(
        int(given.get("healthy", base.healthy)),
        int(given.get("degraded", base.degraded)),
        int(given.get("unhealthy", base.unhealthy)),
        window,
    )


def evaluate(thresholds: Thresholds, recent: str, was: Health) -> Health:
    """The health after the runs in ``recent``: one letter each, newest first.

    A degraded run fails like an unhealthy one, so that what can't be observed is never silently green. Consecutive:
    the newest streak decides. Failures: ``unhealthy`` of them make it unhealthy, ``degraded`` of them degraded, fewer
    leave it healthy. Successes: ``healthy`` of them make it healthy, and fewer keep what held before. Where it takes
    more than one, a failure after too few of them isn't a recovery either: it never lowers what held. Window: the
    failures among the last ``window`` runs decide. No runs: healthy.
    """
    if not recent:
        return "healthy"
    if thresholds.window:
        seen = recent[: thresholds.window]
        failures = len(seen) - seen.count("h")
    elif recent[0] == "h":
        return "healthy" if recent[: thresholds.healthy] == "h" * thresholds.healthy else was
    else:
        failures = len(recent) if "h" not in recent else recent.index("h")
    found = _counted(thresholds, failures)
    return worst((found, was)) if thresholds.healthy > 1 and not thresholds.window else found


def _counted(thresholds: Thresholds, failures: int) -> Health:
    if failures >= thresholds.unhealthy:
        return "unhealthy"
    return "degraded" if failures >= thresholds.degraded else "healthy"
