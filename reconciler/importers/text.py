"""Documents as text, laid out as a person lays them out: short maps on a line, long ones not, comments where they were.

Written for these documents alone, so that the same documents always give the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.importers.probe import Remark

WIDTH = 110
"""Columns within which a map may stay on its line."""

_PLAIN = re.compile(r"(?:[^\W\d_]|[0-9./$_])[\w ./$@+:%?=~*'()#!;^&<>-]*\Z")
_NUMBERLIKE = re.compile(r"[-+.0-9][-+0-9.eExXoOa-fA-F_:TZ ]*\Z")
_FINE = re.compile(r"[0-9]+(?:ms|s|m|h|d)\Z|[0-9]{1,3}(?:\.[0-9]{1,3}){3}\Z")
_SECRET = re.compile(r"\$\{\{ secrets\.[A-Za-z0-9_-]+ \}\}\Z")
_WORDS = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n", "~", ".inf", ".nan", "-.inf"))
_INLINE = frozenset({"metadata", "strategy", "thresholds", "config", "labels", "valueFrom", "headers", "assertions"})
"""Maps below these keys may stand on one line."""
_ONE_LINE = {"config": 3, "metadata": 2}
"""How many keys they may have there; the others any number."""


def written(documents: Iterable[Mapping[Any, Any]]) -> str:
    """The text of one file."""
    return "---\n".join("".join(f"{line}\n" for line in _document(document)) for document in documents)


def _document(document: Mapping[Any, Any]) -> Iterator[str]:
    yield from _comment(document.get(Remark()), "")
    for key, value in _items(document):
        yield from _entry(key, value, "", document.get(Remark(key)))


def _items(value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, item) for key, item in value.items() if not isinstance(key, Remark))


def _comment(text: str | None, indent: str) -> Iterator[str]:
    for line in (text or "").splitlines():
        yield f"{indent}# {_printable(line)}".rstrip()


def _entry(key: str, value: Any, indent: str, remark: str | None) -> Iterator[str]:
    name = _scalar(key, flow=False)
    beside = f" # {_printable(' '.join(remark.split()))}" if remark else ""
    if isinstance(value, str) and (block := _block(value)) is not None:
        mark, lines = block
        yield f"{indent}{name}: {mark}{beside}"
        yield from (f"{indent}  {line}" if line else "" for line in lines)
        return
    if isinstance(value, dict) and not _flows(value, key, indent, len(name) + 2):
        yield f"{indent}{name}:{beside}"
        yield from _comment(value.get(Remark()), f"{indent}  ")
        for inner, item in _items(value):
            yield from _entry(inner, item, f"{indent}  ", value.get(Remark(inner)))
        return
    if isinstance(value, list) and not _short(value, indent, len(name) + 2):
        yield f"{indent}{name}:{beside}"
        for item in value:
            yield from _item(item, key, f"{indent}  ")
        return
    yield f"{indent}{name}: {_flow(value, top=True)}{beside}"


def _item(value: Any, key: str, indent: str) -> Iterator[str]:
    """One item of a list that stands below ``key``."""
    if not isinstance(value, dict) or not value:
        yield f"{indent}- {_flow(value, top=not isinstance(value, list))}"
        return
    yield from _comment(value.get(Remark()), indent)
    bare = {name: item for name, item in value.items() if name != Remark()}
    beside = next((text for name, text in bare.items() if isinstance(name, Remark)), None)
    kept = {name: item for name, item in bare.items() if not isinstance(name, Remark)}
    if key in _INLINE and sum(isinstance(name, Remark) for name in bare) < 2 and _flows(kept, key, indent, 2):
        yield f"{indent}- {_flow(kept)}" + (f" # {_printable(' '.join(beside.split()))}" if beside else "")
        return
    for number, (name, item) in enumerate(_items(value)):
        for line, text in enumerate(_entry(name, item, f"{indent}  ", value.get(Remark(name)))):
            yield f"{indent}- {text[len(indent) + 2 :]}" if number == 0 and line == 0 else text


def _flows(value: Mapping[Any, Any], key: str, indent: str, taken: int) -> bool:
    """Whether the map below ``key`` stands on one line."""
    if not value:
        return True
    if key not in _INLINE or len(value) > _ONE_LINE.get(key, 99) or (key == "config" and "url" in value):
        return False
    return _calm(value) and len(indent) + taken + len(_flow(value)) <= WIDTH


def _calm(value: Any) -> bool:
    """Whether nothing in it needs a line of its own."""
    if isinstance(value, dict):
        return all(not isinstance(key, Remark) and _calm(item) for key, item in value.items()) and (
            "url" not in value or len(value) == 1
        )
    if isinstance(value, list):
        return all(_calm(item) and not isinstance(item, dict) for item in value)
    return not isinstance(value, str) or "\n" not in value


def _short(value: Sequence[Any], indent: str, taken: int) -> bool:
    if any(isinstance(item, dict | list) for item in value):
        return False
    return all(map(_calm, value)) and len(indent) + taken + len(_flow(value)) <= WIDTH


def _flow(value: Any, *, top: bool = False) -> str:
    """On one line. ``top``: not inside a map or list on a line, where fewer characters need quotes."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_scalar(key, flow=True)}: {_flow(item)}" for key, item in _items(value))
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(_flow(item) for item in value)}]"
    return _scalar(value, flow=not top)


def _scalar(value: Any, *, flow: bool) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return json.dumps(value)
    if _is_plain(value) or (not flow and _SECRET.match(value)):
        return value
    if ('"' in value or "\\" in value) and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return _printable(json.dumps(value, ensure_ascii=False))


def _is_plain(value: str) -> bool:
    if not _PLAIN.match(value) or not value.isprintable() or value != value.strip() or value.endswith(":"):
        return False
    if ": " in value or " #" in value or value.lower() in _WORDS or value.startswith(("---", "...")):
        return False
    return not _NUMBERLIKE.match(value) or bool(_FINE.match(value))


def _block(value: str) -> tuple[str, list[str]] | None:
    """The mark and the lines of a literal block; None where it wouldn't say the same."""
    lines = value.split("\n")
    if len(lines) < 2 or value.endswith("\n\n") or not lines[0].strip() or lines[0][0] in " \t":
        return None
    if not all(line.replace("\t", " ").isprintable() and line == line.rstrip() for line in lines):
        return None
    return ("|", lines[:-1]) if value.endswith("\n") else ("|-", lines)


def _printable(text: str) -> str:
    """Escapes what can't stand in a file, and would steer a terminal."""
    return "".join(
        char
        if char.isprintable() or char == "\t"
        else f"\\u{ord(char):04x}"
        if ord(char) < 65536
        else f"\\U{ord(char):08x}"
        for char in text
    )
