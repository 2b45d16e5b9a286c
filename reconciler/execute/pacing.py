"""What the worker remembers of a slice's speed: enough to know a black hole, little enough to store with every run.

A slice is *suspect* after three failures in a row that each took nearly all the time they had. A suspect may only run
in the lane (:mod:`reconciler.execute.lane`), and gets less time there: what its healthy runs have needed, and half as
much again. Four guards keep that from making a slow target a broken one: never more than the configured timeout,
never less than a second, never without a healthy run to go by, and every fifth failure is followed by a run with the
whole timeout, so that a target that came back slower than it was is seen to be back.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from reconciler.base.canonical import dumps, loads

SUSPECT_AFTER = 3
SLOW = 0.8
"""The part of its time that a failure has to take to count as slow."""
KEPT = 20
LEAST_MS = 1000.0
PROBE_EVERY = 5
_DIGITS = 6


class Pace(NamedTuple):
    """``slow``: slow failures in a row. ``failures``: those since it is suspect. ``gave_way``: it was stopped for
    others before it had ever answered. ``healthy``: how long the last healthy runs took, in ms, newest last."""

    slow: int = 0
    failures: int = 0
    gave_way: bool = False
    healthy: tuple[int, ...] = ()

    @property
    def suspect(self) -> bool:
        """It fails by running out of time, again and again."""
        return self.slow >= SUSPECT_AFTER

    @property
    def needs_lane(self) -> bool:
        """It may only run beside a few others of its kind. Who was never healthy has less credit."""
        return self.suspect or self.gave_way or (self.unproven and self.slow > 0)

    @property
    def unproven(self) -> bool:
        """It was never healthy, as far as is remembered."""
        return not self.healthy

    def timeout_ms(self, configured: float) -> float:
        """How long the next run may take."""
        if not self.suspect or self.unproven or (self.failures + 1) % PROBE_EVERY == 0:
            return configured
        return min(configured, max(LEAST_MS, 1.5 * self.p95()))

    def p95(self) -> int:
        """Of the healthy runs, in ms. There has to be one."""
        ordered = sorted(self.healthy)
        return ordered[ceil(0.95 * len(ordered)) - 1]

    def after(self, *, healthy: bool, took_ms: float, timeout_ms: float) -> Pace:
        """With one more run, which had ``timeout_ms``. Whatever answers in good time, also badly, is free again."""
        if healthy:
            return Pace(healthy=(*self.healthy[1 - KEPT :], max(1, round(took_ms))))
        if took_ms < SLOW * timeout_ms:
            return Pace(healthy=self.healthy)
        failures = self.failures + 1 if self.suspect else 0
        return Pace(self.slow + 1, failures, self.gave_way, self.healthy)

    def giving_way(self) -> Pace:
        """It was stopped unfinished; from now on it needs the lane."""
        return self._replace(gave_way=True)


def encode(pace: Pace, digest: str) -> str:
    """For the store: a short JSON list, empty where there is nothing to remember. ``digest``: of the slice's body."""
    if pace == NEW:
        return ""
    return dumps([digest[:_DIGITS], pace.slow, pace.failures, int(pace.gave_way), list(pace.healthy)]).decode()


def decode(text: str, digest: str) -> Pace:
    """What was stored. A slice that was changed begins anew, as it may have been mended; so does one whose memory can't
    be read (another release may have written it)."""
    if not text:
        return NEW
    try:
        of, slow, failures, gave_way, healthy = loads(text)
        if of != digest[:_DIGITS]:
            return NEW
        return Pace(int(slow), int(failures), bool(gave_way), tuple(int(ms) for ms in healthy[-KEPT:]))
    except (ValueError, TypeError):
        return NEW


NEW = Pace()
