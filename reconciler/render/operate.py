"""The operators of expressions, each with a bound on what it makes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from reconciler.render.bounds import MAX_ITEMS, MAX_TEXT, Frame, few, kind, number, short, text
from reconciler.render.faults import Refused

Binary = Callable[[Frame, Any, Any], Any]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _mismatch(sign: str, left: Any, right: Any, *, hint: str | None = None) -> Refused:
    return Refused("template-value", f"`{sign}` doesn't work between {kind(left)} and {kind(right)}", hint=hint)


def _arithmetic(sign: str, function: Callable[[Any, Any], Any]) -> Binary:
    def run(frame: Frame, left: Any, right: Any) -> Any:
        if not (_is_number(left) and _is_number(right)):
            hint = "put texts together with `~`" if sign == "%" else None
            raise _mismatch(sign, left, right, hint=hint)
        try:
            return number(function(number(left), number(right)))
        except ZeroDivisionError:
            raise Refused("template-value", f"`{sign}` divides by zero") from None
        except OverflowError:
            raise Refused("template-limit", "the number is too large") from None

    return run


_plus = _arithmetic("+", operator.add)
_times = _arithmetic("*", operator.mul)


def _add(frame: Frame, left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return concatenated(frame, [left, right])
    if isinstance(left, list) and isinstance(right, list):
        frame.charge(len(left) + len(right))
        return few([*few(left), *few(right)])
    if isinstance(left, str) or isinstance(right, str):
        raise _mismatch("+", left, right, hint="put texts together with `~`")
    return _plus(frame, left, right)


def _multiply(frame: Frame, left: Any, right: Any) -> Any:
    if isinstance(right, (str, list)):
        left, right = right, left
    if isinstance(left, (str, list)) and _is_number(right) and isinstance(right, int):
        limit = MAX_TEXT if isinstance(left, str) else MAX_ITEMS
        size = len(left) * max(right, 0)
        if size > limit:
            raise Refused("template-limit", f"{kind(left)} repeated {right} times is more than a template handles")
        frame.charge(size // 16 if isinstance(left, str) else size)
        return left * right
    return _times(frame, left, right)


def _bounded_power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and (abs(right) > 64 or left.bit_length() * right > 128):
        if left in (-1, 0, 1) and right >= 0:
            return left if left != -1 or right % 2 else 1
        raise Refused("template-limit", "the number is too large")
    result = left**right
    if isinstance(result, complex):
        raise Refused("template-value", "`**` has no real result here")
    return result


BINARY: dict[str, Binary] = {
    "+": _add,
    "-": _arithmetic("-", operator.sub),
    "*": _multiply,
    "/": _arithmetic("/", operator.truediv),
    "//": _arithmetic("//", operator.floordiv),
    "%": _arithmetic("%", operator.mod),
    "**": _arithmetic("**", _bounded_power),
}


def sign(symbol: str, value: Any) -> Any:
    """``-value`` or ``+value``, of numbers only."""
    if not _is_number(value):
        raise Refused("template-value", f"`{symbol}` doesn't work on {kind(value)}")
    return number(-value if symbol == "-" else value)


def concatenated(frame: Frame, values: list[Any]) -> str:
    """The texts of the values in a row (``~``)."""
    parts = [short(text(frame, value)) for value in values]
    size = sum(map(len, parts))
    frame.charge(1 + size // 16)
    if size > MAX_TEXT:
        raise Refused("template-limit", f"the text grows beyond the {MAX_TEXT} characters a template handles")
    return "".join(parts)


def equal(frame: Frame, left: Any, right: Any) -> bool:
    """``==``; two containers are compared by what is in them."""
    if isinstance(left, (list, dict)) and isinstance(right, (list, dict)):
        frame.charge_for(left if len(left) < len(right) else right)
    elif isinstance(left, str) and isinstance(right, str):
        frame.charge(1 + min(len(left), len(right)) // 16)
    return bool(left == right)


def unequal(frame: Frame, left: Any, right: Any) -> bool:
    """``!=``."""
    return not equal(frame, left, right)


def _order(symbol: str, function: Callable[[Any, Any], bool]) -> Binary:
    def run(frame: Frame, left: Any, right: Any) -> bool:
        if _is_number(left) and _is_number(right):
            return function(left, right)
        if isinstance(left, str) and isinstance(right, str):
            frame.charge(1 + min(len(left), len(right)) // 16)
            return function(left, right)
        convert = "convert the text with `| int` or `| float`"
        raise _mismatch(symbol, left, right, hint=convert if isinstance(left, str) or isinstance(right, str) else None)

    return run


def contained(frame: Frame, left: Any, right: Any) -> bool:
    """``left in right``: a part of a text, an item of a list, a key of a mapping."""
    if isinstance(right, str):
        if not isinstance(left, str):
            raise _mismatch("in", left, right)
        frame.charge(1 + len(right) // 16)
        return short(left) in short(right)
    if isinstance(right, list):
        if isinstance(left, (list, dict)):
            frame.charge_for(right)
        frame.charge(1 + len(right))
        return left in right
    if isinstance(right, dict) and not isinstance(left, (list, dict)):
        return isinstance(left, str) and left in right
    raise _mismatch("in", left, right)


def _not_contained(frame: Frame, left: Any, right: Any) -> bool:
    return not contained(frame, left, right)


COMPARE: dict[str, Binary] = {
    "eq": equal,
    "ne": unequal,
    "lt": _order("<", operator.lt),
    "lteq": _order("<=", operator.le),
    "gt": _order(">", operator.gt),
    "gteq": _order(">=", operator.ge),
    "in": contained,
    "notin": _not_contained,
}
