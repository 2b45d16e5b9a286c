"""Regular expressions from documents over text from the network: neither may stall the worker's event loop.

RE2 takes time linear in the text, so nearly all patterns are its. What it has no form for (looking around, references
back) is searched by ``regex`` under a time limit, over a shorter text; one that runs out of it is a failed assertion.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import re2  # type: ignore[import-untyped]
import regex  # type: ignore[import-untyped]

SEARCHED = 1 << 20
"""Characters that are searched by RE2: all of a body."""
SEARCHED_BACK = 1 << 16
"""Characters that are searched by backtracking."""
LIMIT_SECONDS = 0.05

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.never_nl = False
_OPTIONS.max_mem = 1 << 20


class BadPattern(ValueError):
    """It is no regular expression; the message says why."""


class OutOfTime(Exception):
    """The search took longer than :data:`LIMIT_SECONDS`."""


class Pattern(NamedTuple):
    """A compiled pattern of either engine."""

    engine: Any
    linear: bool

    def found_in(self, text: str) -> bool:
        """Whether it matches anywhere. Raises :class:`OutOfTime`."""
        if self.linear:
            try:
                return self.engine.search(text[:SEARCHED]) is not None
            except UnicodeEncodeError:  # halves of surrogate pairs have no UTF-8
                return self.engine.search(text[:SEARCHED].encode("utf-8", "replace").decode()) is not None
        try:
            return self.engine.search(text[:SEARCHED_BACK], timeout=LIMIT_SECONDS) is not None
        except TimeoutError as error:
            raise OutOfTime(f"it took longer than {LIMIT_SECONDS * 1000:.0f} ms to search") from error
        except MemoryError as error:
            raise OutOfTime("it took more memory than there is to search") from error


@lru_cache(8192)
def compiled(pattern: str) -> Pattern:
    """The pattern; raises :class:`BadPattern`."""
    try:
        return Pattern(re2.compile(pattern, _OPTIONS), True)
    except (re2.error, UnicodeError):
        pass
    try:
        return Pattern(regex.compile(pattern), False)
    except (regex.error, OverflowError, RecursionError, MemoryError, ValueError) as error:
        raise BadPattern(f"{pattern[:80]!r} is no regular expression: {error}") from error
