"""What is settled before a command runs: its output. Errors need it even when the command never began."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.report.output import Output

_current = Output()


def current_output() -> Output:
    """Of the command that runs, or plain text before there is one."""
    return _current


def set_output(output: Output) -> Output:
    """Called once a command, as soon as its options are parsed."""
    global _current
    _current = output
    return output


@contextmanager
def without_gc() -> Iterator[None]:
    """A plan makes a million objects and hardly a circle; looking for circles would be a quarter of its time."""
    was = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        if was:
            gc.enable()
