"""Runs on PostgreSQL: a batch in a handful of statements, and a position that no late commit is behind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from reconciler.model.run import Run
from reconciler.store.batches import hold, insisting, together, unnest
from reconciler.store.engine import Engine
from reconciler.store.executing import Finished, Transition
from reconciler.store.grid import place
from reconciler.store.sql_health import Row
from reconciler.store.sql_runs import ROW, RUN_COLUMNS, Place, Runs, read_run

CONDENSING = "condense"
"""The lock that whoever records runs shares, and whoever settles an hour has alone."""

_RUN_TYPES = (
    *("bigint", "bigint", "bigint", "float8", "text", "float8", "float8", "text", "text"),
    *("bigint", "text", "text", "bigint", "text"),
)
_ROW_TYPES = (
    *("bigint", "text", "text", "float8", "bigint", "text", "float8", "text"),
    *("float8", "text", "text", "bigint"),
)
_WRITE = """
update schedule s set lease = n.lease, worker = case when n.lease <> 0 then s.worker else '' end,
  tries = case when n.lease <> 0 then s.tries else 0 end, recent = n.recent, health = n.health, since = n.since,
  runs = n.runs, pace = n.pace, unseen = n.unseen, unseen_was = n.unseen_was, last_at = n.last_at,
  last_outcome = n.last_outcome, reason = n.reason
from {ROWS} as n (lease, recent, health, since, runs, pace, unseen, unseen_was, last_at, last_outcome, reason, place)
where s.place = n.place
"""
_SETTLED = "tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
"""Of transactions before the first that is still under way, nothing is still to come."""


class PgRuns(Runs):
    """The part of :class:`reconciler.store.executing.Executing` about runs."""

    engine: Engine

    def _record(self, done: Sequence[tuple[Run, Finished | None]]) -> list[Transition]:
        return insisting(lambda: super(PgRuns, self)._record(done))

    def _begin(self, places: Collection[Place]) -> tuple[float, int, dict[Place, Row]]:
        wanted = {place(key, region): (key, region) for key, region in places}
        with together(self.db):
            hold(self.db, CONDENSING, shared=True)
            said = self.db.run(f"select {self.db.now}, (select n from progress where what = 'condensed')")
            # Waiting for the lock comes before the look at the mark, each statement by itself.
            sql = f"select {ROW} from schedule where place = any(?::bigint[]) order by place for no key update"
            rows = self.db.run(sql, (sorted(wanted),))
            now, settled = said.fetchone()
            return float(now), int(settled or 0), {wanted[row[0]]: Row(*row) for row in rows.fetchall()}

    def _write(self, runs: list[tuple[Any, ...]], updates: list[tuple[Any, ...]]) -> None:
        if not updates:
            return
        # Two runs of one slice in a batch: the row that both changed is written once.
        rows = {row[-1]: (row[0], *row[3:]) for row in updates}
        with together(self.db):
            listed, values = unnest(_RUN_TYPES, runs)
            insert = f"insert into run ({RUN_COLUMNS}) select * from {listed} on conflict do nothing"
            inserted = self.db.run(insert, values)
            listed, values = unnest(_ROW_TYPES, list(rows.values()))
            self.db.run(_WRITE.replace("{ROWS}", listed), values)
            self.engine.drop([at for at, row in rows.items() if not row[0]])
        if inserted.rowcount != len(runs):
            self._squeeze_in(runs)

    def runs_after(self, position: int, *, limit: int = 1000) -> tuple[int, list[Run]]:
        """See the protocol. A position is the number of a transaction, whose runs come all at once: there may be a few
        more than ``limit``."""
        sql = (
            f"with next as (select tx from run where tx > ? and {_SETTLED} order by tx limit ?) "
            f"select tx, {RUN_COLUMNS} from run where tx > ? and tx <= (select max(tx) from next) order by tx, id"
        )
        rows = self.db.rows(sql, (position, limit, position))
        return (rows[-1][0] if rows else position), [read_run(row[1:]) for row in rows]

    def position(self) -> int:
        """See the protocol."""
        return int(self.db.rows(f"select coalesce(max(tx), 0) from run where {_SETTLED}")[0][0])
