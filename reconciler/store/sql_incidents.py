"""Incidents in the store: each change with its entry of the timeline and its event, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.store.database import Database
from reconciler.store.incidents import Author, Incident, NoSuch, Over, Severity, Stage, Update
from reconciler.store.posting import post_event
from reconciler.store.sql_places import about, called, depth, new_id, places, plain, read, stamp, titled, written

_COLUMNS = "id, title, description, severity, status, systems, automation, run, actor, at, updated, resolved"
_LOCK = "incidents"


class SqlIncidents:
    """Implements :class:`reconciler.store.incidents.Incidents`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def open(
        self,
        title: str,
        *,
        author: Author,
        severity: Severity = "major",
        systems: Sequence[str] = (),
        description: str = "",
        key: str | None = None,
    ) -> Incident:
        """See the protocol."""
        with self._db.transaction(locks=(_LOCK,)):
            made = self._made("select id from incident where key = ?", key)
            if made is not None:
                return self._one(made)
            now, about_it = self._db.clock(), written(places(self._db, systems))
            said = plain(description)

            def insert(id: str) -> bool:
                sql = (
                    f"insert into incident ({_COLUMNS}, key) values (?, ?, ?, ?, 'investigating', ?, ?, ?, ?, ?, ?, "
                    "null, ?) on conflict do nothing"
                )
                given = (id, titled(title), said, severity, about_it, author.automation, author.run, author.actor)
                return self._db.run(sql, (*given, now, now, key)).rowcount > 0

            found = self._one(new_id("inc", insert))
            self._note(found, 0, author, said, None)
            self._tell("incident.created", found, author, said, was=None)
            return found

    def update(
        self,
        id: str,
        message: str,
        *,
        author: Author,
        status: Stage | None = None,
        severity: Severity | None = None,
        key: str | None = None,
    ) -> Incident:
        """See the protocol."""
        return self._change(id, message, author, status, severity, key)

    def resolve(self, id: str, message: str = "", *, author: Author, key: str | None = None) -> Incident:
        """See the protocol."""
        return self._change(id, message, author, "resolved", None, key)

    def incident(self, id: str) -> tuple[Incident, list[Update]]:
        """See the protocol."""
        with self._db.snapshot():
            sql = "select n, at, actor, status, severity, message from incident_update where incident = ? order by n"
            return self._one(id), [Update(*row) for row in self._db.rows(sql, (id,))]

    def incidents(
        self, *, resolved: bool = False, system: int | None = None, automation: int | None = None, limit: int = 100
    ) -> list[Incident]:
        """See the protocol."""
        where = ["1 = 1"] if resolved else ["resolved is null"]
        values: list[Any] = []
        if automation is not None:
            where.append("automation = ?")
            values.append(automation)
        sql = f"select {_COLUMNS} from incident where {' and '.join(where)} order by at desc, id"
        found: list[Incident] = []
        for row in self._db.rows(sql, values):
            each = _incident(self._db, row)
            if system is None or any(place.system == system for place in each.systems):
                found.append(each)
            if len(found) == limit:
                break
        names = called(self._db, [each.systems for each in found])
        return [each._replace(systems=now) for each, now in zip(found, names, strict=True)]

    def _change(
        self, id: str, message: str, author: Author, status: Stage | None, severity: Severity | None, key: str | None
    ) -> Incident:
        with self._db.transaction(locks=(_LOCK,)):
            made = self._made("select incident from incident_update where key = ?", key)
            if made is not None:
                return self._one(made)
            was = self._one(id)
            if was.resolved is not None:
                raise Over("incident", id, "resolved")
            now, stage, message = self._db.clock(), status or was.status, plain(message)
            over = now if stage == "resolved" else None
            self._db.run(
                "update incident set status = ?, severity = ?, updated = ?, resolved = ? where id = ?",
                (stage, severity or was.severity, now, over, id),
            )
            found = self._one(id)
            ((last,),) = self._db.rows("select max(n) from incident_update where incident = ?", (id,))
            self._note(found, int(last) + 1, author, message, key)
            name = "incident.resolved" if over is not None else "incident.updated"
            self._tell(name, found, author, message, was=was)
            return found

    def _made(self, sql: str, key: str | None) -> str | None:
        """What the same step has made already."""
        found = self._db.rows(sql, (key,)) if key is not None else []
        return str(found[0][0]) if found else None

    def _one(self, id: str) -> Incident:
        rows = self._db.rows(f"select {_COLUMNS} from incident where id = ?", (id,))
        if not rows:
            raise NoSuch("incident", id)
        found = _incident(self._db, rows[0])
        return found._replace(systems=called(self._db, [found.systems])[0])

    def _note(self, now: Incident, n: int, author: Author, message: str, key: str | None) -> None:
        sql = (
            "insert into incident_update (incident, n, at, actor, status, severity, message, key) "
            "values (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        self._db.run(sql, (now.id, n, now.updated, author.actor, now.status, now.severity, message, key))

    def _tell(self, name: str, now: Incident, author: Author, message: str, *, was: Incident | None) -> None:
        context, named = about(now.systems, now.id)
        payload = {
            "incidentId": now.id,
            "title": now.title,
            "description": now.description,
            "severity": now.severity,
            "status": now.status,
            "previousSeverity": was.severity if was else None,
            "previousStatus": was.status if was else None,
            **named,
            "message": message,
            "depth": depth(self._db, author),
            "timestamp": stamp(now.updated),
        }
        post_event(self._db, name, payload, context_key=context, actor=author.actor)


def _incident(db: Database, row: tuple[Any, ...]) -> Incident:
    id, title, description, severity, status, systems, *rest = row
    try:
        return Incident(id, title, description, severity, status, read(systems), *rest)
    except (ValueError, TypeError) as error:
        raise db.damaged(error) from error
