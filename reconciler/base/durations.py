"""Durations as people write them (``500ms``, ``8s``, ``5m``, ``1h``, ``7d``) and as code counts them (ms)."""

from __future__ import annotations

import re

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+\Z")


def parse_duration(text: str) -> int:
    """Milliseconds of a duration such as ``90s`` or ``1h30m``. Raises ``ValueError`` with a sentence for users."""
    text = text.strip()
    if not _WHOLE.match(text):
        raise ValueError(f"{text[:40]!r} is no duration; write a number with a unit: 500ms, 8s, 5m, 1h, 7d")
    total = sum(float(n) * _UNITS[unit] for n, unit in _FORM.findall(text))
    if total > 3650 * _UNITS["d"]:
        raise ValueError(f"{text[:40]!r} is longer than ten years")
    if total != int(total):
        raise ValueError(f"{text!r} is finer than a millisecond")
    return int(total)


def format_duration(ms: int) -> str:
    """The shortest exact spelling in one unit: 45000 is ``45s``, 90000 is ``90s``, 60000 is ``1m``."""
    for unit in ("d", "h", "m", "s"):
        if ms and ms % _UNITS[unit] == 0:
            return f"{ms // _UNITS[unit]}{unit}"
    return f"{ms}ms"
