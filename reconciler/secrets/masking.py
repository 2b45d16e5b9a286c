"""Secret values never leave a run in the clear: wherever one stands in output or results, ``****`` stands instead.

Literal only: a script that encodes a value before it prints it isn't stopped by this. The sandbox's network is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MASK = "****"
SHORTEST = 4
"""Shorter values aren't masked: ``on`` or ``1`` would make every output unreadable and give the value away by that."""


class Masker:
    """Knows the values of one run. Values that contain or overlap each other leave no piece behind."""

    def __init__(self, values: Iterable[str]) -> None:
        # Output is trimmed before people see it, so that a value's own blanks at its ends may be gone there.
        forms = {form for value in values for form in (value, value.strip()) if len(form) >= SHORTEST}
        self._values = sorted(forms, key=lambda v: (-len(v), v))
        # Looking ahead finds matches that begin inside another one; the longest is first in the list.
        self._pattern = re.compile(f"(?=({'|'.join(map(re.escape, self._values))}))") if self._values else None

    def text(self, text: str, *, cut_short: bool = False) -> str:
        """Mask every value. ``cut_short``: the text was cut at its end, where the beginning of a value may stand."""
        if self._pattern is None:
            return text
        parts: list[str] = []
        done = 0
        for begin, end in self._spans(text, cut_short):
            parts += (text[done:begin], MASK)
            done = end
        return "".join((*parts, text[done:])) if parts else text

    def deep(self, value: Any) -> Any:
        """Mask inside lists and objects, keys included. Other values come back as they are."""
        if self._pattern is None:
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
        found = [m.span(1) for m in self._pattern.finditer(text)] if self._pattern is not None else []
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
            len(text) - n
            for value in self._values
            for n in range(min(len(value) - 1, len(text)), SHORTEST - 1, -1)
            if text.endswith(value[:n])
        ]
        return min(starts, default=None)
