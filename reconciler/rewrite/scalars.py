"""How a value is spelled: in the style that stood there before, or in the simplest one that reads back as it is."""

from __future__ import annotations

import difflib
import json
import re
from contextlib import suppress
from typing import Any

from reconciler.rewrite.text import BREAK
from reconciler.source.inside import source_offset
from reconciler.source.layout import Node
from reconciler.source.parsers import c_parser, pure_parser
from reconciler.source.scalars import BadNumber, resolve

_FIRST = frozenset("!&*|>'\"#%@`,[]{}=~")
_OTHER_TOOLS = frozenset({"y", "n", "yes", "no", "on", "off"})
"""Words that older readers of YAML take for true and false."""
_UNSAFE = re.compile(
    r": |:\Z| #|[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]|\A[-?:](?:[ \t]|\Z)|\A(?:---|\.\.\.)|\A\s|\s\Z"
)
_UNSAFE_IN_FLOW = re.compile(r"[,\[\]{}:]")
_NO_SINGLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", "\x1b": "\\e"}
_WORDS = re.compile(r"\w+|\s|[^\w\s]")
_MOST_COMPARED = 2000
"""Words between the first and the last that differ; comparing takes the square of it."""


def emitted(value: Any, *, flow: bool, quote: str = '"') -> str:
    """A scalar of plain JSON data on one line; ``quote`` is the one that its surroundings prefer."""
    if isinstance(value, str):
        return value if _plain(value, flow=flow) else quoted(value, quote)
    return json.dumps(value)


def quoted(text: str, quote: str) -> str:
    """In these quotes; in double ones where single ones can't hold it."""
    if quote == "'" and not _NO_SINGLE.search(text):
        return "'" + text.replace("'", "''") + "'"
    return '"' + _escaped(text) + '"'


def key(name: str, like: Node, *, flow: bool) -> str:
    """A key, quoted as the one was that it replaces."""
    style = like.style
    if style in ("'", '"'):
        return quoted(name, style)
    return emitted(name, flow=flow)


def restyled(text: str, node: Node, value: Any, *, flow: bool, quote: str, careful: bool, ending: str) -> str:
    """What stands in place of a scalar (its anchor and tag aside) so that it reads as ``value``.

    ``careful``: only the words that differ are replaced inside a text of several lines. ``ending``: a line's end.
    """
    source = text[node.body : node.end]
    if not isinstance(value, str):
        return emitted(value, flow=flow, quote=quote)
    if careful and ("\n" in source or "\r" in source or "\\" in source):
        within = _inside(text, node, value)
        if within is not None:
            return within
    if node.style in ("|", ">") and not flow:
        block = _block(source, value, ending)
        if block is not None:
            return block
    if node.style in ("'", '"'):
        return quoted(value, node.style)
    return emitted(value, flow=flow, quote=quote)


def fits_flow(text: str, node: Node) -> bool:
    """Whether the text of a scalar may stand inside brackets as it is."""
    if node.style in ("|", ">"):
        return False
    return bool(node.style) or not _UNSAFE_IN_FLOW.search(text, node.body, node.end)


def reads(source: str) -> str | None:
    """The text of a scalar that stands alone; None for what is none."""
    parser = c_parser() or pure_parser()
    with suppress(Exception):
        events = parser(source)
        for _ in range(2):
            events.get_event()
        found, after = events.get_event(), events.get_event()
        value: str = found.value
        return value if type(after).__name__ == "DocumentEndEvent" else None
    return None


def _plain(text: str, *, flow: bool) -> bool:
    if not text or text[0] in _FIRST or _UNSAFE.search(text) or text.lower() in _OTHER_TOOLS or text == "<<":
        return False
    if flow and _UNSAFE_IN_FLOW.search(text):
        return False
    try:
        return isinstance(resolve(text), str)
    except BadNumber:
        return False


def _escaped(text: str) -> str:
    return "".join(_ESCAPED.get(char) or (f"\\u{ord(char):04x}" if _NO_SINGLE.match(char) else char) for char in text)


def _block(source: str, value: str, ending: str) -> str | None:
    """As a literal block with the indentation that the old one had; None where it can't be."""
    header, *lines = BREAK.split(source)
    old, sign, comment = header.partition("#")
    indent = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    if not indent or not value.strip("\n") or value[0] in " \n" or re.search(r"\d", old):
        return None
    if _NO_SINGLE.search(value.replace("\n", "")):
        return None
    body = value.rstrip("\n")
    kept = len(value) - len(body)
    chomp = {0: "-", 1: ""}.get(kept, "+")
    new = [f"|{chomp}{old[len(old.rstrip()) :]}{sign}{comment}"]
    new += [" " * indent + line if line.strip() else line for line in body.split("\n")]
    return ending.join(new + [""] * max(0, kept - 1))


def _inside(text: str, node: Node, value: str) -> str | None:
    """The old text with only those words replaced that differ; None where that doesn't read as ``value``."""
    old = node.text or ""
    was, now = _WORDS.findall(old), _WORDS.findall(value)
    first, behind = _alike(was, now)
    if max(len(was), len(now)) - first - behind > _MOST_COMPARED:
        return None
    places = [0]
    for word in was:
        places.append(places[-1] + len(word))

    def offset(word: int) -> int:
        return source_offset(text, node.body, style=node.style, value=old, offset=places[word])

    parts: list[str] = []
    at = node.body
    matched = difflib.SequenceMatcher(
        None, was[first : len(was) - behind], now[first : len(now) - behind], autojunk=False
    )
    for tag, i1, i2, j1, j2 in matched.get_opcodes():
        if tag == "equal":
            continue
        new = "".join(now[first + j1 : first + j2])
        if "\n" in new and node.style != '"':
            return None
        start = offset(first + i1)
        parts += (text[at:start], _spelled(new, node.style))
        at = offset(first + i2) if i2 > i1 else start
    result = "".join(parts) + text[at : node.end]
    # The line end behind a block belongs to its value, and isn't part of its text.
    ended = result + "\n" if node.style in ("|", ">") and node.end < len(text) else result
    return result if reads(ended) == value else None


def _alike(was: list[str], now: list[str]) -> tuple[int, int]:
    """How many words are the same at the beginning, and behind that at the end."""
    shorter = min(len(was), len(now))
    first = next((i for i in range(shorter) if was[i] != now[i]), shorter)
    rest = range(1, shorter - first + 1)
    return first, next((i - 1 for i in rest if was[-i] != now[-i]), shorter - first)


def _spelled(text: str, style: str) -> str:
    return _escaped(text) if style == '"' else text.replace("'", "''") if style == "'" else text
