"""Colours, for terminals only, and text of strangers made safe to print."""

from __future__ import annotations

import os
import shutil
import unicodedata
from dataclasses import dataclass
from typing import TextIO

from reconciler.model.plan import Action

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35"}
_OF_ACTION = {
    Action.DELETE: "red",
    Action.ORPHAN: "magenta",
    Action.MOVE: "blue",
    Action.UPDATE: "yellow",
    Action.CREATE: "green",
}
_BIDI = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Style:
    """Paints, or doesn't."""

    coloured: bool = False
    width: int | None = None
    """Columns of the terminal; None where the result is piped and lines stay whole."""

    def __call__(self, text: str, *looks: str) -> str:
        """``text`` in these looks: bold, dim, or a colour."""
        if not self.coloured or not looks:
            return text
        return f"\x1b[{';'.join(_CODES[look] for look in looks)}m{text}\x1b[0m"

    def action(self, action: Action, text: str) -> str:
        """``text`` in the colour of an action."""
        return self(text, _OF_ACTION[action]) if action in _OF_ACTION else text


PLAIN = Style()


def style_for(stream: TextIO, *, no_color: bool) -> Style:
    """``--no-color`` and ``NO_COLOR`` say no, ``FORCE_COLOR`` says yes, else a terminal that can do it decides."""
    terminal = stream.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    if no_color or os.environ.get("NO_COLOR"):
        return Style(False, width)
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return Style(True, width)
    return Style(terminal and os.environ.get("TERM") != "dumb", width)


def safe(text: str) -> str:
    """``text`` without what steers a terminal or turns the order of characters: those are shown as U+FFFD.

    Neither does it steer a CI job that looks for commands in its log: ``::name::`` at a line's begin, ``##[`` anywhere.
    """
    if "::" in text and text.lstrip().startswith("::"):
        text = text.replace("::", "\ufffd:", 1)
    if "##" in text:
        text = text.replace("##[", "#\ufffd[").replace("##vso", "#\ufffdvso")
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if _steers(c) else c for c in text)


def _steers(char: str) -> bool:
    return char in _BIDI or (char != "\t" and unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"))


def width_of(char: str) -> int:
    """How many cells of a terminal a character takes."""
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 resource``, ``9,970 resources``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
