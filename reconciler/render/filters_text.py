"""Filters that take or make text."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from reconciler.render.bounds import MAX_TEXT, Frame, few, json_text, short, text
from reconciler.render.faults import Refused
from reconciler.render.filters_v1 import joined
from reconciler.render.subjects import items_of, plain, whole

_WORD = re.compile(r"[^-\s({\[<]+")


def _upper(frame: Frame, value: Any) -> str:
    return plain(frame, value).upper()


def _lower(frame: Frame, value: Any) -> str:
    return plain(frame, value).lower()


def _capitalize(frame: Frame, value: Any) -> str:
    return plain(frame, value).capitalize()


def _title(frame: Frame, value: Any) -> str:
    subject = plain(frame, value)
    frame.charge(len(subject))
    return _WORD.sub(lambda word: word.group()[0].upper() + word.group()[1:].lower(), subject)


def _trim(frame: Frame, value: Any, chars: str | None = None) -> str:
    return plain(frame, value).strip(None if chars is None else plain(frame, chars)[:20])


def _truncate(
    frame: Frame, value: Any, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5
) -> str:
    subject, ending = plain(frame, value), plain(frame, end)
    length = whole(length, "length", len(ending), MAX_TEXT)
    if len(subject) <= length + whole(leeway, "leeway", 0, MAX_TEXT):
        return subject
    cut = subject[: length - len(ending)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + ending


def _replace(frame: Frame, value: Any, old: Any, new: Any, count: int | None = None) -> str:
    subject, before, after = plain(frame, value), plain(frame, old), plain(frame, new)
    times = subject.count(before)
    if count is not None:
        times = min(times, whole(count, "count", 0, MAX_TEXT))
    if len(subject) + times * (len(after) - len(before)) > MAX_TEXT:
        raise Refused("template-limit", f"the text grows beyond the {MAX_TEXT} characters a template handles")
    return subject.replace(before, after, times)


def _join(frame: Frame, value: Any, d: Any = "") -> str:
    return joined(frame, items_of(frame, value), plain(frame, d))


def _split(frame: Frame, value: Any, sep: Any = None, maxsplit: int = -1) -> list[str]:
    subject, times = plain(frame, value), whole(maxsplit, "maxsplit", -1, MAX_TEXT)
    separator = None if sep is None else plain(frame, sep)
    if separator == "":
        raise Refused("template-value", "a text can't be split at nothing")
    if separator is not None and subject.count(separator) >= MAX_TEXT // 4:
        raise Refused("template-limit", "the text is split into more items than a template handles")
    parts = few(subject.split(separator, times))
    frame.charge(len(parts))
    return parts


def _string(frame: Frame, value: Any) -> str:
    return short(text(frame, value))


def _urlencode(frame: Frame, value: Any) -> str:
    if isinstance(value, dict):
        keys = items_of(frame, value)
        return short("&".join(f"{_quoted(key)}={_quoted(plain(frame, value[key]))}" for key in keys))
    subject = plain(frame, value)
    frame.charge(len(subject) // 2)
    return short(quote(subject, safe="/", errors="replace"))


def _quoted(value: str) -> str:
    return quote(short(value), safe="", errors="replace").replace("%20", "+")


def _tojson(frame: Frame, value: Any) -> str:
    return json_text(frame, value)


def _b64encode(frame: Frame, value: Any) -> str:
    return base64.b64encode(plain(frame, value).encode("utf-8", "replace")).decode()


def _b64decode(frame: Frame, value: Any) -> str:
    try:
        return base64.b64decode(plain(frame, value), validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refused("template-value", "the text is no base64 of a text") from None


def _indent(frame: Frame, value: Any, width: int = 4, first: bool = False, blank: bool = False) -> str:
    lines, margin = plain(frame, value).split("\n"), " " * whole(width, "width", 0, 80)
    if len(lines) * len(margin) > MAX_TEXT:
        raise Refused("template-limit", f"the text grows beyond the {MAX_TEXT} characters a template handles")
    rest = [margin + line if line or blank else line for line in lines[1:]]
    return "\n".join([(margin if first else "") + lines[0], *rest])


FILTERS: dict[str, Callable[..., Any]] = {
    "upper": _upper,
    "lower": _lower,
    "capitalize": _capitalize,
    "title": _title,
    "trim": _trim,
    "truncate": _truncate,
    "replace": _replace,
    "join": _join,
    "split": _split,
    "string": _string,
    "urlencode": _urlencode,
    "tojson": _tojson,
    "b64encode": _b64encode,
    "b64decode": _b64decode,
    "indent": _indent,
    "json": _tojson,
}
