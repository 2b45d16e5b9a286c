"""The filters of templates, all of them: each takes (frame, value, arguments) of JSON data and gives JSON data.

They do what Jinja2's of the same name do, except that mappings are walked in the order of their keys (how a document
was written or stored must not show in what it renders to), and that a list isn't silently taken as a text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from reconciler.base.canonical import dumps
from reconciler.render import filters_time as times
from reconciler.render import filters_v1 as v1
from reconciler.render.bounds import MAX_TEXT, MAX_WORK, Frame, few, json_text, kind, number, short, text, weigh
from reconciler.render.faults import Refused

_WORD = re.compile(r"[^-\s({\[<]+")


class Filter(NamedTuple):
    """``missing``: a missing value is a fault (strict), null (lenient), handed in (soft). ``clock``: reads it."""

    call: Callable[..., Any]
    missing: Literal["strict", "lenient", "soft"] = "strict"
    clock: bool = False


def plain(frame: Frame, value: Any) -> str:
    """The text of a text, number, yes or no, or null; :class:`Refused` for lists and mappings."""
    if isinstance(value, (list, dict)):
        raise Refused(
            "template-value", f"the filter works on text, and this is {kind(value)}", hint="`| tojson` or `| join`"
        )
    result = short(text(value))
    frame.charge(1 + len(result) // 16)
    return result


def items_of(frame: Frame, value: Any) -> list[Any]:
    """The items of a list, the keys of a mapping in order, the characters of a text."""
    if isinstance(value, dict):
        value = sorted(value)
    elif isinstance(value, str):
        value = list(short(value))
        frame.charge(1 + len(value))
        return list(value)
    elif not isinstance(value, list):
        raise Refused("template-value", f"the filter works on lists, and this is {kind(value)}")
    frame.charge(1 + len(value))
    return few(value)


def _whole(value: Any, name: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Refused("template-value", f"the argument `{name}` must be a whole number between {low} and {high}")
    return value


def _numeric(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused("template-value", f"the filter works on numbers, and this is {kind(value)}")
    return number(value)


def _default(frame: Frame, value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    return default_value if boolean and not value else value


def _upper(frame: Frame, value: Any) -> str:
    return plain(frame, value).upper()


def _lower(frame: Frame, value: Any) -> str:
    return plain(frame, value).lower()


def _capitalize(frame: Frame, value: Any) -> str:
    return plain(frame, value).capitalize()


def _title(frame: Frame, value: Any) -> str:
    return _WORD.sub(lambda word: word.group()[0].upper() + word.group()[1:].lower(), plain(frame, value))


def _trim(frame: Frame, value: Any, chars: str | None = None) -> str:
    return plain(frame, value).strip(None if chars is None else plain(frame, chars)[:100])


def _truncate(
    frame: Frame, value: Any, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5
) -> str:
    subject, ending = plain(frame, value), plain(frame, end)
    length = _whole(length, "length", len(ending), MAX_TEXT)
    if len(subject) <= length + _whole(leeway, "leeway", 0, MAX_TEXT):
        return subject
    cut = subject[: length - len(ending)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + ending


def _length(frame: Frame, value: Any) -> int:
    if isinstance(value, (str, list, dict)):
        return len(value)
    raise Refused("template-value", f"{kind(value)} has no length")


def _replace(frame: Frame, value: Any, old: Any, new: Any, count: int | None = None) -> str:
    subject, before, after = plain(frame, value), plain(frame, old), plain(frame, new)
    times = subject.count(before)
    if count is not None:
        times = min(times, _whole(count, "count", 0, MAX_TEXT))
    if len(subject) + times * (len(after) - len(before)) > MAX_TEXT:
        raise Refused("template-limit", f"the text grows beyond the {MAX_TEXT} characters a template handles")
    return subject.replace(before, after, times)


def _join(frame: Frame, value: Any, d: Any = "") -> str:
    return v1.joined(frame, items_of(frame, value), plain(frame, d))


def _split(frame: Frame, value: Any, sep: Any = None, maxsplit: int = -1) -> list[str]:
    subject, times = plain(frame, value), _whole(maxsplit, "maxsplit", -1, MAX_TEXT)
    separator = None if sep is None else plain(frame, sep)
    if separator == "":
        raise Refused("template-value", "a text can't be split at nothing")
    if separator is not None and subject.count(separator) >= MAX_TEXT // 4:
        raise Refused("template-limit", "the text is split into more items than a template handles")
    return few(subject.split(separator, times))


def _first(frame: Frame, value: Any) -> Any:
    return _at(frame, value, 0)


def _last(frame: Frame, value: Any) -> Any:
    return _at(frame, value, -1)


def _at(frame: Frame, value: Any, index: int) -> Any:
    found = value if isinstance(value, (str, list)) else items_of(frame, value)
    if not found:
        raise Refused("template-value", f"{kind(value)} is empty and has no first or last item")
    return found[index]


def _int(frame: Frame, value: Any, default: Any = 0) -> Any:
    try:
        if isinstance(value, str) and len(value) <= 100:
            try:
                return number(int(value))
            except ValueError:
                value = float(value)
        return number(int(value)) if isinstance(value, (int, float)) else default
    except (ValueError, OverflowError):
        return default


def _float(frame: Frame, value: Any, default: Any = 0.0) -> Any:
    if isinstance(value, (int, float)) or (isinstance(value, str) and len(value) <= 100):
        try:
            return number(float(value))
        except (ValueError, OverflowError):
            return default
    return default


def _string(frame: Frame, value: Any) -> str:
    result = text(value)
    frame.charge(1 + len(result) // 16)
    return short(result)


def _abs(frame: Frame, value: Any) -> float:
    return number(abs(_numeric(value)))


def _round(frame: Frame, value: Any, precision: int = 0, method: str = "common") -> float:
    subject, places = _numeric(value), _whole(precision, "precision", -18, 18)
    if method == "common":
        return number(round(subject, places))
    if method not in ("ceil", "floor"):
        raise Refused("template-value", "the argument `method` is one of: common, ceil, floor")
    import math

    return number(getattr(math, method)(subject * 10**places) / 10**places)


def _ordering(items: list[Any], case_sensitive: Any) -> Callable[[Any], Any]:
    if all(isinstance(item, str) for item in items):
        return (lambda item: item) if case_sensitive else (lambda item: item.lower())
    for item in items:
        _numeric(item)
    return lambda item: item


def _sort(frame: Frame, value: Any, reverse: bool = False, case_sensitive: bool = False) -> list[Any]:
    items = items_of(frame, value)
    frame.charge(4 * len(items) + weigh(items, MAX_WORK) // 4)
    return sorted(items, key=_ordering(items, case_sensitive), reverse=bool(reverse))


def _unique(frame: Frame, value: Any, case_sensitive: bool = False) -> list[Any]:
    items = items_of(frame, value)
    seen: dict[str | bytes, Any] = {}
    frame.charge(weigh(items, MAX_WORK))
    for item in items:
        folded = item.lower() if isinstance(item, str) and not case_sensitive else item
        seen.setdefault(folded if isinstance(folded, str) else dumps(folded), item)
    return list(seen.values())


def _min(frame: Frame, value: Any, case_sensitive: bool = False) -> Any:
    items = items_of(frame, value)
    frame.charge(weigh(items, MAX_WORK) // 4)
    if not items:
        raise Refused("template-value", "an empty list has no smallest item")
    return min(items, key=_ordering(items, case_sensitive))


def _max(frame: Frame, value: Any, case_sensitive: bool = False) -> Any:
    items = items_of(frame, value)
    frame.charge(weigh(items, MAX_WORK) // 4)
    if not items:
        raise Refused("template-value", "an empty list has no greatest item")
    return max(items, key=_ordering(items, case_sensitive))


def _sum(frame: Frame, value: Any, start: Any = 0) -> float:
    return number(sum((_numeric(item) for item in items_of(frame, value)), _numeric(start)))


def _reverse(frame: Frame, value: Any) -> Any:
    return plain(frame, value)[::-1] if isinstance(value, str) else items_of(frame, value)[::-1]


def _urlencode(frame: Frame, value: Any) -> str:
    if isinstance(value, dict):
        keys = items_of(frame, value)
        return short("&".join(f"{_quoted(key)}={_quoted(plain(frame, value[key]))}" for key in keys))
    return short(quote(plain(frame, value), safe="/", errors="replace"))


def _quoted(value: str) -> str:
    return quote(short(value), safe="", errors="replace").replace("%20", "+")


def _tojson(frame: Frame, value: Any) -> str:
    result = json_text(value)
    frame.charge(1 + len(result) // 4)
    return short(result)


def _b64encode(frame: Frame, value: Any) -> str:
    return base64.b64encode(plain(frame, value).encode("utf-8", "replace")).decode()


def _b64decode(frame: Frame, value: Any) -> str:
    try:
        return base64.b64decode(plain(frame, value), validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refused("template-value", "the text is no base64 of a text") from None


def _indent(frame: Frame, value: Any, width: int = 4, first: bool = False, blank: bool = False) -> str:
    lines, margin = plain(frame, value).split("\n"), " " * _whole(width, "width", 0, 80)
    if len(lines) * len(margin) > MAX_TEXT:
        raise Refused("template-limit", f"the text grows beyond the {MAX_TEXT} characters a template handles")
    rest = [margin + line if line or blank else line for line in lines[1:]]
    return "\n".join([(margin if first else "") + lines[0], *rest])


def _items(frame: Frame, value: Any) -> list[Any]:
    if not isinstance(value, dict):
        raise Refused("template-value", f"the filter works on mappings, and this is {kind(value)}")
    return [[key, value[key]] for key in items_of(frame, value)]


FILTERS: dict[str, Filter] = {
    "default": Filter(_default, "soft"),
    "d": Filter(_default, "soft"),
    "upper": Filter(_upper),
    "lower": Filter(_lower),
    "capitalize": Filter(_capitalize),
    "title": Filter(_title),
    "trim": Filter(_trim),
    "truncate": Filter(_truncate),
    "length": Filter(_length),
    "count": Filter(_length),
    "replace": Filter(_replace),
    "join": Filter(_join),
    "split": Filter(_split),
    "first": Filter(_first),
    "last": Filter(_last),
    "int": Filter(_int),
    "float": Filter(_float),
    "string": Filter(_string),
    "abs": Filter(_abs),
    "round": Filter(_round),
    "sort": Filter(_sort),
    "unique": Filter(_unique),
    "min": Filter(_min),
    "max": Filter(_max),
    "sum": Filter(_sum),
    "reverse": Filter(_reverse),
    "urlencode": Filter(_urlencode),
    "tojson": Filter(_tojson),
    "json": Filter(_tojson),
    "b64encode": Filter(_b64encode),
    "b64decode": Filter(_b64decode),
    "indent": Filter(_indent),
    "items": Filter(_items),
    **{name: Filter(call, "lenient") for name, call in (v1.FILTERS | times.FILTERS).items()},
    **{name: Filter(call, "lenient", clock=True) for name, call in times.CLOCKED.items()},
}
