"""The writing half: one plan, one transaction."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from reconciler.base.canonical import dumps
from reconciler.base.errors import StalePlan
from reconciler.model.plan import Action, Plan
from reconciler.model.resource import Resource
from reconciler.store.database import MEMORY
from reconciler.store.lock import file_lock
from reconciler.store.rows import RESOURCE_COLUMNS, add_seals, edge_rows, resource_extra, resource_seal, slice_seal
from reconciler.store.sql_reader import SqlReader

GENERATION = "gitops_generation"
"""The lock under which the generation is compared and moves on, and the channel on which that is told."""
_LIVES_ON = (Action.ORPHAN, Action.MOVE, Action.UPDATE, Action.CREATE)


class SqlStore(SqlReader):
    """Implements :class:`reconciler.store.port.Writer`."""

    @contextmanager
    def lock(self, *, actor: str, timeout: float, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
        """See the port. A store in memory has one user."""
        if self.db.path == MEMORY:
            yield
            return
        if self.db.dialect == "postgresql":
            from reconciler.store.pg_lock import apply_lock

            with apply_lock(self.db, actor=actor, timeout=timeout, waiting=waiting):
                yield
            return
        path, host = f"{self.db.path}.lock", socket.gethostname()
        with file_lock(path, actor=actor, host=host, timeout=timeout, waiting=waiting):
            yield

    def apply(self, plan: Plan, *, actor: str, host: str, started: float) -> int:
        """See the port."""
        with self.db.transaction(locks=(GENERATION,)):
            base = self.generation()
            if base != plan.base:
                raise StalePlan(plan.base, base)
            n = base + 1 if plan.pending else base
            with self.db.unwatched():
                sealed = self._write_resources(plan, n) + self._write_slices(plan, n)
                self._write_position(plan)
                if plan.pending:
                    self._write_generation(plan, n, sealed, actor=actor, host=host, started=started)
                # What was written since the plan was made is for the next one.
                self.db.run(
                    "delete from outside where id in "
                    "(select id from outside where source in (?, '') order by id limit ?)",
                    (plan.source, plan.outside),
                )
            if plan.pending:
                self.db.tell(GENERATION, str(n))
        return n

    def _write_resources(self, plan: Plan, n: int) -> int:
        """Close and insert row versions; returns the difference to the seal."""
        closed, inserted, moved, edges_gone = [], [], [], []
        edges: list[tuple[object, ...]] = []
        sealed = 0
        for change in plan.resources:
            if change.old is not None and change.action is not Action.KEEP:
                closed.append((n, change.uid))
                sealed -= resource_seal(change.uid, change.old.resource.digest, change.old.status)
            if change.old is not None or plan.outside:  # what somebody deleted has left its edges
                edges_gone.append((change.uid,))
            resource = change.new if change.action is not Action.ORPHAN else change.old and change.old.resource
            if resource is None:
                continue
            if change.action is Action.KEEP:
                moved.append((resource.path, resource.nth, resource.line, resource_extra(resource), change.uid))
            elif change.action in _LIVES_ON:
                status = "orphaned" if change.action is Action.ORPHAN else "active"
                inserted.append(_row(change.uid, resource, status, n))
                sealed += resource_seal(change.uid, resource.digest, status)
            edges.extend(edge_rows(change.uid, resource))
        self.db.many("update resource set until = ? where uid = ? and until is null", closed)
        self.db.many(
            "update resource set path = ?, idx = ?, line = ?, extra = ? where uid = ? and until is null", moved
        )
        self.db.many(f"insert into resource ({RESOURCE_COLUMNS}) values ({','.join('?' * 13)})", sorted(inserted))
        self.db.many("delete from edge where from_uid = ?", edges_gone)
        self.db.many("insert into edge values (?, ?, ?, ?, ?, ?)", sorted(edges))
        return sealed

    def _write_slices(self, plan: Plan, n: int) -> int:
        sealed = 0
        ordered = sorted(plan.slices, key=lambda c: c.key)
        for change in ordered:
            if change.old_digest:
                sealed -= slice_seal(change.key, change.old_digest)
            if change.digest:
                sealed += slice_seal(change.key, change.digest)
        self.db.many(
            'update slice set until = ? where system = ? and "check" = ? and environment = ? and until is null',
            ((n, *c.key) for c in ordered if c.action is not Action.CREATE),
        )
        self.db.many(
            'insert into slice (system, "check", environment, since, digest, body) values (?, ?, ?, ?, ?, ?)',
            ((*c.key, n, c.digest, c.body.decode()) for c in ordered if c.action is not Action.DELETE),
        )
        return sealed

    def _write_position(self, plan: Plan) -> None:
        self.db.run(
            'insert into source (name, "commit", tree, inputs, held, totals, at) '
            f"values (?, ?, ?, ?, ?, ?, {self.db.now}) "
            'on conflict (name) do update set "commit" = excluded."commit", tree = excluded.tree, '
            "inputs = excluded.inputs, held = excluded.held, totals = excluded.totals, at = excluded.at",
            (plan.source, plan.commit, plan.tree, plan.inputs, plan.hold, dumps(asdict(plan.totals)).decode()),
        )
        if plan.forget_blobs:
            self.db.run("delete from blob where source = ?", (plan.source,))
        gone = ((plan.source, b.path) for b in plan.blobs if not b.sha)
        self.db.many("delete from blob where source = ? and path = ?", gone)
        self.db.many(
            "insert into blob (source, path, sha, documents, passed_over, warnings) values (?, ?, ?, ?, ?, ?) "
            "on conflict (source, path) do update set sha = excluded.sha, documents = excluded.documents, "
            "passed_over = excluded.passed_over, warnings = excluded.warnings",
            sorted((plan.source, *b[:4], b.warnings.decode()) for b in plan.blobs if b.sha),
        )

    def _write_generation(self, plan: Plan, n: int, sealed: int, *, actor: str, host: str, started: float) -> None:
        before = self._one("select seal from generation where n = ?", (plan.base,))
        seal = self.seal() if plan.outside else add_seals(before[0] if before else "", sealed)
        top = max((c.uid for c in plan.resources), default=0) + 1
        self.db.run(
            'insert into generation (n, parent, at, actor, host, kind, source, "commit", tree, duration_ms, counts, '
            f"seal, note, next_uid) values (?, ?, {self.db.now}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                n,
                plan.base or None,
                actor,
                host,
                plan.kind,
                plan.source,
                plan.commit,
                plan.tree,
                (time.monotonic() - started) * 1000.0,
                dumps(plan.counts).decode(),
                seal,
                plan.note,
                max(top, self.next_uid()),
            ),
        )

    def grant(self, source: str, what: str, pattern: str, *, actor: str) -> None:
        """See the port."""
        with self.db.transaction():
            self.db.run(
                f"insert into source_grant (source, what, pattern, at, actor) values (?, ?, ?, {self.db.now}, ?) "
                "on conflict (source, what, pattern) do nothing",
                (source, what, pattern, actor),
            )

    def revoke(self, source: str, what: str, pattern: str) -> bool:
        """See the port."""
        with self.db.transaction():
            sql = "delete from source_grant where source = ? and what = ? and pattern = ?"
            return self.db.run(sql, (source, what, pattern)).rowcount > 0

    def set_setting(self, key: str, value: str) -> None:
        """See the port."""
        with self.db.transaction():
            self.db.run(
                f"insert into setting (key, value, at) values (?, ?, {self.db.now}) "
                "on conflict (key) do update set value = excluded.value, at = excluded.at",
                (key, value),
            )

    def close(self) -> None:
        """See the port."""
        with self.db.translated():
            self.db.close()


def _row(uid: int, r: Resource, status: str, n: int) -> tuple[object, ...]:
    """Values in the order of ``RESOURCE_COLUMNS``."""
    body, extra = r.body.decode(), resource_extra(r)
    return (uid, *r.key, r.source, r.path, r.nth, r.line, status, int(r.protected), r.digest, body, extra, n)
