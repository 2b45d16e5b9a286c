"""The hands of automations, put together from their parts; here what happened, and who leads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from reconciler.base.canonical import loads
from reconciler.base.errors import StoreError
from reconciler.model.remembered import Remembered
from reconciler.store.automating import AutomationRow, Decided, EventRow, EventWait, Look, NotLeading, Settled
from reconciler.store.database import Database
from reconciler.store.executing import Transition
from reconciler.store.posting import LISTENING, post_event
from reconciler.store.progress import progress, set_progress
from reconciler.store.sql_automation_health import HealthRows
from reconciler.store.sql_automation_look import RunsSeen
from reconciler.store.sql_automation_names import NamesKept
from reconciler.store.sql_automation_runs import RunsGoing
from reconciler.store.sql_automation_start import begin, take, text_of, wake
from reconciler.store.sql_health import TRANSITION, read_transition

_TRIGGERS = "triggers"
_EVENT = "id, name, context_key, automation, payload, actor, at"
_STATE = "automation, trigger_index, what, part, due_at, digest, value"
_STATE_KEY = "automation = ? and trigger_index = ? and what = ? and part = ?"


class SqlAutomating(RunsGoing, RunsSeen, HealthRows, NamesKept):
    """Implements :class:`reconciler.store.automating.Automating`."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def now(self) -> float:
        """See the protocol."""
        return self.db.clock()

    def generation(self) -> int:
        """See the protocol."""
        if self.db.replaced():
            raise StoreError(f"the store {self.db.path} isn't the file any more that was opened", hint="open it again")
        return int(self.db.rows("select coalesce(max(n), 0) from generation")[0][0])

    def automations(self) -> list[AutomationRow]:
        """See the protocol."""
        rows = self.db.rows(
            "select uid, name, source, since, digest, body from resource where until is null and kind = 'Automation' "
            "and status <> 'orphaned' order by name"
        )
        return [AutomationRow._make((*row[:5], row[5].encode())) for row in rows]

    # -- what happened -------------------------------------------------------------------------------------------------

    def post(
        self,
        name: str,
        payload: Mapping[str, Any],
        *,
        context_key: str | None = None,
        actor: str = "",
        automation: int = 0,
    ) -> int:
        """See the protocol."""
        with self.db.transaction():
            return post_event(self.db, name, payload, context_key=context_key, actor=actor, automation=automation)

    def look(self) -> Look:
        """See the protocol."""
        row = self.db.rows(
            f"select {self.db.now}, (select coalesce(max(n), 0) from generation), "
            "exists (select 1 from event where handled_at is null), "
            "exists (select 1 from transition where handled_at is null), "
            "(select min(due_at) from trigger_state where due_at is not null), "
            "(select min(ready_at) from automation_run where ended is null and lease = 0), "
            "(select min(lease_until) from automation_run where lease <> 0)"
        )[0]
        ready = [at for at in row[5:] if at is not None]
        return Look(row[0], row[1], bool(row[2] or row[3]), row[4], min(ready, default=None))

    def happened(self, limit: int) -> tuple[list[EventRow], list[Transition]]:
        """See the protocol."""
        which = "where handled_at is null order by id limit ?"
        events = self.db.rows(f"select {_EVENT} from event {which}", (limit,))
        transitions = self.db.rows(f"select id, {TRANSITION} from transition {which}", (limit,))
        return (
            [EventRow._make((*row[:4], loads(row[4]), *row[5:])) for row in events],
            [read_transition(row) for row in transitions],
        )

    def states(self) -> list[Remembered]:
        """See the protocol."""
        rows = self.db.rows(f"select {_STATE} from trigger_state")
        return [Remembered._make((*row[:6], loads(row[6]))) for row in rows]

    def waits(self, events: Collection[str], *, until: bool) -> list[EventWait]:
        """See the protocol."""
        sql = (
            "select w.run, r.automation, r.digest, w.path, w.event, w.context_key, r.context_key, w.armed_at "
            "from automation_wait w join automation_run r on r.id = w.run where r.ended is null and "
        )
        found = []
        for event in sorted(set(events)):
            found += self.db.rows(f"{sql} w.resumed_at is null and w.event = ?", (event,))
        if until:
            found += self.db.rows(f"{sql} w.kind = 'until' and w.resumed_at is null")
        return [EventWait(*row) for row in found]

    def listen(self, *, failures: bool) -> None:
        """See the protocol."""
        if bool(progress(self.db, LISTENING)) != failures:
            with self.db.transaction(lasting=False):
                set_progress(self.db, LISTENING, int(failures))

    # -- leadership ----------------------------------------------------------------------------------------------------

    def lead(self, worker: str, *, lease: float) -> int | None:
        """See the protocol. A lease that is half used is renewed; until then this only reads."""
        sql = "select worker, until, fence from leader where what = ?"
        now = self.db.clock()
        row = next(iter(self.db.rows(sql, (_TRIGGERS,))), None)
        if row is not None and row[1] > now + (lease / 2 if row[0] == worker else 0.0) and row[1] <= now + lease:
            return int(row[2]) if row[0] == worker else None
        with self.db.transaction(lasting=False, locks=("leader",)):
            now = self.db.clock()
            row = next(iter(self.db.rows(sql, (_TRIGGERS,))), None)
            # One that is further off than it can be was written before the clock stepped back.
            if row is not None and row[0] != worker and now < row[1] <= now + 2 * lease:
                return None
            fence = 1 if row is None else row[2] + (row[0] != worker)
            self.db.run(
                "insert into leader (what, worker, until, fence) values (?, ?, ?, ?) on conflict (what) do update set "
                "worker = excluded.worker, until = excluded.until, fence = excluded.fence",
                (_TRIGGERS, worker, now + lease, fence),
            )
        return int(fence)

    def abdicate(self, worker: str) -> None:
        """See the protocol."""
        with self.db.transaction(lasting=False, locks=("leader",)):
            self.db.run("update leader set until = 0 where what = ? and worker = ?", (_TRIGGERS, worker))

    def settle(self, worker: str, fence: int, done: Settled) -> list[Decided]:
        """See the protocol. It needn't outlive a power cut: that undoes all of it, and it is done again."""
        locks = {f"automation:{start.automation}" for start in done.starts}
        with self.db.transaction(lasting=False, locks=("leader", *sorted(locks))):
            leads = "select 1 from leader where what = ? and worker = ? and fence = ?"
            if not self.db.rows(leads, (_TRIGGERS, worker, fence)):
                raise NotLeading
            now = self.db.clock()
            for table, ids in (("event", done.events), ("transition", done.transitions)):
                if ids:
                    self.db.many(f"update {table} set handled_at = ? where id = ?", [(now, i) for i in ids])
            self._remember(done)
            take(self.db, done.starts, done.wakes)
            decided = [begin(self.db, start, now) for start in done.starts]
            for each in sorted(done.wakes, key=lambda one: one.run):
                wake(self.db, each, now)
        return decided

    def _remember(self, done: Settled) -> None:
        if done.dropped:
            self.db.many(f"delete from trigger_state where {_STATE_KEY}", done.dropped)
        if done.states:
            self.db.many(
                f"insert into trigger_state ({_STATE}) values (?, ?, ?, ?, ?, ?, ?) on conflict (automation, "
                "trigger_index, what, part) do update set due_at = excluded.due_at, digest = excluded.digest, "
                "value = excluded.value",
                [(*s[:6], text_of(s.value)) for s in done.states],
            )

    def close(self) -> None:
        """See the protocol."""
        with self.db.translated():
            self.db.close()
