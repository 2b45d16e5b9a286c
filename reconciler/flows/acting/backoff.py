"""When a failed delivery is tried again: twice as long each time, a bit off for each key, never beyond a bound."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

LONGEST = 86_400.0
"""Seconds. What the other side asks for beyond that isn't waited for."""
_ATTEMPTS, _DELAY, _MOST = 5, 5_000, 600_000


def attempts(config: Mapping[str, Any]) -> int:
    """How often at most."""
    return int((config.get("retry") or {}).get("attempts", _ATTEMPTS))


def wait(config: Mapping[str, Any], key: str, attempt: int, *, asked: float | None = None) -> float:
    """Seconds until the attempt after the ``attempt``th. The same for the same key and attempt, so that a walk that is
    done again waits no other time; ``asked`` is what the other side wants, which is never undercut."""
    retry = config.get("retry") or {}
    first, most = float(retry.get("delay", _DELAY)) / 1000, float(retry.get("maxDelay", _MOST)) / 1000
    plain: float = min(first * 2.0 ** min(attempt - 1, 40), most)
    seed = blake2b(f"{key}#{attempt}".encode(), digest_size=8).digest()
    # Between three quarters and all of it: what failed together doesn't come back together.
    jittered: float = plain * (0.75 + 0.25 * int.from_bytes(seed, "big") / 2**64)
    return jittered if asked is None else min(max(jittered, asked), LONGEST)
