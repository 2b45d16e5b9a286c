"""What ``run`` and ``test`` have in common: options, and runs that are shown as they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.flows.runs import Told
    from reconciler.model.run import Outcome

SYSTEM = click.option("--system", metavar="NAME", help="On this system only.")
ENVIRONMENT = click.option("--environment", metavar="NAME", help="In this environment only.")
CONCURRENCY = click.option(
    "--concurrency", type=click.IntRange(1, 1000), default=10, show_default=True, metavar="N", help="How many at once."
)


class Shown:
    """Tells runs as they come, and remembers no more of them than it has to."""

    def __init__(self, output: Output, *, full: bool, junit: Sequence[Path] = ()) -> None:
        self._output, self._full, self._junit = output, full, junit
        self._kept: list[Told] = []
        self._data: list[dict[str, Any]] = []
        self._counts: Counter[Outcome] = Counter()
        self.unkept = 0

    @property
    def code(self) -> int:
        """The exit code."""
        return 0 if self._counts.keys() <= {"healthy"} else 1

    def told(self, run: Told) -> None:
        """Show it, unless everything is told as JSON in the end."""
        self._counts[run.run.outcome] += 1
        self.unkept += not run.kept
        if self._junit or self._output.format == "junit":
            self._kept.append(run)
        if self._output.format == "junit":
            return
        if self._output.json:
            from reconciler.report.run_json import run_json

            self._data.append(run_json(run))
        elif not self._output.quiet:
            from reconciler.report.run_text import run_text

            self._output.lines([*run_text(run, self._output.style, full=self._full), ""])

    def end(self) -> None:
        """The totals, or all of it as JSON or JUnit; files first, so that who reads on finds them complete."""
        if self._junit or self._output.format == "junit":
            self._as_junit()
        if self._output.format == "junit":
            return
        if self._output.json:
            from reconciler.report.diagnostics_json import FORMAT
            from reconciler.report.run_json import counts_json

            self._output.data({"format": FORMAT, "runs": self._data, "counts": counts_json(self._counts)})
        else:
            from reconciler.report.run_text import totals

            self._output.lines([totals(self._counts, self._output.style)])

    def _as_junit(self) -> None:
        from reconciler.cli.files import write_whole
        from reconciler.report.run_junit import runs_junit

        text = runs_junit(self._kept)
        for file in self._junit:
            write_whole(file, text.encode("utf-8", "surrogatepass"))
        if self._output.format == "junit":
            self._output.result(text)
