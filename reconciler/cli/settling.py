"""``gitops apply --wait-healthy``: what becomes of an apply, told on stderr while it is waited for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.options import Duration
from reconciler.report.output import Output

if TYPE_CHECKING:
    from reconciler.flows.apply import Applied
    from reconciler.flows.settling import Before, Progress, Settled
    from reconciler.store.port import Writer

WORSE = 6
"""The exit code: applied, but health got worse, or nobody can say."""
_EVERY = 5.0

F = TypeVar("F", bound=Callable[..., Any])


def waits(command: F) -> F:
    """The options."""
    wait = click.option(
        "--wait-healthy",
        type=Duration(),
        envvar="GITOPS_WAIT_HEALTHY",
        metavar="DURATION",
        help="Wait so long until each changed slice has run; exit with 6 if health got worse. [GITOPS_WAIT_HEALTHY]",
    )
    back = click.option(
        "--rollback-on-failure", is_flag=True, help="With --wait-healthy: go back to the generation before if it did."
    )
    return wait(back(command))


class Waiting:
    """Made before the apply, as nothing else knows later how healthy things were."""

    def __init__(self, address: str, output: Output, *, patience: float, undo: bool) -> None:
        from reconciler.cli.stores import executing
        from reconciler.flows.settling import Before

        self._hands = executing(address)
        self._before: Before = Before.of(self._hands)
        self._output, self._patience, self._undo = output, patience, undo
        self.rolled_back: int | None = None

    def settle(self, applied: Applied) -> Settled:
        """Wait for it. An interrupt leaves the apply as it is, and says so."""
        from reconciler.flows.settling import settle

        told = _Ticker(self._output)
        try:
            if applied.plan.slices:
                self._output.note(f"Waiting up to {self._patience:.0f} s for the changed slices to run.")
            return settle(
                self._hands,
                applied.plan,
                self._before,
                generation=applied.generation,
                patience=self._patience,
                sleep=time.sleep,
                told=told,
            )
        except KeyboardInterrupt:
            self._output.errors([f"Generation {applied.generation} stays applied."])
            raise
        finally:
            told.end()

    def undo(self, applied: Applied, settled: Settled, store: Writer) -> None:
        """Go back where something fails and that was asked for. What merely didn't run is no reason to."""
        if not self._undo or settled.well:
            return
        if not settled.failing:
            self._output.errors(["Not rolled back: nothing is known to be worse."])
            return
        from reconciler.base.errors import GitopsError

        try:
            self.rolled_back = _rolled_back(applied, store)
        except GitopsError as error:
            self._output.errors([f"Not rolled back: {error.message}"])
            return
        back = f"Rolled back source {applied.plan.source} to generation {applied.generation - 1}"
        lines = [f"{back}, as generation {self.rolled_back}."]
        if applied.plan.commit:
            lines.append(f"Commit {applied.plan.commit[:7]} and older ones are refused until git moves past it.")
        self._output.errors(lines)


def _rolled_back(applied: Applied, store: Writer) -> int:
    """Undo exactly this apply, whatever it takes away again. Raises ``GitopsError``."""
    from reconciler.base.errors import GitopsError
    from reconciler.flows.apply import Actor, apply_planned
    from reconciler.flows.plan import Options
    from reconciler.flows.rollback import plan_rollback
    from reconciler.model.plan import Plan

    def plan() -> Plan:
        newest = next((row.n for row in store.history() if row.source == applied.plan.source), 0)
        if newest != applied.generation:
            raise GitopsError(f"generation {newest} has come since")
        return plan_rollback(store, applied.generation - 1, applied.plan.source, options=Options(force=True))

    return apply_planned(store, plan, actor=Actor.here(), lock_timeout=60.0, old_workers=True).generation


class _Ticker:
    """A line every few seconds where nobody watches, one that is written over where somebody does."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._live = sys.stderr.isatty() and not output.quiet
        self._last, self._at = "", 0.0

    def __call__(self, progress: Progress) -> None:
        line = f"{progress.ran:,} of {progress.changed:,} ran, {progress.failing:,} worse"
        if line == self._last:
            return
        if self._live:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        elif time.monotonic() - self._at < _EVERY:
            return
        else:
            self._output.note(line)
        self._last, self._at = line, time.monotonic()

    def end(self) -> None:
        """Take the line away."""
        if self._live and self._last:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
