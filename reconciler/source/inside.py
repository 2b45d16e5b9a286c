"""Where in the file each character of a string value stands: through quotes, escapes, folding and indentation."""

from __future__ import annotations

import re

_FOLD = re.compile(r"[ \t]*(?:\r\n|\n|\r)(?:[ \t]*(?:\r\n|\n|\r))*[ \t]*")
_BREAK = re.compile(r"\r\n|\n|\r")
_AFTER_ESCAPED_BREAK = re.compile(r"\\(?:\r\n|\n|\r)[ \t]*")
_EMPTY_LINE = re.compile(r"(?:\r\n|\n|\r)[ \t]*")
_SURROGATES = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..")  # one character, as JSON writes it
_HEX = {"x": 2, "u": 4, "U": 8}


def source_offset(text: str, start: int, *, style: str, value: str, offset: int) -> int:
    """The index in ``text`` of character ``offset`` of ``value``, whose scalar begins at ``start`` in ``style``.

    Past the end of the value: the place after its last character. Exact but for folded block scalars (``>``), where
    lines are found by their words.
    """
    if style in ("|", ">"):
        places = _block(text, start, value)
    elif style == '"':
        places = _double(text, start + 1, len(value))
    elif style == "'":
        places = _single(text, start + 1, len(value))
    else:
        places = _plain(text, start, len(value))
    if not places:
        return start + (style in ("'", '"'))
    return places[offset] if offset < len(places) else places[-1] + 1


def _folded(text: str, at: int, places: list[int]) -> int | None:
    """Line ends and the blanks around them, from ``at``: one is a space, each further one a line end of the value."""
    fold = _FOLD.match(text, at)
    if fold is None:
        return None
    breaks = len(_BREAK.findall(fold.group()))
    places += [at] * max(1, breaks - 1)
    return fold.end()


def _plain(text: str, at: int, length: int) -> list[int]:
    places: list[int] = []
    while len(places) < length and at < len(text):
        after = _folded(text, at, places)
        if after is None:
            places.append(at)
            after = at + 1
        at = after
    return places


def _single(text: str, at: int, length: int) -> list[int]:
    places: list[int] = []
    while len(places) < length and at < len(text):
        after = _folded(text, at, places)
        if after is None:
            places.append(at)
            after = at + (2 if text.startswith("''", at) else 1)
        at = after
    return places


def _double(text: str, at: int, length: int) -> list[int]:
    places: list[int] = []
    while len(places) < length and at < len(text):
        escaped_break = _AFTER_ESCAPED_BREAK.match(text, at)
        if escaped_break is not None:
            at = escaped_break.end()
            # Empty lines that follow are line ends of the value, each of them.
            while (empty := _EMPTY_LINE.match(text, at)) is not None:
                places.append(at)
                at = empty.end()
            continue
        after = _folded(text, at, places)
        if after is None:
            places.append(at)
            after = at + _escape_length(text, at)
        at = after
    return places


def _escape_length(text: str, at: int) -> int:
    if text[at] != "\\":
        return 1
    length = 2 + _HEX.get(text[at + 1 : at + 2], 0)
    return 12 if _SURROGATES.match(text, at) else length


def _block(text: str, start: int, value: str) -> list[int]:
    """Line by line below the header: the value's words in the source's, with the indentation passed over."""
    header = _BREAK.search(text, start)
    if header is None:
        return []
    at, indent = header.end(), _indentation(text, header.end(), value)
    places: list[int] = []
    at = _skip_indentation(text, at, indent)
    for character in value:
        # A line end that the value doesn't have: folding took it.
        while at < len(text) and text[at] in "\r\n" and character not in "\n ":
            at = _next_line(text, at, indent)
        places.append(at)
        if at < len(text) and text[at] in "\r\n":
            at = _next_line(text, at, indent)
        else:
            at += 1
    return places


def _indentation(text: str, at: int, value: str) -> int:
    """How deep the block is indented: its first line with words, less the blanks that belong to the value."""
    first = next((line for line in value.split("\n") if line.strip()), "")
    for line in _BREAK.split(text[at:]):
        if line.strip():
            return max(0, len(line) - len(line.lstrip(" ")) - (len(first) - len(first.lstrip(" "))))
    return 0


def _next_line(text: str, at: int, indent: int) -> int:
    end = _BREAK.match(text, at)
    return _skip_indentation(text, end.end() if end else at + 1, indent)


def _skip_indentation(text: str, at: int, indent: int) -> int:
    end = at + indent
    while at < end and at < len(text) and text[at] == " ":
        at += 1
    return at
