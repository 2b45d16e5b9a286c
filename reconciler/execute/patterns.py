"""Regular expressions from documents over text from the network: neither may stall the worker's event loop.

RE2 takes time linear in the text, so nearly all searches are its. The factor is the size of the pattern, though, and a
hostile one can make it thousands; such a search, and what RE2 has no form for (looking around, references back), is
done by ``regex`` under a time limit. One that runs out of it is a failed assertion. Both let other threads run
meanwhile, which is what :attr:`Pattern.costly` is for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import re2  # type: ignore[import-untyped]
import regex  # type: ignore[import-untyped]

LIMIT_SECONDS = 0.05
_AFFORDABLE = 10_000_000
"""Steps of RE2, which are characters times instructions: 50 ms where every character costs all of them."""
_CHEAP = 1_000_000

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20


class BadPattern(ValueError):
    """It is no regular expression; the message says why."""


class OutOfTime(Exception):
    """The search took longer than :data:`LIMIT_SECONDS`."""


class Pattern(NamedTuple):
    """A compiled pattern. ``linear`` is RE2's, None where it has no form for it; ``size`` counts its instructions."""

    text: str
    linear: Any
    size: int

    def costly(self, length: int) -> bool:
        """Whether searching so many characters may take longer than an event loop should stand still."""
        return length > 100 if self.linear is None else length * self.size > _CHEAP

    def found_in(self, text: str) -> bool:
        """Whether it matches anywhere. Raises :class:`OutOfTime`."""
        if self.linear is None or len(text) * self.size > _AFFORDABLE:
            try:
                return _searched(_backtracking(self.text), text)
            except BadPattern:  # RE2 alone understands it
                text = text[: _AFFORDABLE // self.size]
        try:
            return self.linear.search(text) is not None
        except UnicodeEncodeError:  # halves of surrogate pairs have no UTF-8
            return self.linear.search(text.encode("utf-8", "replace").decode()) is not None


@lru_cache(8192)
def compiled(pattern: str) -> Pattern:
    """The pattern; raises :class:`BadPattern`."""
    try:
        linear = re2.compile(pattern, _OPTIONS)
        return Pattern(pattern, linear, max(1, linear.programsize))
    except (re2.error, UnicodeError):
        _backtracking(pattern)
        return Pattern(pattern, None, 1)


@lru_cache(1024)
def _backtracking(pattern: str) -> Any:
    try:
        return regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError, MemoryError, ValueError) as error:
        raise BadPattern(f"{pattern[:80]!r} is no regular expression: {error}") from error


def _searched(engine: Any, text: str) -> bool:
    try:
        return engine.search(text, timeout=LIMIT_SECONDS, concurrent=True) is not None
    except TimeoutError as error:
        raise OutOfTime(f"it took longer than {LIMIT_SECONDS * 1000:.0f} ms to search") from error
    except MemoryError as error:
        raise OutOfTime("it took more memory than there is to search") from error
