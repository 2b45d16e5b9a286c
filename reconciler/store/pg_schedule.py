"""Claims on PostgreSQL: what is due goes through the engine's queue, whose jobs are leased and taken over.

A claim is one transaction, which offers and consumes. What it gets beside its own offers was somebody else's: jobs of
workers that fell silent, or offers of one that ended before it consumed them. Those are taken over in a second
transaction, which gives each a lease of its own, so that whoever held it before can't write any more. Rows of the
schedule are always locked before jobs, and in the order of their places.

Claims are made to last: workers outlive a crash of the server, and one whose claim that undid would run beside another.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from reconciler.model.slice import SliceKey
from reconciler.store.batches import insisting, together, unnest
from reconciler.store.engine import Engine, Job
from reconciler.store.executing import Claim
from reconciler.store.grid import place
from reconciler.store.sql_schedule import CLAIMED, Schedule, lost


class PgSchedule(Schedule):
    """The part of :class:`reconciler.store.executing.Executing` about the schedule."""

    engine: Engine
    _lets_go_within = 0.0

    def claim(
        self, worker: str, limit: int, *, lease: float, regions: Sequence[str] = ("",), grace: float = 0.0
    ) -> list[Claim]:
        """See the protocol. Of workers with leases of different length the longest holds for all."""
        if limit < 1:
            return []
        self._let_go_within(lease)
        silent = lease + grace
        if self.engine.waiting(regions, silent=silent):
            longest = "select coalesce(max(lease_for), 0) from schedule where lease <> 0 and region = any(?::text[])"
            silent = max(silent, self.db.rows(longest, (list(regions),))[0][0] + grace)
        elif not self._anything(regions, 0.0):
            return []
        return insisting(lambda: self._claim(worker, limit, tuple(regions), lease, silent))

    def _let_go_within(self, lease: float) -> None:
        """Whoever falls silent amid a transaction holds rows in it, which others would wait for beyond its lease."""
        if lease != self._lets_go_within:
            sql = (
                "select set_config('idle_in_transaction_session_timeout', ?, false) from pg_settings "
                "where name = 'idle_in_transaction_session_timeout' and setting::bigint not between 1 and ?"
            )
            self.db.rows(sql, (f"{lease * 1000:.0f}", int(lease * 1000)))
            self._lets_go_within = lease

    def _anything(self, regions: Sequence[str], grace: float) -> bool:
        sql = (
            "select exists (select 1 from unnest(?::text[]) as wanted (region) cross join lateral ("
            "select 1 from schedule where lease = 0 and paused = 0 and region = wanted.region and due_at <= ? limit 1"
            ") as due)"
        )
        return bool(self.db.rows(sql, (list(regions), self.db.clock()))[0][0])

    def _claim(self, worker: str, limit: int, regions: tuple[str, ...], lease: float, silent: float) -> list[Claim]:
        with self.db.transaction(), together(self.db):
            followed = self.db.run("select n from progress where what = 'generation'")
            offered = {offer.job: offer.row for offer in self.engine.offer(worker, regions, limit, lease=lease)}
            jobs = self.engine.consume(worker, regions, limit, silent=silent)
            generation = int((followed.fetchone() or (0,))[0])
        found, others = {}, []
        for job in jobs:
            row = offered.get(job.id)
            if row is None:
                others.append(job)
            else:
                found[job.id] = _claimed(row, job.id, generation, expired=False)
        if others:
            found |= self._take_over(worker, others, generation, lease)
        return [found[job.id] for job in jobs if job.id in found]

    def _take_over(self, worker: str, jobs: Sequence[Job], generation: int, lease: float) -> dict[int, Claim]:
        places = {job.place: job.id for job in jobs}
        with self.db.transaction():
            rows = {
                row[0]: row
                for row in self.db.rows(
                    f"select {CLAIMED} from schedule where place = any(?::bigint[]) order by place for no key update",
                    (sorted(places),),
                )
            }
            # A job that was ended meanwhile is gone by now, as that takes the row's lock too.
            still = self.engine.still(jobs, worker)
            self.engine.drop([p for p, job in places.items() if job in still and (p not in rows or not rows[p][9])])
            mine = [rows[p] for p in sorted(places) if places[p] in still and p in rows and rows[p][9]]
            mine, beyond = lost(mine, worker)
            self._put_aside(beyond, generation)
            self.engine.drop([row[0] for row in beyond])
            leases = self._leased(worker, mine, lease)
        return {places[row[0]]: _claimed(row, leases[row[0]], generation, expired=bool(row[10])) for row in mine}

    def _leased(self, worker: str, rows: Sequence[tuple[Any, ...]], lease: float) -> dict[int, int]:
        """A new lease for each."""
        if not rows:
            return {}
        given, values = unnest(("bigint", "bigint"), [(row[0], row[11]) for row in rows])
        return dict(
            self.db.rows(
                "update schedule s set lease = nextval('pgqueuer_id_seq'), worker = ?, lease_for = ?, tries = n.tries "
                f"from {given} as n (place, tries) where s.place = n.place returning s.place, s.lease",
                (worker, float(lease), *values),
            )
        )

    def renew(self, claims: Collection[Claim], *, lease: float) -> set[int]:
        """See the protocol."""
        if not claims:
            return set()
        return insisting(lambda: self._renewed([(place(c.key, c.region), c.lease) for c in claims]))

    def _renewed(self, held: Collection[tuple[int, int]]) -> set[int]:
        with self.db.transaction(lasting=False):
            return self.engine.hold(held)

    def give_back(self, claims: Collection[Claim], *, again: bool) -> None:
        """See the protocol."""
        if claims:
            insisting(lambda: self._give_back(sorted((place(c.key, c.region), c.lease) for c in claims), again))

    def _give_back(self, held: Sequence[tuple[int, int]], again: bool) -> None:
        given, values = unnest(("bigint", "bigint"), held)
        with self.db.transaction(lasting=False):
            mine = self.db.rows(
                f"select s.place from schedule s join {given} as n (place, lease) on s.place = n.place "
                "and s.lease = n.lease order by s.place for no key update of s",
                values,
            )
            places = [row[0] for row in mine]
            due = "slot" if again else "due_at"
            self.db.run(
                f"update schedule set lease = 0, worker = '', due_at = {due} where place = any(?::bigint[])", (places,)
            )
            self.engine.drop(places)

    def set_paces(self, paces: Collection[tuple[SliceKey, str, str]]) -> None:
        """See the protocol."""
        if paces:
            insisting(lambda: super(PgSchedule, self).set_paces(paces))

    def mend_clock(self) -> int:
        """See the protocol."""
        return insisting(self._mend_clock)

    def _mend_clock(self) -> int:
        with self.db.transaction(lasting=False, locks=("clock",)):
            mended = self._mend()
            self.engine.mend_clock()
        return mended


def _claimed(row: tuple[Any, ...], lease: int, generation: int, *, expired: bool) -> Claim:
    _, system, check, environment, region, digest, interval_ms, slot, pace = row[:9]
    return Claim(
        SliceKey(system, check, environment), region, digest, generation, interval_ms, slot, lease, pace, expired
    )
