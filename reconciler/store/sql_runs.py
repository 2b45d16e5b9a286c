"""Runs as they are kept: recorded in batches, each batch one transaction, each lease good for one record."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from reconciler.base.canonical import dumps, loads
from reconciler.model.run import Run
from reconciler.model.slice import SliceKey
from reconciler.store.database import Database
from reconciler.store.executing import Finished, Transition
from reconciler.store.posting import post_failures
from reconciler.store.progress import progress
from reconciler.store.sql_health import Judge, Row
from reconciler.store.sql_schedule import WHERE

RUN_COLUMNS = (
    'system, "check", environment, slot, region, at, duration_ms, outcome, reason, generation, digest, worker, late, '
    "detail"
)
_INSERT = f"insert into run ({RUN_COLUMNS}) values ({', '.join('?' * 14)}) on conflict do nothing"
ROW = "place, lease, thresholds, recent, health, since, runs, pace, unseen, unseen_was"

Place = tuple[SliceKey, str]
"""A slice in a region."""
Fit = tuple[Run, str, Finished | None]
"""A run as it can be stored, its detail as text, and the claim that it was made for."""


class Runs:
    """The part of :class:`reconciler.store.executing.Executing` about runs."""

    db: Database

    def finish(self, done: Sequence[Finished]) -> list[Transition]:
        """See the protocol."""
        return self._record([(f.run, f) for f in done])

    def record(self, runs: Sequence[Run]) -> list[Transition]:
        """See the protocol."""
        return self._record([(run, None) for run in runs])

    def _record(self, done: Sequence[tuple[Run, Finished | None]]) -> list[Transition]:
        if not done:
            return []
        # Making text of them may take longer than storing it; nobody else waits for it here.
        fit = _fitted(done)
        with self.db.transaction():
            return self._put_down(fit)

    def put_down(self, done: Sequence[tuple[Run, Finished | None]]) -> list[Transition]:
        """The same within the transaction of the caller."""
        return self._put_down(_fitted(done))

    def _put_down(self, fit: Sequence[Fit]) -> list[Transition]:
        now, settled, rows = self._begin({(run.key, run.region) for run, _, _ in fit})
        judge = Judge(self.db, now, (run.key.system for run, _, _ in fit))
        runs: dict[tuple[SliceKey, str, float], tuple[Any, ...]] = {}
        updates, failed = [], []
        for run, detail, finished in fit:
            row = rows.get((run.key, run.region))
            which = (run.key, run.region, run.slot)
            if row is None or which in runs or not self._counts(run, row, finished):
                continue
            judge.add(run, row, scheduled=finished is not None)
            if finished is not None:
                row.pace, row.lease = finished.pace, 0
            runs[which] = _values(run, detail, late=run.slot < settled)
            updates.append(_update(run, row))
            if run.outcome != "healthy":
                failed.append(run)
        transitions = judge.write()
        self._write(list(runs.values()), updates)
        post_failures(self.db, failed)
        return transitions

    def _begin(self, places: Collection[Place]) -> tuple[float, int, dict[Place, Row]]:
        """The time, until when hours are condensed, and the rows of the schedule, of those that are there."""
        rows = {}
        for key, region in places:
            found = self.db.run(f"select {ROW} from schedule where {WHERE}", (*key, region)).fetchone()
            if found:
                rows[key, region] = Row(*found)
        return self.db.clock(), progress(self.db, "condensed"), rows

    def _counts(self, run: Run, row: Row, finished: Finished | None) -> bool:
        """Whether it may be recorded: by its lease, and where nobody leased it, if it wasn't recorded before."""
        if finished is not None:
            return row.lease == finished.claim.lease
        sql = 'select 1 from run where system = ? and "check" = ? and environment = ? and slot = ? and region = ?'
        return not self.db.rows(sql, (*run.key, run.slot, run.region))

    def _write(self, runs: list[tuple[Any, ...]], updates: list[tuple[Any, ...]]) -> None:
        if runs and self.db.many(_INSERT, runs) != len(runs):
            self._squeeze_in(runs)
        self.db.many(
            "update schedule set lease = ?, worker = case when ? <> 0 then worker else '' end, "
            "tries = case when ? <> 0 then tries else 0 end, recent = ?, health = ?, "
            "since = ?, runs = ?, pace = ?, unseen = ?, unseen_was = ?, last_at = ?, last_outcome = ?, reason = ? "
            "where place = ?",
            updates,
        )

    def _squeeze_in(self, runs: list[tuple[Any, ...]]) -> None:
        """Store those whose slot was met before, a hair later. Only a clock that was set leads here: the lease says
        that it is another run."""
        at = 'select at from run where system = ? and "check" = ? and environment = ? and slot = ? and region = ?'
        for run in runs:
            if self.db.rows(at, run[:5])[0][0] == run[5]:
                continue
            slot = run[3]
            while not self.db.run(_INSERT, (*run[:3], slot, *run[4:])).rowcount:
                slot = round(slot + 0.001, 3)

    def runs(
        self,
        key: SliceKey,
        *,
        region: str | None = None,
        limit: int = 20,
        before: float | None = None,
        since: float | None = None,
    ) -> list[Run]:
        """See the protocol. A run is never before it was due, which lets the index find the newest."""
        where, values = 'system = ? and "check" = ? and environment = ?', list[Any](key)
        for condition, value in (
            ("region = ?", region),
            ("slot < ? + 0.001", before),
            ("at < ?", before),
            ("at >= ?", since),
        ):
            if value is not None:
                where += f" and {condition}"
                values.append(value)
        sql = f"select {RUN_COLUMNS} from run where {where} order by slot desc limit ?"
        return [read_run(row) for row in self.db.rows(sql, (*values, limit))]

    def runs_after(self, position: int, *, limit: int = 1000) -> tuple[int, list[Run]]:
        """See the protocol."""
        rows = self.db.rows(f"select id, {RUN_COLUMNS} from run where id > ? order by id limit ?", (position, limit))
        return (rows[-1][0] if rows else position), [read_run(row[1:]) for row in rows]

    def position(self) -> int:
        """See the protocol."""
        return int(self.db.rows("select coalesce(max(id), 0) from run")[0][0])


