"""Slices whose runs take their workers down: set aside, so that they don't take down one worker after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reconciler.model.run import Run
from reconciler.model.slice import SliceKey
from reconciler.store.database import Database
from reconciler.store.sql_pauses import set_aside

if TYPE_CHECKING:
    from reconciler.store.executing import Finished, Transition


class Poison:
    """The part of :class:`reconciler.store.executing.Executing` that sets slices aside."""

    db: Database

    def _put_aside(self, rows: Sequence[tuple[Any, ...]], generation: int) -> None:
        """``rows`` are those of :data:`reconciler.store.sql_schedule.CLAIMED`. Needs a transaction that holds them."""
        if not rows:
            return
        now = self.db.clock()
        set_aside(self.db, ((row[0], _reason(row)) for row in rows), now=now)
        self.put_down([(_run(row, now, generation), None) for row in rows])

    def put_down(self, done: Sequence[tuple[Run, Finished | None]]) -> list[Transition]:
        """See :class:`reconciler.store.sql_runs.Runs`."""
        raise NotImplementedError


def _reason(row: tuple[Any, ...]) -> str:
    return (
        f"{row[11]} workers ended while they ran it, the last of them {row[10]}; "
        "it is set aside until its configuration changes or somebody resumes it"
    )


def _run(row: tuple[Any, ...], now: float, generation: int) -> Run:
    _, system, check, environment, region, digest, _, slot, _, _, worker = row[:11]
    return Run(
        key=SliceKey(system, check, environment),
        region=region,
        slot=slot,
        at=max(now, slot),
        duration_ms=0.0,
        outcome="degraded",
        reason=_reason(row),
        generation=generation,
        digest=digest,
        worker=worker,
        detail={"collectors": [], "error": _reason(row)},
    )
