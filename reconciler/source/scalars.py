"""The values of plain (unquoted) scalars by the YAML 1.2 core schema.

``no``, ``on`` and ``yes`` are strings, ``012`` is twelve, dates stay strings. What JSON has no form for is refused: a
number that isn't finite, a whole number beyond 64 bits. Plain scalars repeat a lot, so each text is judged once.
"""

from __future__ import annotations

import re
from typing import Final

Scalar = str | int | float | bool | None

_INT = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_CONSTANTS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", "")),
}
_NUMERIC = frozenset("+-.0123456789")
_LONGEST_INT = 19
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_MEMO_ENTRIES, _MEMO_LENGTH = 50_000, 128


class BadNumber(ValueError):
    """A plain scalar that reads as a number JSON has no form for; the message is a sentence."""


def resolve(text: str) -> Scalar:
    """The value of a plain scalar. Raises :class:`BadNumber`."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMERIC:
        return text
    if _INT.match(text):
        return _integer(text)
    if _FLOAT.match(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise BadNumber(f"{_short(text)} is read as a number, and is too large for one")
        return number
    if _NOT_FINITE.match(text):
        raise BadNumber(f"{text} is a number that isn't finite, which has no form in JSON")
    return text


def _integer(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    digits = text[2:] if base != 10 else text.lstrip("+-")
    digits = digits.lstrip("0")
    # Judged by length first: int() itself refuses very long texts, with a sentence about the interpreter.
    if len(digits) <= _LONGEST_INT + (base == 8) * 2:
        number = int(digits or "0", base) * (-1 if text[0] == "-" else 1)
        if _INT_MIN <= number <= _INT_MAX:
            return number
    raise BadNumber(f"{_short(text)} is read as a whole number, and doesn't fit into 64 bits")


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


class Memo(dict[str, Scalar]):
    """``memo[text]`` is :func:`resolve`, remembered. Bounded, so that a hostile repository can't fill the memory."""

    def __missing__(self, text: str) -> Scalar:
        value = resolve(text)
        if len(self) < _MEMO_ENTRIES and len(text) <= _MEMO_LENGTH:
            self[text] = value
        return value


PLAIN: Final = Memo()
