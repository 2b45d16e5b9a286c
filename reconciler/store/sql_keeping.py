"""What becomes of runs: aggregates of each hour and each day, and the end of what is older than its retention.

A run counts for the hour in which it was due. Before an hour is condensed, the mark ``condensed`` moves past it, in a
transaction of its own: the runs of that hour are settled then, as whoever records one of them later sees the mark and
says that it is late. So the hours can be read and condensed without holding the write lock; it is taken to store
them, and the slice's own mark tells whether somebody else has done so meanwhile. Late runs are added one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from reconciler.base.canonical import dumps, loads
from reconciler.model.run import Run
from reconciler.model.slice import SliceKey
from reconciler.store.database import Database
from reconciler.store.executing import Aggregate
from reconciler.store.metrics import measure, merged
from reconciler.store.progress import progress, set_progress
from reconciler.store.sql_runs import RUN_COLUMNS, read_run
from reconciler.store.sql_schedule import KEY, WHERE

HOUR, DAY = 3600, 86_400
SPANS = {"hour": HOUR, "day": DAY}
_SETTLING_SECONDS = 60
"""An hour is condensed this long after its end, by when hardly a run of it is still under way."""

_AT_A_TIME = 20
"""Slices stored in one transaction: others wait for it."""

_FOREVER = 1e15
_AGGREGATE = f"{KEY}, span, start, healthy, degraded, unhealthy, metrics"

Place = tuple[int, int, int, str]
"""A slice's key and its region."""


