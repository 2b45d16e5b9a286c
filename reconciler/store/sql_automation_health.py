"""The health of a few systems as expressions of automations read it, and the runs that events tell of."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil
from typing import Any

from reconciler.base.canonical import loads
from reconciler.health.rollup import worst
from reconciler.model.run import Health
from reconciler.store.automating import EventRow, SystemState
from reconciler.store.database import Database

_MOST_CHANGES = 200
"""How far back changes of one system are counted."""
_MOST_RUNS = 5000


class HealthRows:
    """The part of :class:`reconciler.store.automating.Automating` about health."""

    db: Database

    def health(self, systems: Collection[str], *, since: float, latency: bool) -> list[SystemState]:
        """See the protocol."""
        found: list[SystemState] = []
        with self.db.snapshot():
            for name in sorted(set(systems)):
                uid = self.db.rows(
                    "select uid from resource where until is null and kind = 'System' and name = ?", (name,)
                )
                if uid:
                    found += self._system(name, uid[0][0], since, latency=latency)
        return found

    def _system(self, name: str, uid: int, since: float, *, latency: bool) -> list[SystemState]:
        rows = self.db.rows(
            "select s.environment, coalesce((select max(r.name) from resource r where r.uid = s.environment "
            "and r.until is null), ''), s.health, s.since from schedule s where s.system = ?",
            (uid,),
        )
        changed = self.db.rows(
            "select scope, environment, at from transition where system = ? and scope <> 'slice' "
            "order by id desc limit ?",
            (uid, _MOST_CHANGES),
        )
        names = {environment: title for environment, title, _, _ in rows if environment}
        runs = self._latencies(uid, since) if latency else []
        found = []
        for environment, title in ((None, ""), *sorted(names.items())):
            mine = [row for row in rows if environment is None or row[0] == environment]
            health: list[Health] = [row[2] for row in mine]
            status = worst(health)
            scope = "system" if environment is None else "environment"
            at = [row[2] for row in changed if row[0] == scope and row[1] == (environment or 0)]
            begun = at[0] if at else min((row[3] for row in mine), default=None)
            took = [ms for where, ms in runs if environment is None or where == environment]
            changes = sum(1 for moment in at if moment >= since)
            found.append(SystemState(uid, environment or 0, name, title, status, begun, changes, _p95(took)))
        return found

    def _latencies(self, uid: int, since: float) -> list[tuple[int, float]]:
        """(environment, ms) of the newest runs of a system."""
        return self.db.rows(
            "select environment, duration_ms from run where system = ? and slot >= ? limit ?", (uid, since, _MOST_RUNS)
        )

    def checks(self, system: int) -> list[tuple[int, str, int]]:
        """See the protocol."""
        return self.db.rows(
            "select environment, health, count(*) from schedule where system = ? group by environment, health",
            (system,),
        )

    def systems(self) -> list[str]:
        """See the protocol."""
        rows = self.db.rows(
            "select name from resource where until is null and kind = 'System' "
            "and uid in (select system from schedule) order by name"
        )
        return [row[0] for row in rows]

    def failed(self, event: EventRow) -> dict[str, Any] | None:
        """See the protocol."""
        p = event.payload
        rows = self.db.rows(
            'select detail from run where system = ? and "check" = ? and environment = ? and slot = ? and region = ?',
            (p.get("system"), p.get("check"), p.get("environment"), p.get("slot"), p.get("region")),
        )
        return dict(loads(rows[0][0])) if rows else None


def _p95(took: list[float]) -> float | None:
    return sorted(took)[ceil(0.95 * len(took)) - 1] if took else None
