"""What differs between two JSON values, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from reconciler.base.canonical import dumps


class _Absent:
    """There is no such field; unlike null, which is a value."""

    def __repr__(self) -> str:
        return "absent"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = _Absent()


class FieldChange(NamedTuple):
    """``path`` as people write it: ``spec.collectors[0].config.url``. ``old`` or ``new`` may be :data:`ABSENT`."""

    path: str
    old: Any
    new: Any


def field_changes(old: Any, new: Any) -> list[FieldChange]:
    """The smallest list of leaves and whole subtrees that differ, in the order of their paths.

    Lists are compared position by position: in configurations the order of a list has a meaning.
    """
    return list(_walk("", old, new))


def _walk(path: str, old: Any, new: Any) -> Iterator[FieldChange]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _walk(_join(path, key), old.get(key, ABSENT), new.get(key, ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        for i in range(max(len(old), len(new))):
            yield from _walk(f"{path}[{i}]", old[i] if i < len(old) else ABSENT, new[i] if i < len(new) else ABSENT)
    elif type(old) is not type(new) or old != new:
        yield FieldChange(path, old, new)


def _join(path: str, key: str) -> str:
    plain = key.replace("-", "").replace("_", "").isalnum()
    part = key if plain else f"[{dumps(key).decode()}]"
    return f"{path}.{part}" if path and plain else f"{path}{part}"
