"""JSONPath (RFC 9535, names, indexes, slices, wildcards and descent) with bounded work.

Paths are from pull requests and documents from the network, so that ``$..*..*..*`` over a megabyte has to end soon.
Filters are refused: they are a language of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from jsonpath_rfc9535 import compile as parse
from jsonpath_rfc9535.segments import JSONPathRecursiveDescentSegment
from jsonpath_rfc9535.selectors import IndexSelector, NameSelector, SliceSelector

from reconciler.execute.convert import MISSING
from reconciler.kinds.assertions import json_path_fault

LOOKS = 100_000
"""Values that one path may look at: some ten milliseconds."""


class TooMuch(Exception):
    """The path looks at more than :data:`LOOKS` values."""


class _Step(NamedTuple):
    descend: bool
    selectors: tuple[str | int | slice | None, ...]  # None is the wildcard


class Path:
    """One compiled path."""

    def __init__(self, text: str) -> None:
        """Raises ``ValueError`` with a sentence for what is no path, or holds a filter."""
        fault = json_path_fault(text)
        if fault is not None:
            raise ValueError(fault)
        self._steps = tuple(_step(segment) for segment in parse(text).segments)
        self._keys = _keys(self._steps)
        self._length = self._keys is not None and self._keys[-1:] == ("length",)

    def find(self, document: Any) -> Any:
        """The value of a path that leads to one place, ``MISSING`` where it isn't; a list where it may lead to many.

        A path to one place that ends with ``.length`` counts the items of a list or the characters of a text, where no
        key has that name. Raises :class:`TooMuch`.
        """
        found = self._find(self._steps, self._keys, document)
        if found is MISSING and self._keys is not None and self._length:
            held = self._find((), self._keys[:-1], document)
            if isinstance(held, list | str):
                return len(held)
        return found

    def _find(self, steps: tuple[_Step, ...], keys: tuple[str | int, ...] | None, document: Any) -> Any:
        if keys is None:
            found = _walk(steps, document)
            return found if found else MISSING
        for key in keys:
            if isinstance(key, str):
                if not isinstance(document, dict) or key not in document:
                    return MISSING
            elif not isinstance(document, list) or not -len(document) <= key < len(document):
                return MISSING
            document = document[key]
        return document


@lru_cache(8192)
def compiled(text: str) -> Path:
    """The path of ``text``; raises ``ValueError``."""
    return Path(text)


def _step(segment: Any) -> _Step:
    selectors: list[str | int | slice | None] = []
    for selector in segment.selectors:
        if isinstance(selector, NameSelector):
            selectors.append(selector.name)
        elif isinstance(selector, IndexSelector):
            selectors.append(selector.index)
        elif isinstance(selector, SliceSelector):
            selectors.append(selector.slice)
        else:
            selectors.append(None)
    return _Step(isinstance(segment, JSONPathRecursiveDescentSegment), tuple(selectors))


def _keys(steps: tuple[_Step, ...]) -> tuple[str | int, ...] | None:
    """The keys of a path that leads to one place; None for any other."""
    keys: list[str | int] = []
    for step in steps:
        only = step.selectors[0]
        if step.descend or len(step.selectors) != 1 or not isinstance(only, str | int):
            return None
        keys.append(only)
    return tuple(keys)


def _walk(steps: tuple[_Step, ...], document: Any) -> list[Any]:
    left = LOOKS

    def look() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise TooMuch

    nodes = [document]
    for step in steps:
        following: list[Any] = []
        for node in nodes:
            for place in _descendants(node, look) if step.descend else (node,):
                for selector in step.selectors:
                    for value in _select(selector, place):
                        look()
                        following.append(value)
        nodes = following
    return nodes


def _descendants(node: Any, look: Callable[[], None]) -> Iterator[Any]:
    """The node and all below it, parents first, in the document's order."""
    waiting = [node]
    while waiting:
        place = waiting.pop()
        look()
        yield place
        if isinstance(place, dict | list):
            waiting += reversed(place.values() if isinstance(place, dict) else place)


def _select(selector: str | int | slice | None, place: Any) -> Iterator[Any]:
    if isinstance(place, dict):
        if selector is None:
            yield from place.values()
        elif isinstance(selector, str) and selector in place:
            yield place[selector]
    elif isinstance(place, list):
        if selector is None:
            yield from place
        elif isinstance(selector, int) and -len(place) <= selector < len(place):
            yield place[selector]
        elif isinstance(selector, slice) and selector.step != 0:
            yield from place[selector]
