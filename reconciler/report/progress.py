"""A bar for people who wait; nothing for anybody else. Its library is loaded only once a second has passed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.flows.progress import Progress, Silent
from reconciler.report.output import Output

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

_PATIENCE = 1.0
_EVERY = 32


class Bar:
    """Follows the stages of a flow on stderr, from one second on."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._bar: RichProgress | None = None
        self._name, self._total, self._done, self._told = "", 0, 0, 0

    def stage(self, name: str, total: int) -> None:
        """See the protocol."""
        self._name, self._total, self._done, self._told = name, total, 0, 0
        if self._bar is not None:
            self._restart()
        else:
            self._maybe_start()

    def advance(self, steps: int = 1) -> None:
        """See the protocol."""
        self._done += steps
        if self._done - self._told < _EVERY:
            return
        self._told = self._done
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done)
        else:
            self._maybe_start()

    def stop(self) -> None:
        """Wipe it away: what stays on the screen is the plan."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _maybe_start(self) -> None:
        if time.monotonic() - self._began < _PATIENCE:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._restart()

    def _restart(self) -> None:
        if self._bar is not None:
            for task in list(self._bar.task_ids):
                self._bar.remove_task(task)
            self._bar.add_task(self._name, total=self._total or None, completed=self._done)


@contextmanager
def progress_for(output: Output) -> Iterator[Progress]:
    """A bar on a terminal, unless quiet."""
    if output.quiet or not sys.stderr.isatty():
        yield Silent()
        return
    bar = Bar()
    try:
        yield bar
    finally:
        bar.stop()
