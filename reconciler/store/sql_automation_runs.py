"""Runs of automations that go on: leased to one worker each, kept as they go, and put aside while they wait."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from reconciler.base.canonical import loads
from reconciler.store.automating import ArtifactRow, Claimed, Kept, WaitRow
from reconciler.store.database import Database
from reconciler.store.progress import progress, set_progress
from reconciler.store.sql_automation_start import end, next_in_line, text_of

_CLAIMED = "id, automation, generation, digest, trigger_id, detail, context_key, created, snapshot, tries"
_WAIT = "path, kind, event, context_key, due_at, armed_at, resumed_at, payload"
_STEP = "run, seq, path, block, action, step_id, status, at, ended, attempts, result, error"
_ARTIFACT = "type, step_id, value, context_key, run, at"
_LEASES = "automation lease"
_ENDS = frozenset({"success", "failed"})


class RunsGoing:
    """The part of :class:`reconciler.store.automating.Automating` about runs that go on."""

    db: Database

    def claim(self, worker: str, limit: int, *, lease: float) -> list[Claimed]:
        """See the protocol. A claim needn't outlive a power cut: there are no workers after one."""
        if limit < 1:
            return []
        with self.db.transaction(lasting=False, locks=("automation runs",)):
            now = self.db.clock()
            # What somebody is changing just now is left for the next time, as nobody is to wait for two at once.
            free = "" if self.db.dialect == "sqlite" else " for update skip locked"
            ran_out = self.db.rows(
                "select id from automation_run where lease <> 0 and lease_until <= ? "
                f"order by lease_until limit ?{free}",
                (now, limit),
            )
            ready = self.db.rows(
                "select id from automation_run where ended is null and lease = 0 and ready_at <= ? "
                f"order by ready_at, id limit ?{free}",
                (now, limit - len(ran_out)),
            )
            wanted = [row[0] for row in (*ran_out, *ready)]
            if not wanted:
                return []
            lease_number = progress(self.db, _LEASES) + 1
            set_progress(self.db, _LEASES, lease_number)
            # Whoever cancelled one of them meanwhile was first; what its old worker still kept is read after that.
            rows = self.db.rows(
                "update automation_run set lease = ?, worker = ?, lease_until = ?, ready_at = null, "
                "started = coalesce(started, ?), status = 'running', "
                "tries = case when lease <> 0 then tries + 1 else tries end where ended is null "
                f"and id in ({', '.join('?' * len(wanted))}) returning {_CLAIMED}",
                (lease_number, worker, now + lease, now, *wanted),
            )
        late = {row[0] for row in ran_out}
        rows.sort(key=lambda row: wanted.index(row[0]))
        return [self._claimed(row, lease_number, expired=row[0] in late) for row in rows]

    def _claimed(self, row: tuple[Any, ...], lease: int, *, expired: bool) -> Claimed:
        run, automation, generation, digest, trigger_id, detail, context_key, created, snapshot, tries = row
        steps = self.db.rows("select coalesce(max(seq), 0) from automation_step where run = ?", (run,))[0][0]
        return Claimed(
            run,
            lease,
            automation,
            generation,
            digest,
            self.body(automation, digest),
            trigger_id,
            loads(detail),
            context_key,
            created,
            snapshot.encode() if snapshot is not None else None,
            self.run_waits(run),
            self.artifacts(automation, context_key or ""),
            steps,
            expired,
            tries,
        )

    def body(self, automation: int, digest: str) -> bytes | None:
        """See the protocol."""
        sql = "select body from resource where uid = ? and digest = ? order by since desc limit 1"
        rows = self.db.rows(sql, (automation, digest))
        return rows[0][0].encode() if rows else None

    def renew(self, runs: Collection[tuple[int, int]], *, lease: float) -> set[int]:
        """See the protocol."""
        held = set()
        if runs:
            with self.db.transaction(lasting=False):
                until = self.db.clock() + lease
                sql = "update automation_run set lease_until = ? where id = ? and lease = ?"
                held = {run for run, number in sorted(runs) if self.db.run(sql, (until, run, number)).rowcount}
        return held

    def keep(self, changes: Sequence[Kept]) -> list[bool]:
        """See the protocol."""
        if not changes:
            return []
        locks = {f"automation:{each.automation}" for each in changes if each.then in _ENDS}
        with self.db.transaction(locks=sorted(locks)):
            now = self.db.clock()
            # In one order everywhere, as each of them is locked.
            ours = {
                at: self._keep(changes[at], now) for at in sorted(range(len(changes)), key=lambda i: changes[i].run)
            }
            return [ours[at] for at in range(len(changes))]

    def _keep(self, each: Kept, now: float) -> bool:
        # First of all its row is taken, so that nobody can wake or cancel it meanwhile.
        held = "update automation_run set tries = 0 where id = ? and lease = ? returning lane, context_key"
        row = next(iter(self.db.rows(held, (each.run, each.lease))), None)
        if row is None:
            return False
        lane, context_key = row
        self._write(each, context_key or "", now)
        if each.then in _ENDS:
            end(self.db, each.run, each.then, each.reason, now)
            next_in_line(self.db, each.automation, lane, now)
        elif each.then != "on":
            self._put_aside(each, now)
        return True

    def _write(self, each: Kept, context_key: str, now: float) -> None:
        if each.steps:
            self.db.many(
                f"insert into automation_step ({_STEP}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "on conflict (run, seq) do update set status = excluded.status, ended = excluded.ended, "
                "attempts = excluded.attempts, result = excluded.result, error = excluded.error",
                [(each.run, *s[:9], text_of(s.result), s.error) for s in each.steps],
            )
        if each.snapshot is not None:
            sql = "update automation_run set snapshot = ? where id = ?"
            self.db.run(sql, (each.snapshot.decode(), each.run))
            self._write_waits(each)
        if each.artifacts:
            self.db.many(
                "insert into artifact (automation, context_key, type, run, step_id, value, at) "
                "values (?, ?, ?, ?, ?, ?, ?) on conflict (automation, context_key, type) do update set "
                "run = excluded.run, step_id = excluded.step_id, value = excluded.value, at = excluded.at",
                [(each.automation, context_key, t, each.run, s, text_of(v), now) for t, s, v in each.artifacts],
            )

    def _write_waits(self, each: Kept) -> None:
        """Those there are now. One whose event came while its run was under way stays over."""
        there = {wait.path: wait for wait in self.run_waits(each.run)}
        gone = there.keys() - {wait.path for wait in each.waits}
        self.db.many("delete from automation_wait where run = ? and path = ?", [(each.run, path) for path in gone])
        new = [wait for wait in each.waits if wait.path not in there or _anew(there[wait.path], wait)]
        self.db.many(
            f"insert into automation_wait (run, {_WAIT}) values (?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "on conflict (run, path) do update set kind = excluded.kind, event = excluded.event, "
            "context_key = excluded.context_key, due_at = excluded.due_at, armed_at = excluded.armed_at, "
            "resumed_at = excluded.resumed_at, payload = excluded.payload",
            [(each.run, *w[:7], text_of(w.payload)) for w in new],
        )

    def _put_aside(self, each: Kept, now: float) -> None:
        """Ready at once, when it is for others, when something woke it while it was under way, or a wait is over."""
        woken = self.db.rows("select ready_at from automation_run where id = ?", (each.run,))[0][0] is not None
        waits = self.run_waits(each.run)
        due = min((wait.due_at for wait in waits if wait.due_at is not None), default=None)
        ready = now if woken or each.then == "released" or any(w.resumed_at is not None for w in waits) else due
        self.db.run(
            "update automation_run set status = ?, lease = 0, worker = '', lease_until = 0, ready_at = ? where id = ?",
            ("waiting" if waits else "pending", ready, each.run),
        )

    def cancel(self, run: int, *, reason: str) -> bool:
        """See the protocol."""
        which = "select automation, lane from automation_run where id = ? and ended is null"
        row = next(iter(self.db.rows(which, (run,))), None)
        if row is None:
            return False
        with self.db.transaction(locks=(f"automation:{row[0]}",)):
            if not self.db.rows(which, (run,)):
                return False
            now = self.db.clock()
            end(self.db, run, "cancelled", reason, now)
            next_in_line(self.db, row[0], row[1], now)
        return True

    def mend_clock(self, *, lease: float) -> None:
        """See the protocol."""
        with self.db.transaction(lasting=False, locks=("automation runs",)):
            now = self.db.clock()
            self.db.run(
                "update automation_run set lease_until = ? where lease <> 0 and lease_until > ?",
                (now + lease, now + lease),
            )
            self.db.run(
                "update automation_run set ready_at = ? where ended is null and lease = 0 and ready_at > ?", (now, now)
            )
            self.db.run(
                "update automation_wait set due_at = due_at - (armed_at - ?), armed_at = ? where armed_at > ?",
                (now, now, now),
            )

    def run_waits(self, run: int) -> list[WaitRow]:
        """See the protocol."""
        rows = self.db.rows(f"select {_WAIT} from automation_wait where run = ? order by armed_at, path", (run,))
        return [WaitRow._make((*row[:7], None if row[7] is None else loads(row[7]))) for row in rows]

    def artifacts(self, automation: int, context_key: str | None = None) -> list[ArtifactRow]:
        """See the protocol."""
        sql, values = f"select {_ARTIFACT} from artifact where automation = ?", [automation]
        if context_key is None:
            rows = self.db.rows(f"{sql} order by at desc", values)
        else:
            rows = self.db.rows(f"{sql} and context_key = ? order by at desc", (automation, context_key))
        return [ArtifactRow(row[0], row[1], loads(row[2]), *row[3:]) for row in rows]


def _anew(was: WaitRow, now: WaitRow) -> bool:
    """Whether a wait at the same place is another, or waits for another moment."""
    return was.armed_at != now.armed_at or (was.resumed_at is None and was[1:5] != now[1:5])
