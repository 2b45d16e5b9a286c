"""A store as actions need it. Made for each question, in the thread that owns the connection; costs nothing to make."""

from __future__ import annotations

from functools import cached_property

from reconciler.model.resource import Key
from reconciler.store.database import Database
from reconciler.store.sql_automating import SqlAutomating
from reconciler.store.sql_health import Healths
from reconciler.store.sql_incidents import SqlIncidents
from reconciler.store.sql_maintenances import SqlMaintenances
from reconciler.store.sql_pauses import Pauses
from reconciler.store.sql_reader import SqlReader


class Slices(Healths, Pauses):
    """The schedule, for whoever pauses, resumes and hastens what is in it."""

    def __init__(self, db: Database) -> None:
        self.db = db


class Stores:
    """All parts share one connection."""

    def __init__(self, db: Database) -> None:
        self.db = db

    @cached_property
    def reader(self) -> SqlReader:
        """What was applied."""
        return SqlReader(self.db)

    @cached_property
    def slices(self) -> Slices:
        """The schedule."""
        return Slices(self.db)

    @cached_property
    def incidents(self) -> SqlIncidents:
        """Outages."""
        return SqlIncidents(self.db)

    @cached_property
    def maintenances(self) -> SqlMaintenances:
        """Planned work."""
        return SqlMaintenances(self.db)

    def artifact(self, automation: int, context_key: str, type: str) -> str | None:
        """The id in what this automation produced last for this context."""
        found = SqlAutomating(self.db).artifacts(automation, context_key)
        return next((str(each.value["id"]) for each in found if each.type == type and "id" in each.value), None)

    def uid(self, kind: str, name: str) -> int | None:
        """Of something that is current and no orphan."""
        found = next(iter(self.reader.resources(keys={Key(kind, name)})), None)
        return found.uid if found is not None and found.status == "active" else None
