"""Cut an expression into tokens of Jinja2's parser, each numbered by its character instead of its line.

Jinja2's own lexer counts lines only, which points nowhere in a value of one line. The limits that protect its
recursive parser are held here, before it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jinja2.lexer import Token, operators

from reconciler.render.bounds import MAX_BRACKETS, MAX_INTEGER, MAX_PREFIXES, MAX_TOKENS
from reconciler.render.faults import TemplateFault

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+)
  | (?P<name>[^\W\d]\w*)
  | (?P<float>(?<!\.)[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))
  | (?P<integer>[0-9]+)
  | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
  | (?P<foreign>&&|\|\||!(?!=)|\?|===)
  | (?P<operator>\*\*|//|==|!=|>=|<=|[-+/*%~\[\](){}<>=.:|,;])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "b": "\b", "f": "\f", "\n": ""}
_CLOSES = {")": "(", "]": "[", "}": "{"}
_SPELLING = {"&&": "and", "||": "or", "!": "not", "?": "value if condition else other", "===": "=="}


def tokens(source: str) -> Iterator[Token]:
    """The tokens of an expression; a token's ``lineno`` is its offset. Raises :class:`TemplateFault`."""
    position, count, prefixes = 0, 0, 0
    open_brackets: list[tuple[str, int]] = []
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            raise _stray(source, position)
        kind, raw, start, position = str(match.lastgroup), match.group(), position, match.end()
        if kind == "blank":
            continue
        count += 1
        prefixes = prefixes + 1 if raw in ("not", "-", "+") else 0
        if count > MAX_TOKENS or prefixes > MAX_PREFIXES:
            raise TemplateFault("template-limit", "the expression is too long or too deep", offset=start)
        if kind == "foreign":
            raise TemplateFault(
                "template-syntax", f"`{raw}` is no operator here", offset=start, hint=f"write `{_SPELLING[raw]}`"
            )
        if kind == "operator":
            _bracket(raw, start, open_brackets)
            yield Token(start, operators[raw], raw)
        else:
            yield Token(start, kind, _value(kind, raw, start))
    if open_brackets:
        bracket, start = open_brackets[-1]
        raise TemplateFault("template-syntax", f"this `{bracket}` is never closed", offset=start)


def _bracket(raw: str, start: int, stack: list[tuple[str, int]]) -> None:
    if raw in "([{":
        stack.append((raw, start))
        if len(stack) > MAX_BRACKETS:
            raise TemplateFault(
                "template-limit", f"brackets are nested more than {MAX_BRACKETS} levels deep", offset=start
            )
    elif raw in _CLOSES:
        if not stack or stack[-1][0] != _CLOSES[raw]:
            raise TemplateFault("template-syntax", f"this `{raw}` closes nothing", offset=start)
        stack.pop()


def _value(kind: str, raw: str, start: int) -> Any:
    if kind == "string":
        return _unescape(raw, start)
    if kind == "integer":
        if len(raw) > 20 or int(raw) > MAX_INTEGER:
            raise TemplateFault("template-limit", "the number has more than 64 bits", offset=start)
        return int(raw)
    if kind == "float":
        value = float(raw)
        if value == float("inf"):
            raise TemplateFault("template-limit", "the number is too large", offset=start)
        return value
    return raw


def _unescape(raw: str, start: int) -> str:
    def one(match: re.Match[str]) -> str:
        body = match.group()[1:]
        if len(body) == 1:
            # What is no escape stays as written, backslash and all: patterns such as '\d' are common.
            return _ESCAPED.get(body, match.group())
        code = int(body[1:], 16)
        if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            raise TemplateFault(
                "template-syntax", f"`{match.group()}` is no character", offset=start + 1 + match.start()
            )
        return chr(code)

    inner = raw[1:-1]
    return _ESCAPE.sub(one, inner) if "\\" in inner else inner


def _stray(source: str, position: int) -> TemplateFault:
    character = source[position]
    if character in "'\"":
        return TemplateFault("template-syntax", "this text is never closed by a quote", offset=position)
    hint = "write `and`" if character == "&" else None
    return TemplateFault("template-syntax", f"`{character}` has no meaning here", offset=position, hint=hint)
