"""Slices as another release stored them: brought to head when they are read, or refused by name.

A slice is rendered once and run for months, so that rows older than the code are the rule after every update of it; the
next apply rewrites them. What is current, as nearly every row is, isn't even parsed here: its pins are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple, get_args

from reconciler._version import __version__
from reconciler.base.canonical import dumps, loads
from reconciler.kinds.table import COLLECTORS, STRATEGIES, Entry, extend
from reconciler.versioning.chain import MigrationError
from reconciler.versioning.inner import Inner, of_check
from reconciler.versioning.loading import load_chains

_PIN = re.compile(rb'"type"\s*:\s*"([^"\\@]+@[0-9]+)"')


class Unreadable(ValueError):
    """A stored config that this release can't bring to its head: one sentence, with the way out."""


class Census(NamedTuple):
    """How many slices are behind the code, and how many beyond it; ``refusal`` says why of the first of these."""

    behind: int
    refused: int
    refusal: str | None


def current(body: bytes) -> bytes:
    """The body of a slice with every config at its head; the same bytes where they are.

    Raises :class:`Unreadable` for a config of a newer release, and for one that a step can't take. A body that is none,
    or names what this installation hasn't, is left to whoever reads it.
    """
    if _current(body):
        return body
    data = _parsed(body)
    old = [inner for inner in _inner(data) if inner.version != inner.entry.head]
    if not old:
        return body
    for inner in old:
        _bring(inner)
    return dumps(data)


def heads() -> dict[str, int]:
    """What this release can read: the head of every strategy and collector, by subject."""
    extend()
    return {entry.subject: entry.head for table in (STRATEGIES, COLLECTORS) for entry in table.values()}


def needs(bodies: Iterable[bytes]) -> dict[str, int]:
    """The newest version of each subject that these bodies hold: what must be known to run them."""
    found: dict[str, int] = {}
    seen: set[frozenset[bytes]] = set()
    for body in bodies:
        pins = frozenset(_PIN.findall(body))
        if pins not in seen:
            seen.add(pins)
            for inner in _inner(_parsed(body)):
                found[inner.entry.subject] = max(inner.version, found.get(inner.entry.subject, 0))
    return found


def census(bodies: Iterable[bytes]) -> Census:
    """Count what isn't current."""
    behind, refused, refusal = 0, 0, None
    for body in bodies:
        if _current(body):
            continue
        found = _inner(_parsed(body))
        newer = next((inner for inner in found if inner.version > inner.entry.head), None)
        if newer is not None:
            refused, refusal = refused + 1, refusal or _newer(newer)
        else:
            behind += any(inner.version < inner.entry.head for inner in found)
    return Census(behind, refused, refusal)


def _current(body: bytes) -> bool:
    """Whether nothing in it can be other than current. Texts that only look like pins cost a closer look."""
    return _surely(len(STRATEGIES), len(COLLECTORS)).issuperset(_PIN.findall(body))


@cache
def _surely(strategies: int, collectors: int) -> frozenset[bytes]:
    """Pins that mean a head, whatever they stand for: a collector's bare name may belong to several strategies.

    The sizes of the tables are the key, because plugins add to them.
    """
    named: dict[str, set[int]] = {}
    for name, entry in (*STRATEGIES.items(), *((n.partition(".")[2], e) for n, e in COLLECTORS.items())):
        named.setdefault(name, set()).add(entry.head)
    return frozenset(
        f"{name}@{head}".encode() for name, versions in named.items() for head in versions if len(versions) == 1
    )


def _parsed(body: bytes) -> Any:
    try:
        return loads(body)
    except ValueError:
        return None


def _inner(data: Any) -> list[Inner]:
    extend()
    check = data.get("check") if isinstance(data, dict) else None
    return list(of_check(check)) if isinstance(check, dict) else []


def _bring(inner: Inner) -> None:
    """One config to its head, in place."""
    entry, pin = inner.entry, str(inner.holder[inner.key])
    if inner.version > entry.head:
        raise Unreadable(_newer(inner))
    config = inner.holder.get("config")
    try:
        moved = load_chains()[entry.subject].migrate({} if config is None else config, inner.version)
        inner.holder["config"] = _filled(entry, moved)
    except (MigrationError, ValueError, TypeError) as error:
        raise Unreadable(
            f"{pin} of {entry.subject} was stored by an older release and can't be read any more ({error}): apply again"
        ) from error
    inner.holder[inner.key] = f"{pin.partition('@')[0]}@{entry.head}"


def _newer(inner: Inner) -> str:
    return (
        f"{inner.holder[inner.key]} was stored by a newer release; this one, gitops {__version__}, knows "
        f"{inner.entry.subject} up to version {inner.entry.head}: update it here, or apply again with the release that "
        "runs here"
    )


def _filled(entry: Entry, config: dict[str, Any]) -> dict[str, Any]:
    """With the defaults of keys that came since: what is stored has them all, and executors rely on it."""
    return {**loads(_defaults(entry)), **config}


@cache
def _defaults(entry: Entry) -> bytes:
    """As JSON, so that nobody can change what is shared. Where null may be meant, what is absent means just that."""
    from pydantic_core import to_jsonable_python

    from reconciler.kinds.loaded import load

    found = {}
    for name, field in load(entry).model.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if default is not None and type(None) not in get_args(field.annotation):
            key = field.serialization_alias or field.alias or name
            found[key] = to_jsonable_python(default, by_alias=True, exclude_none=True)
    return dumps(found)
