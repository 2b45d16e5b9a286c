"""Where a config may hold secrets, and the config with their values in place.

Only the places that a model marks are ever looked at: a template whose rendered text happens to spell a reference
stays text, since no field is both templatable and secret. What a secret's value spells is never looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.base.diagnostics import Path
from reconciler.base.errors import GitopsError

if TYPE_CHECKING:
    from re import Pattern

    from reconciler.kinds.table import Entry

_FROM = "From"
_OURS = "reconciler."


class SecretHole(NamedTuple):
    """``text`` holds references (``${{ secrets.NAME }}``), or is the bare name of a secret where ``bare``."""

    path: Path
    text: str
    bare: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The secrets it names."""
        return (self.text,) if self.bare else tuple(_pattern().findall(self.text))


def holes(config: Mapping[str, Any], subject: str) -> tuple[SecretHole, ...]:
    """The places of a normalised config that name a secret. ``subject`` is that of its model, built in or a plugin's
    (``strategies/http``, ``collectors/http.request``).

    Most configs name none: a built-in model is loaded only for one that could. Raises ``GitopsError`` for an unknown
    subject.
    """
    if _entry(subject).model.startswith(_OURS) and not _mentions(config):
        return ()
    from reconciler.kinds.texts import reach

    texts, names = _places(subject)
    found = []
    for keys in texts:
        for path, value in reach(config, keys, ()):
            if isinstance(value, str) and _pattern().search(value):
                found.append(SecretHole(path, value, False))
    for keys in names:
        found += [SecretHole(p, v, True) for p, v in reach(config, keys, ()) if isinstance(v, str)]
    return tuple(found)


def names(found: Iterable[SecretHole]) -> tuple[str, ...]:
    """Every secret these places name, once, in order."""
    return tuple(dict.fromkeys(name for hole in found for name in hole.names))


def fill(config: Mapping[str, Any], found: Iterable[SecretHole], values: Mapping[str, str]) -> dict[str, Any]:
    """A copy with the values in place, which shares what has none with the original.

    A text keeps what stands around its references. ``valueFrom: {secret: NAME}`` becomes ``value``, and likewise for
    every key that ends with ``From``; a bare name elsewhere gives its place to the value. Raises ``KeyError`` for a
    name without a value.
    """
    filled = dict(config)
    copied: dict[Path, Any] = {(): filled}
    for hole in found:
        holder, key = _holder(copied, hole.path), hole.path[-1]
        above = hole.path[-2] if len(hole.path) > 1 else None
        if hole.bare and isinstance(above, str) and above.endswith(_FROM) and above != _FROM and len(holder) == 1:
            holder = copied[hole.path[:-2]]
            del holder[above]
            holder[above.removesuffix(_FROM)] = values[hole.text]
        elif hole.bare:
            holder[key] = values[hole.text]
        else:
            holder[key] = _pattern().sub(lambda match: values[match[1]], hole.text)
    return filled


def _holder(copied: dict[Path, Any], path: Path) -> Any:
    """The container of ``path`` in the copy; every container on the way there is copied once."""
    for end in range(1, len(path)):
        if path[:end] not in copied:
            above = copied[path[: end - 1]]
            inner = above[path[end - 1]]
            copied[path[:end]] = above[path[end - 1]] = dict(inner) if isinstance(inner, dict) else list(inner)
    return copied[path[:-1]]


@cache
def _places(subject: str) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """The keys of texts that may hold references, and those of bare names."""
    from reconciler.kinds.loaded import load

    loaded = load(_entry(subject))
    return tuple(loaded.secret), loaded.secret_names


@cache
def _entry(subject: str) -> Entry:
    from reconciler.kinds.table import TABLES, extend

    table, _, name = subject.partition("/")
    found = TABLES.get(table, {}).get(name)
    if found is None:
        extend()
        found = TABLES.get(table, {}).get(name)
    if found is None:
        raise GitopsError(f"there is no {subject} in this installation", hint="install the plugin that brings it")
    return found


@cache
def _pattern() -> Pattern[str]:
    from reconciler.kinds.marks import SECRET

    return SECRET


def _mentions(value: Any) -> bool:
    """Whether a reference is anywhere, or the key under which built-in models name a secret."""
    if isinstance(value, str):
        return "${{" in value
    if isinstance(value, dict):
        return "secret" in value or any(map(_mentions, value.values()))
    return isinstance(value, list) and any(map(_mentions, value))
