"""What a worker's metrics tell of the store as a whole: numbers that indexes have at hand."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.store.database import Database
from reconciler.store.executing import Vitals


class VitalSigns:
    """The part of :class:`reconciler.store.executing.Executing` about these."""

    db: Database

    def vitals(self, *, regions: Sequence[str] = ("",)) -> Vitals:
        """See the protocol."""
        unseen = self.db.rows("select region, count(*) from schedule where unseen is not null group by region")
        paused = self.db.rows(
            "select s.paused, count(*) from pause p join schedule s on s.place = p.place group by s.paused"
        )
        by_kind = {kind: int(count) for kind, count in paused}
        connections, most = self._connections()
        return Vitals(
            overdue=self.overdue(regions=regions),
            queued=self.queued(regions=regions),
            unseen={region: int(count) for region, count in unseen},
            paused=by_kind.get(1, 0),
            set_aside=by_kind.get(2, 0),
            connections=connections,
            most_connections=most,
        )

    def queued(self, *, regions: Sequence[str] = ("",)) -> int:
        """How much waits with an engine, where there is one beside the schedule."""
        return 0

    def overdue(self, *, regions: Sequence[str] = ("",)) -> int:
        """See :class:`reconciler.store.sql_schedule.Schedule`."""
        raise NotImplementedError

    def _connections(self) -> tuple[dict[str, int], int | None]:
        """Of this database, by what they do; and how many the server allows. The states of other accounts' may be
        hidden, not that they are there."""
        if self.db.dialect != "postgresql":
            return {}, None
        rows = self.db.rows(
            "select coalesce(state, 'hidden'), count(*) from pg_stat_activity "
            "where datname = current_database() and backend_type = 'client backend' group by 1"
        )
        most = self.db.rows("select current_setting('max_connections')::int")[0][0]
        return {state: int(count) for state, count in rows}, int(most)
