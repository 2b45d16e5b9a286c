"""What ``run`` and ``test`` have in common: options, and runs that are shown as they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.flows.runs import Told

SYSTEM = click.option("--system", metavar="NAME", help="On this system only.")
ENVIRONMENT = click.option("--environment", metavar="NAME", help="In this environment only.")
CONCURRENCY = click.option(
    "--concurrency", type=click.IntRange(1, 1000), default=10, show_default=True, metavar="N", help="How many at once."
)


class Shown:
    """Tells runs as they come. ``runs`` is filled in by who has them all."""

    def __init__(self, output: Output, *, full: bool) -> None:
        self._output, self._full = output, full
        self.runs: list[Told] = []

    @property
    def code(self) -> int:
        """The exit code."""
        return 0 if all(told.run.outcome == "healthy" for told in self.runs) else 1

    def told(self, run: Told) -> None:
        """Show it, unless everything is told as JSON in the end."""
        if self._output.json or self._output.quiet:
            return
        from reconciler.report.run_text import run_text

        self._output.lines([*run_text(run, self._output.style, full=self._full), ""])


@contextmanager
def show_runs(output: Output, *, full: bool) -> Iterator[Shown]:
    """The totals come at the end, or all of it as JSON."""
    shown = Shown(output, full=full)
    yield shown
    if output.json:
        from reconciler.report.diagnostics_json import FORMAT
        from reconciler.report.run_json import counts_json, run_json

        runs = [run_json(told) for told in shown.runs]
        output.data({"format": FORMAT, "runs": runs, "counts": counts_json(shown.runs)})
    else:
        from reconciler.report.run_text import totals

        output.lines([totals(shown.runs, output.style)])
