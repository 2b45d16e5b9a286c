"""The filters that migrated version 1 documents use: what they did there, on every value, without ever failing.

A migration can't know what a value will be, so it writes these where Jinja2's filter of that name would do something
else (stop at null, capitalise differently, cut differently). They take a missing value as null, as version 1 did.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from reconciler.render.bounds import MAX_TEXT, Frame, few, number, short, text
from reconciler.render.faults import Refused
from reconciler.render.operate import equal

_BLANKS = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_PREFIXED = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)\Z")


def joined(frame: Frame, items: list[Any], separator: str) -> str:
    """The texts of the items with ``separator`` between them, within bounds."""
    parts: list[str] = []
    size = 0
    for item in few(items):
        parts.append(text(frame, item))
        size += len(parts[-1]) + len(separator)
        if size > MAX_TEXT + len(separator):
            raise Refused("template-limit", f"the text grows beyond the {MAX_TEXT} characters a template handles")
    frame.charge(1 + len(items) + size // 16)
    return separator.join(parts)


def _on_text(function: Callable[[str], str]) -> Callable[[Frame, Any], Any]:
    def call(frame: Frame, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        frame.charge(1 + len(value) // 16)
        return function(short(value))

    return call


def _default(frame: Frame, value: Any, fallback: Any = None) -> Any:
    return fallback if value is None or value == "" else value


def _truncate(frame: Frame, value: Any, length: Any = None) -> Any:
    if not isinstance(value, str) or isinstance(length, bool) or not isinstance(length, (int, float)):
        return value
    frame.charge(1 + len(value) // 16)
    limit = max(int(number(length)), 0)
    return short(value) if len(value) <= limit else value[:limit] + "…"


def _length(frame: Frame, value: Any) -> int:
    return len(value) if isinstance(value, (str, list, dict)) else 0


def _replace(frame: Frame, value: Any, old: Any = "", new: Any = "") -> Any:
    if not isinstance(value, str):
        return value
    subject, before, after = short(value), short(text(frame, old)), short(text(frame, new))
    frame.charge(1 + len(subject) // 16)
    if before == "":
        return subject
    if len(subject) + subject.count(before) * (len(after) - len(before)) > MAX_TEXT:
        raise Refused("template-limit", f"the text grows beyond the {MAX_TEXT} characters a template handles")
    return subject.replace(before, after)


def _join(frame: Frame, value: Any, sep: Any = ", ") -> Any:
    return joined(frame, value, short(text(frame, sep))) if isinstance(value, list) else value


def _minutes(frame: Frame, value: Any) -> float:
    return _milliseconds(value, 60_000)


def _hours(frame: Frame, value: Any) -> float:
    return _milliseconds(value, 3_600_000)


def _milliseconds(value: Any, unit: int) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    product = number(value * unit)
    return int(product) if product == int(product) else product


def loose_text(frame: Frame, value: Any) -> str:
    """A value as version 1 turned it into a text to compare it: whole numbers have no decimal point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return text(frame, value)


def loose_number(value: Any) -> float | None:
    """A value as a finite number, or none; null and an empty text are 0."""
    if value is None:
        return 0
    if isinstance(value, (bool, int, float)):
        return value if math.isfinite(value) else None
    if not isinstance(value, str) or len(value) > 1000:
        return None
    stripped = value.strip(_BLANKS)
    if not stripped:
        return 0
    if _PREFIXED.match(stripped) and len(stripped) <= 70:
        return int(stripped, 0)
    result = float(stripped) if _DECIMAL.match(stripped) else math.nan
    return result if math.isfinite(result) else None


def _sort_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "object"


def loose_equal(frame: Frame, value: Any, other: Any = None) -> bool:
    """Version 1's ``==``: like kinds strictly, unlike ones by their texts, null only with null."""
    if value is None or other is None:
        return value is other
    if _sort_of(value) == _sort_of(other):
        return equal(frame, value, other)
    return loose_text(frame, value) == loose_text(frame, other)


def _compared(numbers: Callable[[float, float], bool], texts: Callable[[str, str], bool]) -> Callable[..., bool]:
    def call(frame: Frame, value: Any, other: Any = None) -> bool:
        left, right = loose_number(value), loose_number(other)
        if left is not None and right is not None:
            return numbers(left, right)
        first, second = loose_text(frame, value), loose_text(frame, other)
        frame.charge(1 + min(len(first), len(second)) // 16)
        return texts(first, second)

    return call


FILTERS: dict[str, Callable[..., Any]] = {
    "v1_default": _default,
    "v1_truncate": _truncate,
    "v1_length": _length,
    "v1_capitalize": _on_text(lambda value: value[:1].upper() + value[1:]),
    "v1_upper": _on_text(str.upper),
    "v1_lower": _on_text(str.lower),
    "v1_trim": _on_text(lambda value: value.strip(_BLANKS)),
    "v1_replace": _replace,
    "v1_join": _join,
    "minutes": _minutes,
    "hours": _hours,
    "loose_equal": loose_equal,
    "loose_less": _compared(lambda a, b: a < b, lambda a, b: a < b),
    "loose_less_equal": _compared(lambda a, b: a <= b, lambda a, b: a <= b),
    "loose_greater": _compared(lambda a, b: a > b, lambda a, b: a > b),
    "loose_greater_equal": _compared(lambda a, b: a >= b, lambda a, b: a >= b),
}
