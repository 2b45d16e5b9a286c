"""Runs of automations as people ask for them, and the end of what is kept long enough."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from reconciler.base.canonical import loads
from reconciler.store.automating import RunRow, StepRow
from reconciler.store.database import Database

RUNS_KEPT, EVENTS_KEPT, ARTIFACTS_KEPT = 30 * 86_400.0, 7 * 86_400.0, 365 * 86_400.0
"""Seconds."""

_RUN = (
    "id, automation, generation, digest, trigger_id, event, detail, event_id, context_key, status, reason, created, "
    "started, ended, ready_at, worker"
)
_STEP = "seq, path, block, action, step_id, status, at, ended, attempts, result, error"


class RunsSeen:
    """The part of :class:`reconciler.store.automating.Automating` about looking at runs."""

    db: Database

    def runs(
        self,
        *,
        automation: int | None = None,
        status: Collection[str] = (),
        context_key: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[RunRow]:
        """See the protocol."""
        where, values = "1 = 1", list[Any]()
        for condition, value in (("automation = ?", automation), ("context_key = ?", context_key), ("id < ?", before)):
            if value is not None:
                where += f" and {condition}"
                values.append(value)
        if status:
            where += f" and status in ({', '.join('?' * len(status))})"
            values += status
        rows = self.db.rows(
            f"select {_RUN} from automation_run where {where} order by id desc limit ?", (*values, limit)
        )
        return [_run(row) for row in rows]

    def run(self, run: int) -> RunRow | None:
        """See the protocol."""
        rows = self.db.rows(f"select {_RUN} from automation_run where id = ?", (run,))
        return _run(rows[0]) if rows else None

    def steps(self, run: int) -> list[StepRow]:
        """See the protocol."""
        rows = self.db.rows(f"select {_STEP} from automation_step where run = ? order by seq", (run,))
        return [StepRow._make((*row[:9], loads(row[9]), row[10])) for row in rows]

    def counts(self) -> dict[str, int]:
        """See the protocol."""
        rows = self.db.rows(
            "select case when status = 'pending' and ready_at is null and lease = 0 then 'queued' else status end, "
            "count(*) from automation_run where ended is null group by 1"
        )
        return {status: int(n) for status, n in rows}

    def prune(self, *, limit: int = 5000) -> int:
        """See the protocol. The newest run and the newest event stay, so that no id is given out twice."""
        with self.db.transaction(lasting=False):
            now = self.db.clock()
            runs = [
                row[0]
                for row in self.db.rows(
                    "select id from automation_run where ended is not null and ended < ? "
                    "and id < (select max(id) from automation_run) order by ended limit ?",
                    (now - RUNS_KEPT, limit),
                )
            ]
            for sql in (
                "delete from automation_step where run = ?",
                "delete from automation_wait where run = ?",
                "delete from delivery where run = ? and status <> 'dead'",
                "delete from automation_run where id = ?",
            ):
                if runs:
                    self.db.many(sql, [(run,) for run in runs])
            events = self.db.run(
                "delete from event where id in (select id from event where handled_at < ? "
                "and id < (select max(id) from event) order by id limit ?)",
                (now - EVENTS_KEPT, limit),
            ).rowcount
            old = self.db.run("delete from artifact where at < ?", (now - ARTIFACTS_KEPT,)).rowcount
        return len(runs) + events + old


def _run(row: tuple[Any, ...]) -> RunRow:
    detail, status, started, ended, ready_at, worker = row[6], row[9], row[12], row[13], row[14], row[15]
    queued = status == "pending" and ready_at is None and not worker
    return RunRow._make(
        (*row[:6], loads(detail), *row[7:12], started, ended, ready_at, worker or None, queued and ended is None)
    )
