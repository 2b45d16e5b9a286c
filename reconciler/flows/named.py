"""Slices by the names that people type, with a guess at what was meant where nothing is called so."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from typing import NamedTuple

from reconciler.base.errors import GitopsError, UsageError
from reconciler.model.slice import NO_ENVIRONMENT, SliceKey, SliceName
from reconciler.store.port import Reader


class Named(NamedTuple):
    """A current slice with its names."""

    name: SliceName
    key: SliceKey
    digest: str


def named(reader: Reader) -> Iterator[Named]:
    """Every current slice, in no order. Bodies aren't read."""
    names = {uid: key.name for uid, key in reader.names().items()}
    for key, digest in reader.slice_digests().items():
        system, check, environment = (names.get(uid) or f"#{uid}" for uid in key)
        name = SliceName(system, check, None if key.environment == NO_ENVIRONMENT else environment)
        yield Named(name, key, digest)


def matching(
    slices: Collection[Named], check: str | None, *, system: str | None = None, environment: str | None = None
) -> list[Named]:
    """Those with these names, sorted. Raises ``GitopsError`` with what is near when there are none."""
    found = [
        s
        for s in slices
        if check in (None, s.name.check)
        and system in (None, s.name.system)
        and environment in (None, s.name.environment)
    ]
    if not found:
        raise _nothing(slices, check, system, environment)
    return sorted(found, key=lambda s: s.name.order)


def one_slice(reader: Reader, text: str) -> Named:
    """The slice that ``system/check`` or ``system/check/environment`` names.

    Without an environment it is the only one there is of that check on that system. Raises ``UsageError`` for what is
    no such name, ``GitopsError`` with what is near when there is none.
    """
    parts = text.split("/")
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise UsageError(f"{text!r} names no slice", hint="write SYSTEM/CHECK/ENVIRONMENT, as gitops get slices has it")
    everything = list(named(reader))
    system, check, environment = (*parts, None)[:3]
    found = matching(everything, check, system=system, environment=environment)
    if len(found) > 1:
        names = ", ".join(str(s.name) for s in found[:5]) + (", ..." if len(found) > 5 else "")
        raise UsageError(f"{text} runs in {len(found)} environments", hint=f"name one of {names}")
    return found[0]


def unknown_name(
    what: str, name: str, names: Collection[str], *, otherwise: str = "gitops get slices lists what runs"
) -> GitopsError:
    """There is no such thing; what is near is told, or else the way out."""
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else otherwise
    return GitopsError(f"there is no {what} {name!r}", hint=hint)


def _nothing(slices: Collection[Named], check: str | None, system: str | None, environment: str | None) -> GitopsError:
    if not slices:
        return GitopsError("no system runs a check", hint="gitops apply brings what git says into the store")
    for what, name, names in (
        ("check that runs", check, {s.name.check for s in slices}),
        ("system with a check", system, {s.name.system for s in slices}),
        ("environment with a check", environment, {s.name.environment or "" for s in slices}),
    ):
        if name is not None and name not in names:
            return unknown_name(what, name, names)
    asked = ", ".join(
        f"{what} {name}"
        for what, name in (("check", check), ("system", system), ("environment", environment))
        if name is not None
    )
    return GitopsError(f"each of them runs, but not together: {asked}", hint="gitops get slices lists what runs where")
