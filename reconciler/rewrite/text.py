"""Text by place: edits, lines, comments, indentation. Knows of YAML only what a comment is."""

from __future__ import annotations

import re
from collections.abc import Iterable

BREAK = re.compile(r"\r\n|\n|\r")
_REST = re.compile(r"[ \t]*(#[^\r\n]*)?(\r\n|\n|\r|\Z)")
_COMMENT_LINE = re.compile(r"([ \t]*)#[^\r\n]*(?:\r\n|\n|\r|\Z)")
_BLANK_LINE = re.compile(r"[ \t]*(?:\r\n|\n|\r)")
_COMMENT = re.compile(r"(?:(?<=\s)|\A)#[^\r\n]*")


class Edits:
    """Replacements of spans of one text, in any order. An insertion at a place comes before what else begins there."""

    def __init__(self) -> None:
        self._all: list[tuple[int, int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._all)

    def replace(self, start: int, end: int, text: str) -> None:
        """The span from ``start`` to ``end`` becomes ``text``."""
        self._all.append((start, end, text))

    def insert(self, at: int, text: str) -> None:
        """``text`` is put at a place; what is inserted first stands first."""
        self._all.append((at, at, text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Edits) and self._all == other._all

    __hash__ = None  # type: ignore[assignment]  # they change

    def check(self) -> None:
        """Raises ``ValueError`` for edits that overlap."""
        at = 0
        for first, last, _ in self._sorted():
            if first < at:
                raise ValueError(f"edits overlap at {first}")
            at = last

    def _sorted(self) -> list[tuple[int, int, str]]:
        return sorted(self._all, key=lambda edit: edit[:2])

    def extend(self, other: Edits) -> None:
        """All edits of another, of the same text."""
        self._all += other._all

    def covers(self, at: int) -> bool:
        """Whether the text at an offset is replaced."""
        return any(start <= at < end for start, end, _ in self._all)

    def apply(self, text: str, start: int, end: int) -> str:
        """The span of ``text`` with the edits that lie in it. Raises ``ValueError`` for edits that overlap."""
        parts: list[str] = []
        at = start
        for first, last, new in self._sorted():
            if first < at or last > end:
                raise ValueError(f"edits overlap at {first}")
            parts += (text[at:first], new)
            at = last
        parts.append(text[at:end])
        return "".join(parts)


def line_start(text: str, at: int) -> int:
    """Where the line of an offset begins."""
    start = text.rfind("\n", 0, at) + 1
    return text.rfind("\r", start, at) + 1 or start


def line_end(text: str, at: int) -> int:
    """Where the next line begins; the end of the text on the last one."""
    found = BREAK.search(text, at)
    return found.end() if found else len(text)


def column(text: str, at: int) -> int:
    """How far an offset is from the start of its line; a byte order mark doesn't count."""
    start = line_start(text, at)
    return at - start - (1 if text.startswith("\ufeff", start) else 0)


def rest(text: str, at: int) -> tuple[str, int]:
    """The comment behind ``at`` on its line (empty without one), and where the next line begins."""
    found = _REST.match(text, at)
    return (found[1] or "", found.end()) if found else ("", line_end(text, at))


def lead(text: str, start: int, floor: int, indent: int) -> int:
    """Where the comment lines begin that stand right above the line at ``start``, not before ``floor``."""
    while start > floor:
        above = line_start(text, start - (2 if text[start - 2 : start] == "\r\n" else 1))
        found = _COMMENT_LINE.match(text, above)
        if above < floor or found is None or found.end() != start or len(found[1]) != indent:
            break
        start = above
    return start


def tail(text: str, at: int, indent: int) -> int:
    """Where the comment lines end that follow a value at ``at`` and are indented deeper than its key."""
    end = at
    while at < len(text):
        blank = _BLANK_LINE.match(text, at)
        comment = _COMMENT_LINE.match(text, at)
        if comment is not None and len(comment[1]) > indent:
            end = at = comment.end()
        elif blank is not None:
            at = blank.end()
        else:
            break
    return end


def comments(text: str, start: int, end: int, inside: Iterable[tuple[int, int]]) -> list[tuple[int, str]]:
    """The comments in a span with their offsets. ``inside``: spans of scalars, where ``#`` is a sign; sorted."""
    found: list[tuple[int, str]] = []
    at = start
    for first, last in [*inside, (end, end)]:
        if first > at:
            found += [(match.start(), match.group().rstrip()) for match in _COMMENT.finditer(text, at, min(first, end))]
        at = max(at, last)
    return found


def shifted(text: str, by: int) -> str:
    """The lines after the first one indented ``by`` columns more, or less, as far as there are blanks."""
    if by == 0 or ("\n" not in text and "\r" not in text):
        return text
    parts = BREAK.split(text)
    breaks = BREAK.findall(text)
    moved = [parts[0]]
    for part in parts[1:]:
        if by > 0:
            moved.append(" " * by + part if part.strip() else part)
        else:
            blanks = len(part) - len(part.lstrip(" "))
            moved.append(part[min(-by, blanks) :])
    return "".join(piece + end for piece, end in zip(moved, [*breaks, ""], strict=True))
