"""pgqueuer as the engine: its queue lies beside the schedule, in the same database.

It is driven over the connection of whoever works, within that one's transactions: what it does is a statement or two,
so its coroutines never wait and can be run to their end at once. Its own statements install the tables and hand jobs
out; those here do what it has none for: move due slices in one statement, and end a job only for whose it is. The
contract tests hold each of them to the pinned release.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Collection, Coroutine, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.base.errors import StoreError
from reconciler.store.batches import unnest
from reconciler.store.database import Database
from reconciler.store.engine import Job, Offer
from reconciler.store.progress import progress, set_progress
from reconciler.store.schema import DIALECTS

if TYPE_CHECKING:
    from pgqueuer.domain.settings import DBSettings
    from pgqueuer.queries import Queries

T = TypeVar("T")

_LOG_SECONDS = 3600.0
"""Between two times at which the engine's log is emptied."""
_EMPTIED = """
create or replace function pgqueuer_log_emptied() returns void language plpgsql security definer as $$
begin
  truncate pgqueuer_log;
end $$;
do $$ begin
  execute format('alter function pgqueuer_log_emptied() set search_path to %I, pg_temp', current_schema());
end $$
"""

_LIVE = "status = any (array['queued'::pgqueuer_status, 'picked'::pgqueuer_status])"
_OFFER = f"""
with clock as materialized (select {{NOW}} as now),
due as materialized (
  select found.* from unnest(?::text[]) as wanted (region) cross join lateral (
    select place, region, due_at, slot, interval_ms, phase_ms from schedule
    where lease = 0 and paused = 0 and region = wanted.region and due_at <= (select now from clock)
    order by due_at limit ? for no key update skip locked) as found
  order by found.due_at limit ?),
tick as (
  select due.*, greatest(due_at, (ms - mod(ms - phase_ms, interval_ms))::float8 / 1000) as tick
  from due, (select round((select now from clock) * 1000)::bigint as ms) as clock_ms),
numbered as materialized (
  select sorted.*, nextval('pgqueuer_id_seq') as id from (select * from tick order by due_at) as sorted),
queued as (
  insert into pgqueuer (id, priority, entrypoint, payload, dedupe_key, status, execute_after)
  select id, 0, 'run:' || region, convert_to(place || ' ' || tick, 'UTF8'), place::text, 'queued', 'epoch'
  from numbered
  on conflict (dedupe_key) where {_LIVE} and dedupe_key is not null do nothing
  returning id),
moved as (
  update schedule s set lease = n.id, worker = ?, lease_for = ?, slot = n.tick,
    tries = case when s.slot = n.tick then s.tries else 0 end,
    due_at = (n.ms - mod(n.ms - n.phase_ms, n.interval_ms) + n.interval_ms)::float8 / 1000
  from (select numbered.*, round(tick * 1000)::bigint as ms from numbered join queued using (id)) as n
  where s.place = n.place
  returning n.id, s.place, s.system, s."check", s.environment, s.region, s.digest, s.interval_ms, s.slot, s.pace)
select * from moved
"""

_HOLD = """
update pgqueuer q set heartbeat = {AT}
from {MINE} as mine (place, lease) join schedule s on s.place = mine.place and s.lease = mine.lease
where q.dedupe_key = s.place::text and q.status = 'picked' and q.queue_manager_id = md5(s.worker)::uuid
returning s.lease
"""


@lru_cache(maxsize=1)
def settings() -> DBSettings:
    """The names of its tables, whatever the environment says. The log, which nobody would miss, isn't made durable."""
    from pgqueuer.domain.settings import DBSettings, Durability

    return DBSettings(
        prefix="",
        db_schema=None,
        channel="ch_pgqueuer",
        function="fn_pgqueuer_changed",
        statistics_table="pgqueuer_statistics",
        queue_status_type="pgqueuer_status",
        queue_table="pgqueuer",
        queue_table_log="pgqueuer_log",
        trigger="tg_pgqueuer_changed",
        schedules_table="pgqueuer_schedules",
        durability=Durability.balanced,
        widen_id=True,
    )


def manager(worker: str) -> uuid.UUID:
    """How the engine calls a worker; the same on any of its connections."""
    return uuid.UUID(hashlib.md5(worker.encode(), usedforsecurity=False).hexdigest())


def entrypoint(region: str) -> str:
    """How the engine calls the work of a region."""
    return f"run:{region}"


class _Driver:
    """The part of pgqueuer's driver that its statements need, over a connection that never makes anybody wait."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        found = self._run(query, args)
        rows = found.fetchall()  # in a pipeline nothing is known of the answer before
        names = [column.name for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def execute(self, query: str, *args: object) -> str:
        return str(self._run(query, args).statusmessage)

    def _run(self, query: str, args: Sequence[object]) -> Any:
        if self._db.now != DIALECTS["postgresql"]["NOW"]:  # somebody tells the time
            query = re.sub(r"\bNOW\(\)", _at(self._db), query)
        return self._db.run(_named(query), {f"p{n}": value for n, value in enumerate(args, 1)})


@lru_cache(maxsize=64)
def _named(query: str) -> str:
    return re.sub(r"\$(\d+)", r":p\1", query)


def _at(db: Database) -> str:
    return f"to_timestamp({db.now})"


def _done(coroutine: Coroutine[Any, Any, T]) -> T:
    """What it comes to. It doesn't wait for anything."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        found: T = end.value
        return found
    coroutine.close()
    raise AssertionError("a statement of the engine waited for something")


