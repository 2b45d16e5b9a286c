"""Secret values never leave a run in the clear: wherever one stands in output or results, ``****`` stands instead.

So it does for the spellings that servers and scripts write a value in without meaning harm: JSON, URLs, HTML, base64.
A script that hides a value before it prints it isn't stopped by this. The sandbox's network is.
"""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "****"
SHORTEST = 4
"""Shorter values aren't masked: ``on`` or ``1`` would make every output unreadable and give the value away by that."""


class Masker:
    """Knows the values of one run. Values that contain or overlap each other leave no piece behind."""

    def __init__(self, values: Iterable[str]) -> None:
        # Output is trimmed before people see it, so that a value's own blanks at its ends may be gone there.
        plain = {form for value in values for form in (value, value.strip()) if len(form) >= SHORTEST}
        forms = {form for value in plain for form in (value, *_spellings(value)) if len(form) >= SHORTEST}
        self._values = sorted(forms, key=lambda v: (-len(v), v))

    def text(self, text: str, *, cut_short: bool = False) -> str:
        """Mask every value. ``cut_short``: the text was cut at its end, where the beginning of a value may stand."""
        if not self._values:
            return text
        parts: list[str] = []
        done = 0
        for begin, end in self._spans(text, cut_short):
            parts += (text[done:begin], MASK)
            done = end
        return "".join((*parts, text[done:])) if parts else text

    def deep(self, value: Any) -> Any:
        """Mask inside lists and objects, keys included. Other values come back as they are."""
        if not self._values:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.deep(key): self.deep(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.deep(inner) for inner in value]
        return value

    def _spans(self, text: str, cut_short: bool) -> list[tuple[int, int]]:
        """Where values stand, those that overlap as one."""
        spans: list[tuple[int, int]] = []
        found = [(at, at + len(value)) for value in self._values for at in _places(value, text)]
        if cut_short and (tail := self._tail(text)) is not None:
            found.append((tail, len(text)))
        for begin, end in sorted(found):
            if spans and begin < spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((begin, end))
        return spans

    def _tail(self, text: str) -> int | None:
        """Where the beginning of a value stands at the end of the text."""
        starts = [
            at
            for value in self._values
            for at in _places(value[:SHORTEST], text, max(0, len(text) - len(value) + 1))
            if value.startswith(text[at:])
        ]
        return min(starts, default=None)


def _places(value: str, text: str, start: int = 0) -> Iterator[int]:
    """Where it stands, inside itself too. A search for each is many times faster than a pattern for all."""
    at = text.find(value, start)
    while at >= 0:
        yield at
        at = text.find(value, at + 1)


def _spellings(value: str) -> Iterator[str]:
    """How a value looks inside other texts. In base64, which writes three bytes as one piece: as far as it is the same
    whatever stands before and behind."""
    for ascii_only in (True, False):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]
    yield from (quote(value, safe="", errors="replace"), quote_plus(value, errors="replace"), html.escape(value))
    data = value.encode("utf-8", "replace")
    for start in range(3):
        piece = data[start:]
        yield b64encode(piece[: len(piece) // 3 * 3]).decode()
