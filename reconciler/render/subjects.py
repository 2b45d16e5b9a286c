"""What filters ask of their values and arguments before they work on them."""

from __future__ import annotations

from typing import Any

from reconciler.render.bounds import Frame, few, kind, number, short, text
from reconciler.render.faults import Refused


def plain(frame: Frame, value: Any) -> str:
    """The text of a text, number, yes or no, or null; :class:`Refused` for lists and mappings."""
    if isinstance(value, (list, dict)):
        raise Refused(
            "template-value", f"the filter works on text, and this is {kind(value)}", hint="`| tojson` or `| join`"
        )
    result = short(text(frame, value))
    frame.charge(1 + len(result) // 16)
    return result


def items_of(frame: Frame, value: Any) -> list[Any]:
    """The items of a list, the keys of a mapping in order, the characters of a text."""
    if isinstance(value, dict):
        value = sorted(value)
    elif isinstance(value, str):
        value = list(short(value))
    elif not isinstance(value, list):
        raise Refused("template-value", f"the filter works on lists, and this is {kind(value)}")
    frame.charge(1 + len(value))
    return few(value)


def whole(value: Any, name: str, low: int, high: int) -> int:
    """A whole number within ``low`` and ``high``, given as the argument ``name``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Refused("template-value", f"the argument `{name}` must be a whole number between {low} and {high}")
    return value


def numeric(value: Any) -> float:
    """A number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused("template-value", f"the filter works on numbers, and this is {kind(value)}")
    return number(value)
