"""How much an untrusted template may be, cost and yield; and the text of a value, which is where yield shows.

The numbers are ten to a hundred times what real documents need, and low enough that the worst template ends within a
fraction of a second. They are part of the format: raising one is harmless, lowering one breaks documents.
"""

from __future__ import annotations

import math
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.render.faults import Refused

MAX_TEMPLATE = 128 * 1024
"""Characters of one template's source."""
MAX_EXPRESSIONS = 32 * 1024
"""Characters of all the expressions of one template; compiling takes up to 15 us for each."""
MAX_EXPRESSION = 8 * 1024
"""Characters of one expression's source."""
MAX_TOKENS = 1000
MAX_BRACKETS = 24
"""Open brackets at once; the parser's recursion takes fifteen frames for each."""
MAX_PREFIXES = 24
"""``not``, ``-`` and ``+`` in a row."""
MAX_DEPTH = 100
"""Levels of the expression tree, each a frame when it is evaluated."""
MAX_TEXT = 64 * 1024
"""Characters of any text an operation takes or makes, and bytes (UTF-8) of a rendered value."""
MAX_SLICE = 1024 * 1024
"""Bytes of all rendered values of one slice; every slice is held in memory until it is written."""
MAX_ITEMS = 10_000
"""Items of any list an operation takes or makes."""
MAX_WORK = 500_000
"""Steps one render may take: about one for an item, a sixteenth for a character. Also the weight of a made value."""
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
"""What canonical JSON can hold."""


class Frame:
    """One render: what the template sees, the clock it may read (or none), and the work it may still do."""

    __slots__ = ("clock", "context", "left")

    def __init__(self, context: Any, clock: Any = None) -> None:
        self.context = context
        self.clock = clock
        self.left = MAX_WORK

    def charge(self, amount: int) -> None:
        """Count work; raises :class:`Refused` when the render has had its share."""
        self.left -= amount
        if self.left < 0:
            raise Refused("template-limit", "the template does more work than one render may")

    def charge_for(self, value: Any, *, share: int = 1) -> None:
        """Count the work of walking all of ``value``, or one part in ``share`` of it."""
        self.charge(1 + weigh(value, self.left) // share)


def kind(value: Any) -> str:
    """What a value is, in the words of messages: ``text``, ``a number``, ``a list``, ..."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return "a list"
    return "a mapping" if isinstance(value, dict) else f"a value of type {type(value).__name__}"


def weigh(value: Any, limit: int) -> int:
    """Items and characters inside ``value``, all levels; stops counting beyond ``limit``, to be cheap itself."""
    total, stack = 0, [value]
    while stack and total <= limit:
        item = stack.pop()
        total += 1
        if isinstance(item, str):
            total += len(item)
        elif isinstance(item, (list, dict)):
            if len(item) > limit:
                return limit + 1
            total += len(item)
            if isinstance(item, dict):
                total += sum(map(len, item))
                stack.extend(item.values())
            else:
                stack.extend(item)
    return total


def short(value: str) -> str:
    """The text itself, when an operation may take or give as much; else :class:`Refused`."""
    if len(value) > MAX_TEXT:
        raise Refused(
            "template-limit", f"a text of {len(value)} characters is more than a template handles ({MAX_TEXT})"
        )
    return value


def few(items: list[Any]) -> list[Any]:
    """The list itself, when an operation may take or give as many; else :class:`Refused`."""
    if len(items) > MAX_ITEMS:
        raise Refused("template-limit", f"a list of {len(items)} items is more than a template handles ({MAX_ITEMS})")
    return items


def number(value: float) -> float:
    """The number itself, when JSON can hold it; else :class:`Refused`."""
    if isinstance(value, int):
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            raise Refused("template-limit", "the number has more than 64 bits")
    elif not math.isfinite(value):
        raise Refused("template-limit", "the number is infinite or not a number")
    return value


def json_text(frame: Frame, value: Any) -> str:
    """Compact JSON with sorted keys, so that the order in which a mapping was written or stored never shows."""
    size = weigh(value, MAX_TEXT)
    frame.charge(1 + size // 2)
    if size > MAX_TEXT:
        raise Refused("template-limit", f"{kind(value)} this big isn't written into a text (limit: {MAX_TEXT})")
    try:
        return short(dumps(value).decode())
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused("template-value", f"{kind(value)} can't be written as JSON: {error}") from None


def float_text(value: float) -> str:
    """The shortest decimal that reads back as the same number, written out between 1e-7 and 1e21."""
    number(value)
    written = repr(value)
    if "e" in written and 1e-7 <= abs(value) < 1e21:
        from decimal import Decimal

        written = format(Decimal(written), "f")
    return written


def text(frame: Frame, value: Any) -> str:
    """A value as it shows in a rendered text. Null is nothing, booleans are words, lists are JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(number(value))
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, (list, dict)):
        return json_text(frame, value)
    raise Refused("template-value", f"{kind(value)} can't be written into a text")


def storable(rendered: str) -> str:
    """A rendered text within 64 KiB of UTF-8, without halves of surrogate pairs, which no store takes; or refused."""
    if len(rendered) <= MAX_TEXT and rendered.isascii():
        return rendered
    try:
        size = len(rendered.encode())
    except UnicodeEncodeError as error:
        broken = f"{rendered[error.start]!a}"
        raise Refused("template-value", f"the text holds {broken}, which is no character") from None
    if size > MAX_TEXT:
        raise Refused("template-limit", f"the rendered text is longer than {MAX_TEXT} bytes")
    return rendered
