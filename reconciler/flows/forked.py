"""Reading many files on all cores: parsing is Python, so the way to a second core is a second process.

A forked child inherits the bytes and the loaded modules, does its share and sends the results through a pipe. When
anything goes wrong with a child its share is simply done here: the result never depends on it.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_WORTH_A_CHILD = 400
"""Items from which on a fork (about 10 ms) pays."""
_MOST = 8
_OWN_SHARE = 1.16


def map_forked(
    work: Callable[[T], R], items: Sequence[T], advance: Callable[[int], None], *, own: float = _OWN_SHARE
) -> list[R]:
    """``[work(i) for i in items]``, on as many cores as there are. ``R`` must be picklable; ``work`` must not raise.

    ``own``: how much larger the parent's own share is, which is nearer to 1 the longer the work takes.
    """
    shares = min(_cores(), _MOST, max(1, len(items) // _WORTH_A_CHILD))
    if shares == 1:
        return _all(work, items, advance)
    # A child also writes its results and has them read here, so the parent's own share is a little larger.
    mine = round(len(items) / shares * own)
    size = -(-(len(items) - mine) // (shares - 1))
    parts = [items[:mine], *(items[i : i + size] for i in range(mine, len(items), size))]
    children = [_spawn(work, part) for part in parts[1:]]
    results = _all(work, parts[0], advance)
    for part, child in zip(parts[1:], children, strict=True):
        sent: list[R] | None = _collect(child) if child is not None else None
        if sent is None:
            results += _all(work, part, advance)
        else:
            results += sent
            advance(len(part))
    return results


def _cores() -> int:
    # Forking is safe here only where no system library runs threads behind our back.
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def _all(work: Callable[[T], R], items: Sequence[T], advance: Callable[[int], None]) -> list[R]:
    found = []
    for item in items:
        found.append(work(item))
        advance(1)
    return found


def _spawn(work: Callable[[T], R], items: Sequence[T]) -> tuple[int, int] | None:
    try:
        reader, writer = os.pipe()
        pid = os.fork()
    except OSError:
        return None
    if pid:
        os.close(writer)
        return pid, reader
    try:  # the child: whatever happens, it must not return into its parent's code
        os.close(reader)
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump([work(item) for item in items], pipe, protocol=pickle.HIGHEST_PROTOCOL)
        os._exit(0)
    finally:
        os._exit(1)


def _collect(child: tuple[int, int]) -> list[R] | None:
    pid, reader = child
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        return None
    found: list[R] = pickle.loads(data)
    return found
