"""Values of fields as people read them: short, unambiguous, without secrets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from reconciler.base.canonical import dumps
from reconciler.base.durations import format_duration
from reconciler.plan.fields import ABSENT
from reconciler.report.style import Style, safe

_DURATIONS = frozenset(("interval", "timeout", "stateWindow", "duration", "for", "within", "delay"))
"""Fields that the head models keep in milliseconds, by their last name."""
_FREE = re.compile(r"(?:^|\.)fields(?:\.|\[|$)")
"""Below it names are the user's own, and mean what the user says."""
_PASSWORD = re.compile(r"(?<=://)([^/?#\s:@]*):([^/?#\s@]+)@")
_LONG = 120
_LINES = 30
_MASK = "***"


def value_text(path: str, value: Any, *, full: bool = False) -> str:
    """One value on one line: a duration with its unit, a text in quotes, all else as JSON."""
    if value is ABSENT:
        return "absent"
    if is_duration(path, value):
        return format_duration(value)
    text = safe(masked(dumps(value).decode()))
    return text if full or len(text) <= _LONG else f"{text[:_LONG]}… ({len(text):,} characters)"


def is_duration(path: str, value: Any) -> bool:
    """Whether a stored value counts milliseconds."""
    return type(value) is int and path.rpartition(".")[2] in _DURATIONS and not _FREE.search(path)


def masked(text: str) -> str:
    """Without passwords in URLs: those that aren't references to a secret shouldn't reach a log either."""
    return _PASSWORD.sub(rf"\1:{_MASK}@", text) if "://" in text else text


def change_lines(
    path: str, old: Any, new: Any, style: Style, *, full: bool = False, label: str | None = None
) -> Iterator[str]:
    """``interval: 45s → 30s``; the lines that differ where both are texts of several lines.

    ``label`` stands in place of the path, where the path was told before.
    """
    name = safe(label if label is not None else path)
    if isinstance(old, str) and isinstance(new, str) and "\n" in old.rstrip("\n") + new.rstrip("\n"):
        yield f"{name}:"
        yield from (f"  {line}" for line in _text_difference(old, new, style, full=full))
        return
    was, now = value_text(path, old, full=full), value_text(path, new, full=full)
    note = "" if was != now else "  (they differ in what isn't shown)"
    if old is ABSENT:
        yield f"{name}: {style(now, 'green')}  (added)"
    elif new is ABSENT:
        yield f"{name}: {style(was, 'red')}  (removed)"
    else:
        yield f"{name}: {style(was, 'red')} → {style(now, 'green')}{note}"


def _text_difference(old: str, new: str, style: Style, *, full: bool) -> Iterator[str]:
    looks = {"-": "red", "+": "green", "@": "dim"}
    lines = list(difflib.unified_diff(masked(old).splitlines(), masked(new).splitlines(), lineterm="", n=1))[2:]
    shown = lines if full else lines[:_LINES]
    for line in shown:
        look = looks.get(line[:1])
        yield style(safe(line), look) if look else safe(line)
    if len(lines) > len(shown):
        yield f"… {len(lines) - len(shown):,} more lines; --full shows all"
    if not lines:
        yield "(they differ in line ends, or in what isn't shown)"