class PgQueuer:
    """Implements :class:`reconciler.store.engine.Engine`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        try:
            from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder
            from pgqueuer.queries import Queries
        except ImportError as error:
            raise StoreError(
                f"a PostgreSQL store needs an engine that isn't installed ({error.name or error})",
                hint="pip install 'gitops-reconciler[postgres]'",
            ) from error
        driver: Any = _Driver(db)
        self._queries: Queries = Queries(
            driver, qbe=QueryBuilderEnvironment(settings()), qbq=QueryQueueBuilder(settings())
        )

    def install(self) -> None:
        """See the protocol. Its triggers tell whoever listens of each change; here nobody does."""
        if _done(self._queries.schema_is_installed()):
            for statement in _done(self._queries.plan_upgrade()).statements:
                self._db.run(statement)
        else:
            self._db.run(self._queries.qbe.build_install_query(create_schema=False))
            self._db.run(self._queries.qbe.build_optimize_autovacuum_query())
        self._db.run(_EMPTIED)
        self._db.run(f"alter table pgqueuer disable trigger {settings().trigger}")

    def offer(self, worker: str, regions: Sequence[str], limit: int, *, lease: float) -> list[Offer]:
        """See the protocol."""
        sql = _OFFER.replace("{NOW}", self._db.now)
        rows = self._db.run(sql, (list(regions), limit, limit, worker, float(lease))).fetchall()
        return [Offer(row[0], row[1:]) for row in rows]

    def consume(self, worker: str, regions: Sequence[str], limit: int, *, silent: float) -> list[Job]:
        """See the protocol."""
        from pgqueuer.domain.types import QueueEntrypoint, QueueManagerId
        from pgqueuer.ports.repository import EntrypointExecutionParameter

        served = {QueueEntrypoint(entrypoint(r)): EntrypointExecutionParameter(concurrency_limit=0) for r in regions}
        timeout = timedelta(seconds=silent)
        jobs = _done(self._queries.dequeue(limit, served, QueueManagerId(manager(worker)), None, timeout))
        return [Job(job.id, int((job.payload or b"0").split()[0])) for job in jobs]

    def waiting(self, regions: Sequence[str], *, silent: float) -> bool:
        """See the protocol."""
        where = "select 1 from pgqueuer where entrypoint = any(?::text[])"
        sql = (
            f"select exists ({where} and status = 'queued') or exists ({where} and status = 'picked' "
            f"and heartbeat < {_at(self._db)} - make_interval(secs => ?))"
        )
        served = [entrypoint(r) for r in regions]
        return bool(self._db.rows(sql, (served, served, float(silent)))[0][0])

    def still(self, jobs: Collection[Job], worker: str) -> set[int]:
        """See the protocol."""
        sql = "select id from pgqueuer where id = any(?::bigint[]) and status = 'picked' and queue_manager_id = ?"
        return {row[0] for row in self._db.rows(sql, ([job.id for job in jobs], manager(worker)))}

    def hold(self, held: Collection[tuple[int, int]]) -> set[int]:
        """See the protocol."""
        mine, values = unnest(("bigint", "bigint"), sorted(held))
        sql = _HOLD.replace("{AT}", _at(self._db)).replace("{MINE}", mine)
        return {row[0] for row in self._db.rows(sql, values)}

    def drop(self, places: Collection[int]) -> None:
        """See the protocol."""
        if places:
            sql = f"delete from pgqueuer where dedupe_key = any(?::text[]) and {_LIVE}"
            self._db.run(sql, ([str(place) for place in sorted(places)],))

    def mend_clock(self) -> None:
        """See the protocol."""
        at = _at(self._db)
        self._db.run(f"update pgqueuer set heartbeat = {at} where status = 'picked' and heartbeat > {at}")

    def prune(self) -> None:
        """See the protocol. Emptying it takes no longer when it is full, which can't be said of deleting rows."""
        now = self._db.clock()
        if 0 <= now - progress(self._db, "engine log") < _LOG_SECONDS:
            return
        with self._db.transaction(lasting=False):
            self._db.run("select pgqueuer_log_emptied()")
            set_progress(self._db, "engine log", int(now))

    def depth(self, regions: Sequence[str]) -> int:
        """See the protocol."""
        sql = "select count(*) from pgqueuer where status = 'queued' and entrypoint = any(?::text[])"
        return int(self._db.rows(sql, ([entrypoint(r) for r in regions],))[0][0])

    def stop(self) -> None:
        """See the protocol. The connection is its owner's."""
