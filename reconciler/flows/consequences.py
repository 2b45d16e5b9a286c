"""Faults of one document that only follow from another one of it: what has one cause is told once.

A misspelt key is the cause of most: the right one is missing, what it holds is out of its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from reconciler.base.diagnostics import Fault, Path

_MEANT = re.compile(r"did you mean ([^\s?]+)\?")
_MISSING = frozenset({"missing-key", "missing-value", "missing-pin", "missing-run-as", "no-collectors"})
_ELSEWHERE = {"runAs": "missing-run-as", "value": "missing-value"}
"""What is missing is told at another place than its own."""
_TELLING = frozenset({"strategy", "type", "action", "event"})
"""Keys that tell what kind of config stands beside them."""
_TOLERATED = "; it is left out, as in version 1"


def causes(faults: Sequence[Fault]) -> list[Fault]:
    """The faults without those that follow from others, in their order."""
    misspelt = [f for f in faults if f.code in ("unknown-key", "v1-unknown-key")]
    if not misspelt and not any(f.code == "bad-action" for f in faults):
        return list(faults)
    kept = [f for f in faults if f.code not in _MISSING or not any(_follows(f, cause) for cause in misspelt)]
    dropped = [f for f in faults if f not in kept and f.severity == "error"]
    # A tolerated key that was meant for one which is required isn't tolerated: without it there is no document.
    kept = [_hard(f) if f in misspelt and any(_follows(d, f) for d in dropped) else f for f in kept]
    unread = [path for f in faults for path in _unread(f)]
    return [f for f in kept if f.code != "secret-in-plain-field" or not _below(f.path, unread)]


def _follows(fault: Fault, cause: Fault) -> bool:
    """Whether ``fault`` says that something is missing which ``cause`` has under another key."""
    meant = _MEANT.match(cause.hint or "")
    if meant is None or not cause.path:
        return False
    parent, key = cause.path[:-1], meant[1]
    if _ELSEWHERE.get(key) == fault.code:
        return fault.path[: len(parent)] == parent
    return _below(fault.path, [(*parent, key)])


def _unread(fault: Fault) -> Iterator[Path]:
    """Where nobody can say which fields are kept secret, because of this fault."""
    if fault.code == "bad-action":
        yield fault.path
    elif fault.code in ("unknown-key", "v1-unknown-key"):
        yield fault.path
        meant = _MEANT.match(fault.hint or "")
        if meant is not None and meant[1] in _TELLING:
            yield fault.path[:-1]


def _below(path: Path, tops: Iterable[Path]) -> bool:
    return any(path[: len(top)] == top for top in tops)


def _hard(fault: Fault) -> Fault:
    if fault.code != "v1-unknown-key":
        return fault
    return replace(fault, code="unknown-key", severity="error", message=fault.message.removesuffix(_TOLERATED))
