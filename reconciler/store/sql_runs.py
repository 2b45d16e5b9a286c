"""Runs as they are kept: recorded in batches, each batch one transaction, each lease good for one record."""

from __future__ import annotations

from collections.abc import Sequence
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
_ROW = "place, lease, thresholds, recent, health, since, runs, pace, unseen, unseen_was"


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
        fit = [(*_fit(run), finished) for run, finished in done]
        with self.db.transaction():
            judge = Judge(self.db, self.db.clock())
            condensed = progress(self.db, "condensed")
            rows: dict[tuple[SliceKey, str], Row | None] = {}
            runs: dict[tuple[SliceKey, str, float], tuple[Any, ...]] = {}
            updates, failed = [], list[Run]()
            for run, detail, finished in fit:
                place = (run.key, run.region)
                if place not in rows:
                    rows[place] = self._row(place)
                row = rows[place]
                which = (*place, run.slot)
                if row is None or which in runs or not self._counts(run, row, finished):
                    continue
                judge.add(run, row, scheduled=finished is not None)
                if finished is not None:
                    row.pace, row.lease = finished.pace, 0
                runs[which] = _values(run, detail, late=run.slot < condensed)
                updates.append(_update(run, row))
                if run.outcome != "healthy":
                    failed.append(run)
            transitions = judge.write()
            self._write(list(runs.values()), updates)
            post_failures(self.db, failed)
        return transitions

    def _counts(self, run: Run, row: Row, finished: Finished | None) -> bool:
        """Whether it may be recorded: by its lease, and where nobody leased it, if it wasn't recorded before."""
        if finished is not None:
            return row.lease == finished.claim.lease
        sql = 'select 1 from run where system = ? and "check" = ? and environment = ? and slot = ? and region = ?'
        return not self.db.rows(sql, (*run.key, run.slot, run.region))

    def _row(self, place: tuple[SliceKey, str]) -> Row | None:
        found = self.db.run(f"select {_ROW} from schedule where {WHERE}", (*place[0], place[1])).fetchone()
        return Row(*found) if found else None

    def _write(self, runs: list[tuple[Any, ...]], updates: list[tuple[Any, ...]]) -> None:
        if runs and self.db.many(_INSERT, runs) != len(runs):
            self._squeeze_in(runs)
        self.db.many(
            "update schedule set lease = ?, worker = case when ? <> 0 then worker else '' end, recent = ?, health = ?, "
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


def _fit(run: Run) -> tuple[Run, str]:
    """A run that can be stored, and its detail as text. What can't be mustn't keep the rest of its batch out."""
    if run.reason is not None and not run.reason.isascii():
        run = replace(run, reason=run.reason.encode("utf-8", "replace").decode())
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
    return (row.lease, row.lease, *kept, run.at, run.outcome, run.reason, row.place)


def read_run(row: tuple[Any, ...]) -> Run:
    """A row of :data:`RUN_COLUMNS`."""
    system, check, environment, slot, region, at, duration, outcome, reason, generation, digest, worker, _, detail = row
    key = SliceKey(system, check, environment)
    read = loads(detail)
    return Run(key, region, slot, at, duration, outcome, reason, generation, digest, worker, read)
