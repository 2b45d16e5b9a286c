"""What is kept of runs, once systems are called otherwise and automations are gone."""

from __future__ import annotations

from reconciler.store.database import Database

_RENAMED = """
select distinct old.name, new.name from resource new join resource old on old.uid = new.uid and old.kind = new.kind
where new.kind = 'System' and new.until is null and old.until is not null and old.name <> new.name
and not exists (select 1 from resource now where now.kind = 'System' and now.until is null and now.name = old.name)
"""
"""Former names that no system has by now, and what those systems are called."""

_RUNS = """
update automation_run set context_key = ?, lane = case when lane = ? then ? else lane end
where context_key = ? and ended is null and event <> 'webhook'
"""
_WAITS = (
    "update automation_wait set context_key = ? where context_key = ? and resumed_at is null and event <> 'webhook'"
)
_ARTIFACTS = """
update artifact set context_key = ? where context_key = ? and not exists (
select 1 from artifact other where other.automation = artifact.automation and other.type = artifact.type
and other.context_key = ?)
"""
_ORPHANED = """
update automation_run set ready_at = ? where ended is null and automation not in (
select uid from resource where kind = 'Automation' and until is null)
"""


class NamesKept:
    """Mixed into the hands of automations."""

    db: Database

    def catch_up(self) -> None:
        """See the protocol. Names of webhooks are nobody's but theirs, also where a system was called so."""
        if not self.db.rows("select 1 from automation_run where ended is null limit 1") and not self.db.rows(
            "select 1 from artifact limit 1"
        ):
            return
        with self.db.transaction(lasting=False, locks=("leader",)):
            for old, new in self.db.rows(_RENAMED):
                self.db.run(_RUNS, (new, f"={old}", f"={new}", old))
                self.db.run(_WAITS, (new, old))
                self.db.run(_ARTIFACTS, (new, old, new))
            self.db.run(_ORPHANED, (self.db.clock(),))
