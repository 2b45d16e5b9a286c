"""The ticks of a slice: a grid in epoch time that its key alone decides, so that every process sees the same one.

A tick is never computed from the one before it, so that nothing drifts and nothing piles up. Times in seconds are
rounded to whole milliseconds, in which the grid is exact.
"""

from __future__ import annotations

from hashlib import blake2b

from reconciler.model.slice import SliceKey

_SOON_MS = 60_000
"""A new slice that runs rarely has its first run within this time, as nobody wants to wait a day for it."""


def place(key: SliceKey, region: str) -> int:
    """Where a slice is among all, in 62 bits; the same everywhere, and evenly spread over many keys."""
    hashed = blake2b(f"{key[0]}/{key[1]}/{key[2]}/{region}".encode(), digest_size=8).digest()
    return int.from_bytes(hashed, "big") >> 2


def phase(place: int, interval_ms: int) -> int:
    """How far into each interval the tick is (ms): the same part of any interval."""
    return place * interval_ms >> 62


def tick_before(now: float, interval_ms: int, phase_ms: int) -> float:
    """The newest tick that isn't after ``now``."""
    ms = round(now * 1000.0)
    return (ms - (ms - phase_ms) % interval_ms) / 1000.0


def tick_after(now: float, interval_ms: int, phase_ms: int) -> float:
    """The first tick after ``now``."""
    ms = round(now * 1000.0)
    return (ms - (ms - phase_ms) % interval_ms + interval_ms) / 1000.0


def first_tick(now: float, place: int, interval_ms: int) -> float:
    """When a new slice runs for the first time: soon, and not together with all others."""
    tick = tick_after(now, interval_ms, phase(place, interval_ms))
    if interval_ms <= _SOON_MS:
        return tick
    return min(round(now + phase(place, _SOON_MS) / 1000.0, 3), tick)