def _fitted(done: Sequence[tuple[Run, Finished | None]]) -> list[Fit]:
    return [(*_fit(run), finished) for run, finished in done]


def _fit(run: Run) -> tuple[Run, str]:
    """A run that can be stored, and its detail as text. What can't be mustn't keep the rest of its batch out."""
    if run.reason is not None and not (run.reason.isascii() and run.reason.isprintable()):
        reason = run.reason.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
        run = replace(run, reason=reason)
    try:
        return run, dumps(run.detail).decode()
    except TypeError as error:
        return run, dumps({"collectors": [], "error": f"what it measured can't be kept: {error}"}).decode()


def _values(run: Run, detail: str, *, late: bool) -> tuple[Any, ...]:
    """In the order of the columns of a run."""
    key = (*run.key, run.slot, run.region)
    came_of_it = (run.at, run.duration_ms, run.outcome, run.reason)
    return (*key, *came_of_it, run.generation, run.digest, run.worker, int(late), detail)


def _update(run: Run, row: Row) -> tuple[Any, ...]:
    kept = (row.recent, row.health, row.since, row.runs, row.pace, row.unseen, row.was)
    return (row.lease, row.lease, row.lease, *kept, run.at, run.outcome, run.reason, row.place)


def read_run(row: tuple[Any, ...]) -> Run:
    """A row of :data:`RUN_COLUMNS`."""
    system, check, environment, slot, region, at, duration, outcome, reason, generation, digest, worker, _, detail = row
    key = SliceKey(system, check, environment)
    read = loads(detail)
    return Run(key, region, slot, at, duration, outcome, reason, generation, digest, worker, read)
