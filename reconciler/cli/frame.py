"""What is settled before a command runs: its output. Errors need it even when the command never began."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.report.output import Output

_current: Output | None = None


def current_output() -> Output:
    """Of the command that runs, or plain text before there is one."""
    from reconciler.report.output import Output

    return _current or Output()


def set_output(output: Output | None) -> None:
    """Called as soon as a command's options are parsed; None before there is a command."""
    global _current
    _current = output


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
