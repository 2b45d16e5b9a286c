"""The expressions of version 1: cut into tokens and parsed into a tree, as reference and engine of version 1 read them.

Loosest to tightest: ternary, pipe, ``||``, ``&&``, equality, order, ``!`` and ``not``, postfix, literals.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_DEPTH = 60
"""Levels of brackets and ternaries."""
MAX_HEIGHT = 200
"""Levels of the tree, chains such as ``a && b && c`` included; twice what version 2 evaluates."""
_NAME_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$")
_DIGITS = frozenset("0123456789")
_NAME = _NAME_START | _DIGITS
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_PAIRS = ("==", "!=", "<=", ">=", "&&", "||")
_SINGLE = "?:|<>!.[](),"


class Untranslatable(Exception):
    """``offset`` counts characters from the start of the text that was handed in."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class Token(NamedTuple):
    """``kind`` is name, number, string, the operator itself, or end. ``quote`` is the one a string was written in."""

    kind: str
    value: str
    offset: int
    quote: str = ""


class Literal(NamedTuple):
    """A string, a number, true, false or null. ``quote`` is empty but for strings."""

    value: str | int | float | bool | None
    quote: str = ""


class Name(NamedTuple):
    """Where a path starts."""

    name: str


class Member(NamedTuple):
    """``base.key`` or ``base["key"]`` (``key`` is text), or ``base[expression]``."""

    base: Node
    key: Node | str
    quote: str = ""


class Not(NamedTuple):
    """``!x``, ``not x`` and ``x | not``."""

    operand: Node


class Binary(NamedTuple):
    """``sign`` as version 1 writes it."""

    sign: str
    left: Node
    right: Node


class Ternary(NamedTuple):
    """``test ? then : other``."""

    test: Node
    then: Node
    other: Node


class Filter(NamedTuple):
    """``operand | name(arguments)``."""

    operand: Node
    name: str
    arguments: tuple[Node, ...]
    offset: int


Node = Literal | Name | Member | Not | Binary | Ternary | Filter


def tokens(text: str, start: int = 0, *, braced: bool = False) -> tuple[list[Token], int]:
    """The tokens from ``start`` on, and where they end. ``braced``: they end before ``}}``, else with the text."""
    found: list[Token] = []
    at, end = start, len(text)
    while at < end:
        char = text[at]
        if char in " \t\r\n":
            at += 1
        elif braced and text.startswith("}}", at):
            found.append(Token("end", "}}", at))
            return found, at
        elif char in _NAME_START:
            stop = _run(text, at, _NAME)
            found.append(Token("name", text[at:stop], at))
            at = stop
        elif char in _DIGITS:
            stop = _run(text, at, _DIGITS)
            if text[stop : stop + 1] == "." and text[stop + 1 : stop + 2] in _DIGITS:
                stop = _run(text, stop + 1, _DIGITS)
            found.append(Token("number", text[at:stop], at))
            at = stop
        elif char in "'\"":
            value, stop = _string(text, at)
            found.append(Token("string", value, at, char))
            at = stop
        else:
            sign = text[at : at + 2] if text[at : at + 2] in _PAIRS else char
            if sign not in _PAIRS and sign not in _SINGLE:
                raise Untranslatable(f"`{sign}` has no meaning in an expression of version 1", at)
            found.append(Token(sign, sign, at))
            at += len(sign)
    if braced:
        raise Untranslatable("this `{{` is never closed", start - 2)
    found.append(Token("end", "", at))
    return found, at


def _run(text: str, at: int, allowed: frozenset[str]) -> int:
    while at < len(text) and text[at] in allowed:
        at += 1
    return at


def _string(text: str, start: int) -> tuple[str, int]:
    quote, at = text[start], start + 1
    parts: list[str] = []
    while at < len(text):
        char = text[at]
        if char == quote:
            return "".join(parts), at + 1
        if char == "\\" and at + 1 < len(text):
            at += 1
            char = _ESCAPES.get(text[at], text[at])
        parts.append(char)
        at += 1
    raise Untranslatable("this string is never closed by a quote", start)


