"""From a check's configuration with holes to the bytes of each of its slices.

A check is written as canonical JSON once and cut at its templates; a slice is those pieces joined with its rendered
values. Keys are sorted before the cut, so the result is canonical too, and 50,000 slices cost 50,000 joins instead of
50,000 walks. Values whose templates read the environment alone are kept per environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.base.canonical import dumps
from reconciler.kinds.checks import CHECKS
from reconciler.model.resource import Hole, Resource
from reconciler.render.bounds import MAX_SLICE
from reconciler.render.faults import TemplateFault
from reconciler.render.template import Template, compile_template

ROOTS = frozenset({"environment", "check", "system"})
"""What a template of a check may read."""

_ENVIRONMENT_ONLY = frozenset({"environment"})
_MEMO_LIMIT = 10_000
"""Values that are shared are few; in a repository where each check has a template of its own, keeping all is waste."""
_MEMO_BYTES = 1024
"""A longer value isn't kept, so that what is kept stays small whatever the templates make."""

_SENTINEL = "\ue000gitops-hole-{}\ue000"
_CUT = re.compile(rb'"' + "\ue000gitops-hole-".encode() + rb"(\d+)" + "\ue000".encode() + rb'"')


class HoleFault(NamedTuple):
    """A template that can't be rendered, or renders to what its field doesn't take."""

    hole: Hole
    fault: TemplateFault


class _Filler(NamedTuple):
    hole: Hole
    template: Template
    check: Callable[[str], Any]
    varies: bool
    """It reads the environment."""
    shared: bool
    """It reads nothing else."""


Memo = dict[tuple[str, str, str | None], "bytes | TemplateFault"]
"""Values by template, check and environment; of one pass, in which an environment's name stands for its fields."""


class CheckPieces:
    """The pieces of one check, between them its fillers; :func:`compile_check` makes it."""

    __slots__ = ("_fillers", "_pieces")

    def __init__(self, pieces: Sequence[bytes], fillers: Sequence[_Filler]) -> None:
        self._pieces = pieces
        self._fillers = fillers

    def bind(self, assignment: bytes, check: Mapping[str, Any], system: Mapping[str, Any]) -> BoundPieces:
        """The pieces for one system: what doesn't read the environment is filled in once, not once for each."""
        seen = {"environment": {}, "check": check, "system": system}
        pieces = [b'{"assignment":' + assignment + b',"check":' + self._pieces[0]]
        fillers: list[_Filler] = []
        faults: list[HoleFault] = []
        left = MAX_SLICE
        for filler, piece in zip(self._fillers, self._pieces[1:], strict=True):
            if filler.varies:
                fillers.append(filler)
                pieces.append(piece)
                continue
            value = _fill(filler, seen)
            if isinstance(value, TemplateFault):
                faults.append(HoleFault(filler.hole, value))
            elif (left := left - len(value)) < 0:
                faults.append(HoleFault(filler.hole, _too_much()))
                break
            else:
                pieces[-1] += value + piece
        pieces[-1] += b"}"
        return BoundPieces(pieces, fillers, faults, check, system)


class BoundPieces(NamedTuple):
    """One check on one system; ``faults`` are those that no environment mends."""

    pieces: list[bytes]
    fillers: list[_Filler]
    faults: list[HoleFault]
    check: Mapping[str, Any]
    system: Mapping[str, Any]

    def render(self, name: str | None, fields: Mapping[str, Any], memo: Memo) -> tuple[bytes, list[HoleFault]]:
        """The body of the slice in environment ``name`` (None: without one), and what couldn't be filled.

        The body is meaningless when there are faults, these or those of every environment.
        """
        if not self.fillers:
            return self.pieces[0], []
        faults: list[HoleFault] = []
        context = {"environment": fields, "check": self.check, "system": self.system}
        parts, left = [self.pieces[0]], MAX_SLICE
        for filler, piece in zip(self.fillers, self.pieces[1:], strict=True):
            value: bytes | TemplateFault | None = None
            key = (filler.hole.source, filler.hole.check, name)
            if filler.shared:
                value = memo.get(key)
            if value is None:
                value = _fill(filler, context)
                if filler.shared and len(memo) < _MEMO_LIMIT and not _is_long(value):
                    memo[key] = value
            if isinstance(value, TemplateFault):
                faults.append(HoleFault(filler.hole, value))
            elif (left := left - len(value)) < 0:
                faults.append(HoleFault(filler.hole, _too_much()))
                break
            else:
                parts += (value, piece)
        return b"".join(parts), faults


def compile_check(check: Resource, spec: Any) -> tuple[CheckPieces | None, list[HoleFault]]:
    """Cut a check at its holes and compile their templates; each faulty template is reported, not just the first.

    ``spec`` is the parsed part of its body; it is used up.
    """
    fillers: dict[int, _Filler] = {}
    faults: list[HoleFault] = []
    for number, hole in enumerate(check.holes):
        try:
            template = compile_template(hole.source, roots=ROOTS)
        except TemplateFault as fault:
            faults.append(HoleFault(hole, fault))
            continue
        varies = "environment" in template.roots
        fillers[number] = _Filler(hole, template, CHECKS[hole.check], varies, template.roots == _ENVIRONMENT_ONLY)
        _put(spec, hole.path[1:], _SENTINEL.format(number))
    if faults:
        return None, faults
    cut = _CUT.split(dumps(spec))
    return CheckPieces(cut[0::2], [fillers[int(n)] for n in cut[1::2]]), []


def _fill(filler: _Filler, context: Mapping[str, Any]) -> bytes | TemplateFault:
    try:
        text = filler.template.render(context)
    except TemplateFault as fault:
        return fault
    try:
        return dumps(filler.check(text))
    except ValueError as error:
        return TemplateFault("template-value", f"renders to {_short(text)}: {error}", 0)


def _is_long(value: bytes | TemplateFault) -> bool:
    return isinstance(value, bytes) and len(value) > _MEMO_BYTES


def _too_much() -> TemplateFault:
    return TemplateFault("template-limit", f"the templates of the check make more than {MAX_SLICE} bytes together", 0)


def _short(text: str, limit: int = 60) -> str:
    return repr(text if len(text) <= limit else text[:limit] + "…")


def _put(data: Any, path: Sequence[str | int], value: str) -> None:
    for step in path[:-1]:
        data = data[step]
    data[path[-1]] = value
