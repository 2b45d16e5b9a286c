"""The expressions of version 1 evaluated as its reference tells it, independently of the code that translates them.

A recursive descent that computes while it reads: no tree, no tokens shared with the migration. Slow and small.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    r"""|(?P<name>[A-Za-z_$][\w$]*)|(?P<sign>==|!=|<=|>=|&&|\|\||[?:|<>!.\[\](),]))"""
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def stringify(value: Any) -> str:
    """How version 1 wrote a value into a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def equal(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is None and right is None
    kinds = [
        "bool" if isinstance(v, bool) else "number" if isinstance(v, (int, float)) else type(v).__name__
        for v in (left, right)
    ]
    return bool(left == right) if kinds[0] == kinds[1] else stringify(left) == stringify(right)


def number(value: Any) -> float:
    if value is None:
        return 0
    if isinstance(value, (bool, int, float)):
        return float(value)
    if not isinstance(value, str):
        return math.nan
    try:
        return float(value) if value.strip() else 0
    except ValueError:
        return math.nan


def ordered(sign: str, left: Any, right: Any) -> bool:
    one: Any = number(left)
    two: Any = number(right)
    if not (math.isfinite(one) and math.isfinite(two)):
        one, two = stringify(left), stringify(right)
    return bool({"<": one < two, "<=": one <= two, ">": one > two, ">=": one >= two}[sign])


FILTERS: dict[str, Callable[..., Any]] = {
    "default": lambda v, d=None: d if v is None or v == "" else v,
    "upper": lambda v: v.upper() if isinstance(v, str) else v,
    "lower": lambda v: v.lower() if isinstance(v, str) else v,
    "capitalize": lambda v: v[:1].upper() + v[1:] if isinstance(v, str) else v,
    "trim": lambda v: v.strip() if isinstance(v, str) else v,
    "truncate": lambda v, n: v[:n] + "…" if isinstance(v, str) and len(v) > n else v,
    "length": lambda v: len(v) if isinstance(v, (str, list, dict)) else 0,
    "json": lambda v: json.dumps(v, separators=(",", ":"), sort_keys=True, ensure_ascii=False),
    "join": lambda v, sep=", ": sep.join(map(stringify, v)) if isinstance(v, list) else v,
    "replace": lambda v, a, b: v.replace(a, b) if isinstance(v, str) else v,
    "not": lambda v: not v,
    "minutes": lambda v: v * 60_000 if isinstance(v, (int, float)) and not isinstance(v, bool) else 0,
    "hours": lambda v: v * 3_600_000 if isinstance(v, (int, float)) and not isinstance(v, bool) else 0,
}


class V1:
    """``V1(source, context).value``."""

    def __init__(self, source: str, context: dict[str, Any]) -> None:
        self._rest: list[tuple[str, str]] = []
        at = 0
        while source[at:].strip():
            match = _TOKEN.match(source, at)
            assert match is not None, source[at:]
            self._rest.append((str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()
        self._context = context
        self.value = self._ternary()
        assert not self._rest, self._rest

    def _sign(self, *signs: str) -> str | None:
        if self._rest and self._rest[0][0] == "sign" and self._rest[0][1] in signs:
            return self._rest.pop(0)[1]
        return None

    def _ternary(self) -> Any:
        value = self._pipe()
        if self._sign("?"):
            then = self._ternary()
            assert self._sign(":")
            other = self._ternary()
            return then if value else other
        return value

    def _pipe(self) -> Any:
        value = self._either()
        while self._sign("|"):
            name = self._rest.pop(0)[1]
            arguments = []
            if self._sign("("):
                while not self._sign(")"):
                    arguments.append(self._ternary())
                    self._sign(",")
            value = FILTERS[name](value, *arguments)
        return value

    def _either(self) -> Any:
        value = self._both()
        while self._sign("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._equality()
        while self._sign("&&"):
            other = self._equality()
            value = value and other
        return value

    def _equality(self) -> Any:
        value = self._order()
        while sign := self._sign("==", "!="):
            value = equal(value, self._order()) == (sign == "==")
        return value

    def _order(self) -> Any:
        value = self._unary()
        while sign := self._sign("<", "<=", ">", ">="):
            value = ordered(sign, value, self._unary())
        return value

    def _unary(self) -> Any:
        if self._sign("!") or (self._rest[0] == ("name", "not") and self._rest.pop(0)):
            return not self._unary()
        return self._postfix()

    def _postfix(self) -> Any:
        value = self._primary()
        while sign := self._sign(".", "["):
            key = self._rest.pop(0)[1] if sign == "." else self._ternary()
            if sign == "[":
                assert self._sign("]")
            if isinstance(value, list) and isinstance(key, int) and not isinstance(key, bool):
                value = value[key] if key < len(value) else None
            else:
                value = value.get(key) if isinstance(value, dict) and isinstance(key, str) else None
        return value

    def _primary(self) -> Any:
        if self._sign("("):
            value = self._ternary()
            assert self._sign(")")
            return value
        kind, text = self._rest.pop(0)
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "string":
            return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text[1:-1], flags=re.DOTALL)
        assert kind == "name", text
        return {"true": True, "false": False, "null": None}.get(text, self._context.get(text))
