"""The tests of ``is``, all of them beside ``defined`` and ``undefined``, which the compiler knows itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.render.bounds import Frame
from reconciler.render.faults import Refused
from reconciler.render.operate import COMPARE


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused("template-value", "the test works on whole numbers")
    return value


def _none(frame: Frame, value: Any) -> bool:
    return value is None


def _boolean(frame: Frame, value: Any) -> bool:
    return isinstance(value, bool)


def _true(frame: Frame, value: Any) -> bool:
    return value is True


def _false(frame: Frame, value: Any) -> bool:
    return value is False


def _string(frame: Frame, value: Any) -> bool:
    return isinstance(value, str)


def _number(frame: Frame, value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _integer(frame: Frame, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _float(frame: Frame, value: Any) -> bool:
    return isinstance(value, float)


def _mapping(frame: Frame, value: Any) -> bool:
    return isinstance(value, dict)


def _sequence(frame: Frame, value: Any) -> bool:
    return isinstance(value, (str, list, dict))


def _even(frame: Frame, value: Any) -> bool:
    return _whole(value) % 2 == 0


def _odd(frame: Frame, value: Any) -> bool:
    return _whole(value) % 2 == 1


def _divisible(frame: Frame, value: Any, num: Any) -> bool:
    if _whole(num) == 0:
        raise Refused("template-value", "nothing is divisible by zero")
    return _whole(value) % int(num) == 0


def _compared(operator: str) -> Callable[[Frame, Any, Any], bool]:
    function = COMPARE[operator]

    def test(frame: Frame, value: Any, other: Any) -> bool:
        return bool(function(frame, value, other))

    return test


TESTS: dict[str, Callable[..., bool]] = {
    "none": _none,
    "boolean": _boolean,
    "true": _true,
    "false": _false,
    "string": _string,
    "number": _number,
    "integer": _integer,
    "float": _float,
    "mapping": _mapping,
    "iterable": _sequence,
    "sequence": _sequence,
    "even": _even,
    "odd": _odd,
    "divisibleby": _divisible,
    "in": _compared("in"),
    "eq": _compared("eq"),
    "equalto": _compared("eq"),
    "ne": _compared("ne"),
    "lt": _compared("lt"),
    "lessthan": _compared("lt"),
    "le": _compared("lteq"),
    "gt": _compared("gt"),
    "greaterthan": _compared("gt"),
    "ge": _compared("gteq"),
}
