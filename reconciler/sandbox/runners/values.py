"""What the value a script returns means for its check.

=========================  =========================================================
nothing                    success
true, false                that success
a number                   success, with that value
an object                  ``success`` (without it: true), ``message``, ``value``
anything else              success, with its text as message
an exception               failure, with its text as message
=========================  =========================================================

Where no message comes out of this, what the script wrote to standard output is the message.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from reconciler.sandbox.runners.frame import whole


class Unusable(Exception):
    """The returned value can't be a result; the sentence says why. The check fails: nobody knows how it went."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """``value`` is finite. ``notes`` name what was left out."""

    success: bool
    message: str | None = None
    value: int | float | None = None
    notes: tuple[str, ...] = ()


def meaning(returned: Any) -> Meaning:
    """The table above. Raises :class:`Unusable`."""
    if returned is None:
        return Meaning(True)
    if isinstance(returned, bool):
        return Meaning(returned)
    if isinstance(returned, int | float):
        number = _finite(returned)
        if number is None:
            raise Unusable(f"the script returned {_short(returned)}, which is no finite number")
        return Meaning(True, value=number)
    if isinstance(returned, dict):
        return _object(returned)
    return Meaning(True, message=_text(returned))


def _object(returned: dict[str, Any]) -> Meaning:
    success, message, value = (returned.get(key) for key in ("success", "message", "value"))
    if success is not None and not isinstance(success, bool):
        raise Unusable(f"the script returned {_short(success)} as success, which is neither true nor false")
    number = None if isinstance(value, bool) or not isinstance(value, int | float) else _finite(value)
    left_out = value is not None and number is None
    notes = (f"the value {_short(value)} is no finite number and was left out",) if left_out else ()
    return Meaning(success is not False, None if message is None else _text(message), number, notes)


def _finite(number: int | float) -> int | float | None:
    """Beyond 64 bits no store keeps a whole number: then the nearest float."""
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        try:
            number = float(number)
        except OverflowError:
            return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return whole(value)
    try:
        return whole(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError):
        raise Unusable("the script returned a value that can't be written down") from None


def _short(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
