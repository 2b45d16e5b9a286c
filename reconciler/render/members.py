"""Reach into JSON data: a member is a key of a mapping or an index of a list or text, and never a Python attribute."""

from __future__ import annotations

from typing import Any

from reconciler.render.bounds import Frame, few, short
from reconciler.render.expression import Run
from reconciler.render.faults import Refused
from reconciler.render.missing import Missing


def root(name: str, *, offset: int) -> Run:
    """A name of the context."""

    def run(frame: Frame) -> Any:
        try:
            return frame.context[name]
        except KeyError:
            return Missing("", name, name, frame.context, offset=offset)

    return run


def key(base: Run, name: str, *, path: str, step: str, offset: int) -> Run:
    """``base.name`` or ``base["name"]`` (``step`` behind ``path``, as written); what is missing further up stays so."""

    def run(frame: Frame) -> Any:
        owner = base(frame)
        if type(owner) is Missing:
            return owner
        try:
            return owner[name]
        except (KeyError, TypeError):
            return Missing(path, step, name, owner, offset=offset)

    return run


def item(base: Run, argument: Run, *, path: str, offset: int) -> Run:
    """``base[argument]``, by a key or an index (negative ones count from the end)."""

    def run(frame: Frame) -> Any:
        owner, wanted = base(frame), argument(frame)
        if type(owner) is Missing:
            return owner
        if isinstance(owner, dict):
            if isinstance(wanted, str) and wanted in owner:
                return owner[wanted]
        elif isinstance(owner, (list, str)) and _whole(wanted) and -len(owner) <= wanted < len(owner):
            return owner[wanted]
        return Missing(
            path, f"[{wanted!r}]" if isinstance(wanted, (str, int)) else "[...]", wanted, owner, offset=offset
        )

    return run


def part(base: Run, limits: list[Run | None], *, offset: int) -> Run:
    """``base[start:stop:step]`` of a text or a list."""

    def run(frame: Frame) -> Any:
        owner = base(frame)
        start, stop, step = (None if limit is None else limit(frame) for limit in limits)
        try:
            return _part(frame, owner, start, stop, step)
        except Refused as refused:
            raise refused.at(offset) from None

    return run


def _part(frame: Frame, owner: Any, *limits: Any) -> Any:
    if not all(limit is None or _whole(limit) for limit in limits) or limits[2] == 0:
        raise Refused("template-value", "a slice takes whole numbers, and a step that isn't zero")
    if isinstance(owner, str):
        frame.charge(1 + len(short(owner)) // 16)
    elif isinstance(owner, list):
        frame.charge(1 + len(few(owner)))
    else:
        raise Refused("template-value", "only texts and lists can be sliced")
    return owner[slice(*limits)]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
