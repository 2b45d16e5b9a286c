"""What is wrong with a template, as the one exception that leaves this package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

TemplateCode = Literal["template-syntax", "template-undefined", "template-unsafe", "template-limit", "template-value"]
"""Stable codes: it doesn't parse; a name has no value; reaches for what is closed; too big or too deep; wrong type."""

_SHOWN = 20


class TemplateFault(Exception):
    """``message`` is one sentence, ``offset`` counts characters from the start of the text that was handed in."""

    def __init__(self, code: TemplateCode, message: str, offset: int = 0, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset
        self.hint = hint

    def shifted(self, by: int) -> TemplateFault:
        """The same fault seen from a text that holds this one at character ``by``."""
        return TemplateFault(self.code, self.message, offset=self.offset + by, hint=self.hint)


class Refused(Exception):
    """A value some operation can't take; the expression around it knows the place and turns it into a fault."""

    def __init__(self, code: TemplateCode, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def at(self, offset: int) -> TemplateFault:
        """The fault for users, placed."""
        return TemplateFault(self.code, self.message, offset=offset, hint=self.hint)


def shown(names: Iterable[str]) -> str:
    """Names for a message: sorted, at most twenty, none of them long enough to drown the sentence."""
    ordered = sorted(names)
    listed = [name if len(name) <= 60 else name[:57] + "..." for name in ordered[:_SHOWN]]
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(listed) + more


def closest(name: str, names: Sequence[str]) -> str | None:
    """The one of ``names`` that was probably meant, by letters and then without regard to case and separators."""
    from difflib import get_close_matches  # only a fault pays for it

    def plain(text: str) -> str:
        return text.lower().replace("_", "").replace("-", "")

    candidates = [candidate for candidate in names if len(candidate) <= 100][:500]
    same = [candidate for candidate in candidates if plain(candidate) == plain(name)]
    return next(iter(same or get_close_matches(name[:100], candidates, n=1)), None)
