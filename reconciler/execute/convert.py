"""Numbers and text as JavaScript converts them: the documents' assertions were first judged by it, and must keep
their meaning. ``200`` equals ``"200"``, ``1.0`` equals ``"1"``, ``""`` counts as 0.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import orjson


class Missing:
    """What a JSONPath found nowhere: JavaScript's ``undefined``, which isn't ``null``."""

    def __repr__(self) -> str:
        return "nothing"


MISSING: Final = Missing()

_BLANKS = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_PREFIXED = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_LONGEST = 400
"""Characters of a text that can be a number; more would be slow to read and be infinite anyway."""


def number(value: Any) -> float | int:
    """``Number(value)``, except that null is NaN as a missing value is: no value is never below a threshold."""
    if value is True or value is False:
        return int(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, list):
        value = text(value)
    if not isinstance(value, str) or len(value) > _LONGEST:
        return math.nan
    trimmed = value.strip(_BLANKS)
    if not trimmed:
        return 0
    if _DECIMAL.fullmatch(trimmed):
        return float(trimmed) if any(c in trimmed for c in ".eE") else int(trimmed)
    if _PREFIXED.fullmatch(trimmed):
        return int(trimmed, 0)
    return {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}.get(trimmed, math.nan)


def text(value: Any) -> str:
    """``String(value)``. A map is JSON here, since ``[object Object]`` would help nobody."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if value is MISSING:
        return "undefined"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -(10**300) < value < 10**300 else "Infinity"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list):
        return ",".join("" if item is None else text(item) for item in value)
    return json_text(value)


def json_text(value: Any) -> str:
    """As compact JSON, for people; whatever JSON has no form for is shown as Python would."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, RecursionError):
        return str(value)


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    digits = repr(value)
    mantissa, e, exponent = digits.partition("e")
    if not e:
        return f"{value:.7f}".rstrip("0") if abs(value) < 1e-6 else digits
    power = int(exponent)
    if -7 < power < 0:
        sign, figures = ("-" if value < 0 else ""), mantissa.lstrip("-").replace(".", "")
        return f"{sign}0.{'0' * (-power - 1)}{figures}"
    return f"{mantissa}e{'+' if power > 0 else '-'}{abs(power)}"