def _higher(node: Node, limit: int) -> bool:
    """Whether the tree has more levels than ``limit``; a path's members count as one, since nothing recurses there."""
    todo: list[tuple[object, int]] = [(node, 1)]
    while todo:
        item, height = todo.pop()
        if height > limit:
            return True
        if isinstance(item, Member):
            todo += ((item.base, height), (item.key, height + 1))
        elif isinstance(item, tuple):
            todo += ((part, height + 1) for part in item)
    return False


class Parser:
    """One pass over the tokens of one expression."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0

    def parse(self) -> Node:
        """The whole expression; raises :class:`Untranslatable` where version 1 would have refused it."""
        if self._current.kind == "end":
            raise Untranslatable("the expression is empty", self._current.offset)
        node = self._ternary()
        if self._current.kind != "end":
            raise self._unexpected()
        if _higher(node, MAX_HEIGHT):
            raise Untranslatable("the expression is nested too deeply", self._tokens[0].offset)
        return node

    @property
    def _current(self) -> Token:
        return self._tokens[self._at]

    def _take(self, *kinds: str) -> Token | None:
        token = self._current
        if token.kind in kinds:
            self._at += 1
            return token
        return None

    def _expect(self, kind: str) -> Token:
        token = self._take(kind)
        if token is None:
            raise self._unexpected()
        return token

    def _unexpected(self) -> Untranslatable:
        token = self._current
        if token.kind == "end":
            return Untranslatable("the expression ends too early", token.offset)
        return Untranslatable(f"`{token.value}` isn't expected here", token.offset)

    def _ternary(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Untranslatable("the expression is nested too deeply", self._current.offset)
        node = self._pipe()
        if self._take("?"):
            then = self._ternary()
            self._expect(":")
            node = Ternary(node, then, self._ternary())
        self._depth -= 1
        return node

    def _pipe(self) -> Node:
        node = self._either()
        while self._take("|"):
            name = self._expect("name")
            arguments: list[Node] = []
            if self._take("(") and not self._take(")"):
                arguments.append(self._ternary())
                while self._take(","):
                    arguments.append(self._ternary())
                self._expect(")")
            node = Filter(node, name.value, tuple(arguments), name.offset)
        return node

    def _either(self) -> Node:
        node = self._both()
        while self._take("||"):
            node = Binary("||", node, self._both())
        return node

    def _both(self) -> Node:
        node = self._equality()
        while self._take("&&"):
            node = Binary("&&", node, self._equality())
        return node

    def _equality(self) -> Node:
        node = self._order()
        while sign := self._take("==", "!="):
            node = Binary(sign.kind, node, self._order())
        return node

    def _order(self) -> Node:
        node = self._unary()
        while sign := self._take("<", ">", "<=", ">="):
            node = Binary(sign.kind, node, self._unary())
        return node

    def _unary(self) -> Node:
        signs = 0
        while self._current.kind == "!" or (self._current.kind == "name" and self._current.value == "not"):
            self._at += 1
            signs += 1
        node = self._postfix()
        for _ in range(signs if signs < 3 else 1 + (signs - 1) % 2):
            node = Not(node)
        return node

    def _postfix(self) -> Node:
        node = self._primary()
        while True:
            if self._take("."):
                node = Member(node, self._expect("name").value)
            elif self._take("["):
                key = self._ternary()
                self._expect("]")
                if isinstance(key, Literal) and isinstance(key.value, str):
                    node = Member(node, key.value, key.quote)
                else:
                    node = Member(node, key)
            else:
                return node

    def _primary(self) -> Node:
        if token := self._take("string"):
            return Literal(token.value, token.quote)
        if token := self._take("number"):
            return Literal(float(token.value) if "." in token.value else int(token.value))
        if token := self._take("name"):
            words = {"true": True, "false": False, "null": None}
            return Literal(words[token.value]) if token.value in words else Name(token.value)
        if self._take("("):
            node = self._ternary()
            self._expect(")")
            return node
        raise self._unexpected()