class Keeping:
    """The part of :class:`reconciler.store.executing.Executing` about aggregates."""

    db: Database

    def condense(self, *, limit: int = 500) -> int:
        """See the protocol."""
        over = self._settle()
        places = self.db.rows(
            f"select {KEY}, condensed, gone from keeping where condensed < ? order by condensed limit ?", (over, limit)
        )
        for start in range(0, len(places), _AT_A_TIME):
            made = [(row, *self._hours(row[:4], row[4], over)) for row in places[start : start + _AT_A_TIME]]
            with self.db.transaction(lasting=False):
                for row, hours, until in made:
                    self._store(row, hours, until)
        return len(places) + self._add_late(limit)

    def _settle(self) -> int:
        """Let the hours that are over be settled; returns until when they are."""
        with self.db.transaction(lasting=False):
            over = self._over()
            set_progress(self.db, "condensed", over)
        return over

    def _over(self) -> int:
        """A clock that stepped back doesn't make settled hours unsettled."""
        return max(int(_floor(self.db.clock() - _SETTLING_SECONDS, HOUR)), progress(self.db, "condensed"))

    def _hours(self, place: Place, since: float, over: int) -> tuple[list[Aggregate], float]:
        """The next hours of a slice that are to be condensed, and until when: a day of runs is read at most."""
        settled = f"from run where {WHERE} and slot >= ? and slot < ? and late = 0"
        first = self.db.rows(f"select min(slot) {settled}", (*place, since, over))[0][0]
        if first is None:
            return [], float(over)
        until = min(_floor(first, DAY) + DAY, float(over))
        with self.db.translated():
            rows = self.db.run(f"select {RUN_COLUMNS} {settled} order by slot", (*place, first, until))
            return list(_aggregates(place, map(read_run, rows))), until

    def _store(self, row: tuple[Any, ...], hours: Iterable[Aggregate], over: float) -> None:
        place, was, gone = row[:4], row[4], row[5]
        # The last day of a slice that is gone is made once it is over; there is nothing to do for it after that.
        mark = _FOREVER if gone is not None and gone < _floor(over, DAY) else over
        moved = self.db.run(f"update keeping set condensed = ? where {WHERE} and condensed = ?", (mark, *place, was))
        if not moved.rowcount:
            return
        for hour in hours:
            self._add(hour)
        for day in self._days(place, _floor(was, DAY), _floor(over, DAY)):
            self._add(day)

    def _days(self, place: Place, since: float, until: float) -> Iterator[Aggregate]:
        """The days that are over, from their hours."""
        if since >= until:
            return
        hours = self._stored(f"{WHERE} and span = 'hour' and start >= ? and start < ?", (*place, since, until))
        for start, of_day in groupby(hours, lambda hour: _floor(hour.start, DAY)):
            yield _together(list(of_day), "day", start)

    def _add(self, new: Aggregate) -> None:
        """Store an aggregate, together with what a late run has put there before, or the other way round."""
        which = (*new.key, new.region, new.span, new.start)
        there = self._stored(f"{WHERE} and span = ? and start = ?", which)
        whole = _together([*there, new], new.span, new.start) if there else new
        self.db.run(
            f"insert into aggregate ({_AGGREGATE}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict "
            '(system, "check", environment, span, start, region) do update set healthy = excluded.healthy, '
            "degraded = excluded.degraded, unhealthy = excluded.unhealthy, metrics = excluded.metrics",
            (*which, whole.healthy, whole.degraded, whole.unhealthy, dumps(whole.metrics).decode()),
        )

    def _add_late(self, limit: int) -> int:
        """Add runs that came after their hour was condensed; to its day as well where that is made already."""
        late = f"select {RUN_COLUMNS}, id from run where late = 1 order by id limit ?"
        if not self.db.rows(late, (1,)):
            return 0
        with self.db.transaction(lasting=False):
            rows = self.db.rows(late, (limit,))
            places: dict[Place, list[Run]] = {}
            for run in (read_run(row[:-1]) for row in rows):
                places.setdefault((*run.key, run.region), []).append(run)
            for place, runs in places.items():
                mark = self.db.rows(f"select condensed from keeping where {WHERE}", place)
                made = _floor(mark[0][0], DAY) if mark else 0.0
                for hour in _aggregates(place, sorted(runs, key=lambda run: run.slot)):
                    self._add(hour)
                    day = _floor(hour.start, DAY)
                    if day < made:
                        self._add(_together([hour], "day", day))
            # Not 0: the pass of its slice, which may be still to come, must not count it again.
            self.db.many("update run set late = 2 where id = ? and late = 1", ((row[-1],) for row in rows))
        return len(places)

    def aggregates(self, key: SliceKey, *, span: str, since: float = 0.0, region: str | None = None) -> list[Aggregate]:
        """See the protocol."""
        where, values = (
            'system = ? and "check" = ? and environment = ? and span = ? and start >= ?',
            (*key, span, since),
        )
        if region is None:
            return self._stored(where, values)
        return self._stored(f"{where} and region = ?", (*values, region))

    def _stored(self, where: str, values: tuple[Any, ...]) -> list[Aggregate]:
        rows = self.db.rows(f"select {_AGGREGATE} from aggregate where {where} order by start, region", values)
        return [_aggregate(row) for row in rows]

    def prune(self, *, limit: int = 5000) -> int:
        """See the protocol."""
        from reconciler.store.pruning import prune

        return prune(self.db, limit)


def _aggregate(row: tuple[Any, ...]) -> Aggregate:
    system, check, environment, region, span, start, healthy, degraded, unhealthy, metrics = row
    key = SliceKey(system, check, environment)
    return Aggregate(key, region, span, start, healthy, degraded, unhealthy, loads(metrics))


def _floor(at: float, span: int) -> float:
    return float(at // span * span)


def _aggregates(place: Place, runs: Iterable[Run]) -> Iterator[Aggregate]:
    """Of each hour of one slice; ``runs`` are in order."""
    for start, of_hour in groupby(runs, lambda run: _floor(run.slot, HOUR)):
        listed = list(of_hour)
        came = [run.outcome for run in listed]
        counts = (came.count("healthy"), came.count("degraded"), came.count("unhealthy"))
        yield Aggregate(SliceKey(*place[:3]), place[3], "hour", start, *counts, measure(listed, "hour"))


def _together(parts: list[Aggregate], span: str, start: float) -> Aggregate:
    counts = (sum(p.healthy for p in parts), sum(p.degraded for p in parts), sum(p.unhealthy for p in parts))
    return Aggregate(parts[0].key, parts[0].region, span, start, *counts, merged([p.metrics for p in parts], span))
