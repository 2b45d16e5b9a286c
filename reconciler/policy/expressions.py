"""Expressions of the Common Expression Language, compiled once and held against many subjects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, NamedTuple

LIBRARY = "cel"
RESOURCE_NAMES = ("resource", "kind", "metadata", "spec")
SLICE_NAMES = ("slice", "metadata", "spec", "system", "check", "environment", "assignment")
EACH_NAMES = ("item", "key")
_FUNCTIONS = {
    *("size", "has", "contains", "startsWith", "endsWith", "matches", "string", "int", "uint", "double", "bytes"),
    *("duration", "timestamp", "type", "max", "min", "all", "exists", "exists_one", "map", "filter", "optional"),
    *("getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate", "getDayOfWeek", "getHours"),
    *("getMinutes", "getSeconds", "getMilliseconds"),
}
_TYPES = {"int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type", "type"}
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_AT = re.compile(r"<input>:(\d+):(\d+):\s*([^\n]*)")


class Wrong(Exception):
    """An expression that can't be compiled or judged: a sentence, a hint, and where in the expression."""

    def __init__(self, message: str, hint: str | None = None, offset: int | None = None) -> None:
        super().__init__(message)
        self.message, self.hint, self.offset = message, hint, offset


class Expression(NamedTuple):
    """Compiled."""

    program: Any
    names: frozenset[str]
    """What of the names there are it reads: the rest needn't be converted for it."""

    def holds(self, context: Any) -> bool:
        """True or false. Raises :class:`Wrong` for anything else."""
        try:
            value = self.program.execute(context)
        except KeyError as error:
            name = error.args[0] if error.args else "?"
            raise Wrong(f"there is no {name}", f"ask first: has(...{name}), or '{name}' in ...") from None
        except MemoryError:
            raise
        except Exception as error:
            raise Wrong(_first_sentence(str(error))) from None
        if not isinstance(value, bool):
            raise Wrong(f"it comes to {_sort(value)}, and has to be true or false")
        return value


@cache
def _library() -> Any:
    """The extension alone: its package would bring a shell along, which takes ten times as long to load."""
    package = find_spec(LIBRARY)
    spec = PathFinder.find_spec(f"{LIBRARY}.{LIBRARY}", package.submodule_search_locations if package else None)
    if spec is None or spec.loader is None:
        return __import__(LIBRARY)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compile_expression(text: str, names: tuple[str, ...]) -> Expression:
    """Raises :class:`Wrong` for what doesn't parse, and for names that will never be there."""
    try:
        program = _library().compile(text)
        used = program.references()
    except ValueError as error:
        raise _syntax(text, str(error)) from None
    bound = set(_BOUND.findall(text))
    for name in used["variables"]:
        if name not in names and name not in bound and name not in _TYPES:
            near = get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            raise Wrong(f"nothing is called {name} here", hint, _where(text, name))
    for name in used["functions"]:
        if name.isidentifier() and not name.startswith("_") and name not in _FUNCTIONS:
            near = get_close_matches(name, _FUNCTIONS, 1)
            raise Wrong(
                f"there is no function {name}", f"did you mean {near[0]}?" if near else None, _where(text, name)
            )
    return Expression(program, frozenset(used["variables"]) & frozenset(names))


def context(values: Mapping[str, Any]) -> Any:
    """Values converted for the library, which costs more than most expressions do."""
    return _library().Context(variables=dict(values))


def _syntax(text: str, told: str) -> Wrong:
    found = _AT.search(told)
    if found is None:
        return Wrong("it isn't an expression of CEL")
    line, column, why = int(found[1]), int(found[2]), found[3]
    offset = sum(len(one) + 1 for one in text.split("\n")[: line - 1]) + column - 1
    why = why.removeprefix("Syntax error: ")
    why = why if len(why) < 80 else why.partition(" expecting")[0]
    return Wrong(f"it isn't an expression of CEL: {why}", offset=min(offset, max(0, len(text) - 1)))


def _where(text: str, name: str) -> int | None:
    found = re.search(rf"(?<![\w.]){re.escape(name)}\b", text) or re.search(rf"\b{re.escape(name)}\b", text)
    return found.start() if found else None


def _first_sentence(text: str) -> str:
    line = text.strip().split("\n")[0].partition(". ")[0].rstrip(".")
    line = line[:1].lower() + line[1:]
    return line if len(line) <= 160 else f"{line[:160]}…"


def _sort(value: Any) -> str:
    if value is None:
        return "null"
    words = {int: "a number", float: "a number", str: "a text", list: "a list", dict: "a map"}
    return words.get(type(value), "something else")
