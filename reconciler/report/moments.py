"""Moments and spans as people and machines read them."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def moment(at: float) -> str:
    """``2026-01-31 12:00:00 UTC``: readers sit in several time zones."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(at: float | None) -> str | None:
    """``2026-01-31T12:00:00.000Z``, for machines."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def took(ms: float) -> str:
    """``0.4 ms``, ``85 ms``, ``1.2 s``."""
    if ms < 10:
        return f"{ms:.1f} ms"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def span(seconds: float) -> str:
    """The largest unit of a span: ``12 s``, ``3 min``, ``2 h``, ``5 d``. A clock that stepped back makes none shorter
    than nothing."""
    whole = max(0, int(seconds))
    for size, unit in _UNITS:
        if whole >= size:
            return f"{whole // size} {unit}"
    return f"{whole} s"
