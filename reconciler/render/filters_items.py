"""Filters that take lists and mappings. Mappings are walked in the order of their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.render.bounds import Frame, json_text, kind, number
from reconciler.render.faults import Refused
from reconciler.render.missing import Missing
from reconciler.render.subjects import items_of, numeric, plain


def _length(frame: Frame, value: Any) -> int:
    if isinstance(value, (str, list, dict)):
        return len(value)
    raise Refused("template-value", f"{kind(value)} has no length")


def _first(frame: Frame, value: Any) -> Any:
    found = value if isinstance(value, (str, list)) else items_of(frame, value)
    return found[0] if found else _nothing("first")


def _last(frame: Frame, value: Any) -> Any:
    found = value if isinstance(value, (str, list)) else items_of(frame, value)
    return found[-1] if found else _nothing("last")


def _nothing(name: str) -> Missing:
    """What an empty list has to offer, so that ``| default`` works behind it as in Jinja2."""
    return Missing("value", f" | {name}", 0, [], offset=0)


def _ordering(items: list[Any], case_sensitive: Any) -> Callable[[Any], Any]:
    if all(isinstance(item, str) for item in items):
        return (lambda item: item) if case_sensitive else (lambda item: item.lower())
    for item in items:
        numeric(item)
    return lambda item: item


def _sort(frame: Frame, value: Any, reverse: bool = False, case_sensitive: bool = False) -> list[Any]:
    items = items_of(frame, value)
    frame.charge(4 * len(items))
    frame.charge_for(items, share=4)
    return sorted(items, key=_ordering(items, case_sensitive), reverse=bool(reverse))


def _unique(frame: Frame, value: Any, case_sensitive: bool = False) -> list[Any]:
    items = items_of(frame, value)
    seen: dict[tuple[bool, str], Any] = {}
    frame.charge_for(items)
    for item in items:
        if isinstance(item, str):
            seen.setdefault((True, item if case_sensitive else item.lower()), item)
        else:
            seen.setdefault((False, json_text(frame, item)), item)
    return list(seen.values())


def _min(frame: Frame, value: Any, case_sensitive: bool = False) -> Any:
    items = items_of(frame, value)
    frame.charge_for(items, share=4)
    if not items:
        return _nothing("min")
    return min(items, key=_ordering(items, case_sensitive))


def _max(frame: Frame, value: Any, case_sensitive: bool = False) -> Any:
    items = items_of(frame, value)
    frame.charge_for(items, share=4)
    if not items:
        return _nothing("max")
    return max(items, key=_ordering(items, case_sensitive))


def _sum(frame: Frame, value: Any) -> float:
    return number(sum(numeric(item) for item in items_of(frame, value)))


def _reverse(frame: Frame, value: Any) -> Any:
    return plain(frame, value)[::-1] if isinstance(value, str) else items_of(frame, value)[::-1]


def _items(frame: Frame, value: Any) -> list[Any]:
    if not isinstance(value, dict):
        raise Refused("template-value", f"the filter works on mappings, and this is {kind(value)}")
    return [[key, value[key]] for key in items_of(frame, value)]


FILTERS: dict[str, Callable[..., Any]] = {
    "length": _length,
    "count": _length,
    "first": _first,
    "last": _last,
    "sort": _sort,
    "unique": _unique,
    "min": _min,
    "max": _max,
    "sum": _sum,
    "reverse": _reverse,
    "items": _items,
}
