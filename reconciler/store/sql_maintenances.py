"""Maintenances in the store: what is planned, what goes on, and that each begins and ends once.

A row's ``starts`` and ``ends`` decide; its status follows them when the housekeeping looks (:meth:`SqlMaintenances.due`
and :meth:`SqlMaintenances.turn`), and events are posted with the status.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.base.errors import StoreError
from reconciler.store.database import Database
from reconciler.store.incidents import Author, HeldBack, Maintenance, NoSuch, NotBegun, Over, Place, Suppression
from reconciler.store.posting import post_event
from reconciler.store.sql_places import about, called, depth, new_id, places, plain, read, stamp, titled, written

_COLUMNS = (
    "id, title, description, systems, status, starts, ends, cron, duration_ms, timezone, suppress, automation, run, "
    "actor, at, updated, ended, held_from"
)
_LOCK = "maintenances"
Window = tuple[float, float]
"""From when until when."""
_MOST = 10_000
_CLOCK = Author("schedule")
"""Who begins and ends what was planned."""


class SqlMaintenances:
    """Implements :class:`reconciler.store.incidents.Maintenances`, and what its housekeeping needs."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(
        self,
        title: str,
        *,
        author: Author,
        systems: Sequence[str],
        starts: float | None = None,
        ends: float | None = None,
        recurs: tuple[str, int, str] | None = None,
        suppress: bool = True,
        description: str = "",
        key: str | None = None,
    ) -> Maintenance:
        """See the protocol."""
        with self._db.transaction(locks=(_LOCK,)):
            made = self._db.rows("select id from maintenance where key = ?", (key,)) if key is not None else []
            if made:
                return self._one(str(made[0][0]))
            now, about_it = self._db.clock(), written(places(self._db, systems))
            begin = now if starts is None else starts
            cron, duration_ms, timezone = recurs or (None, None, "UTC")

            def insert(id: str) -> bool:
                sql = (
                    f"insert into maintenance ({_COLUMNS}, key) values (?, ?, ?, ?, 'scheduled', ?, ?, ?, ?, ?, ?, ?, "
                    "?, ?, ?, ?, null, null, ?) on conflict do nothing"
                )
                given = (
                    id,
                    titled(title),
                    plain(description),
                    about_it,
                    begin,
                    ends,
                    cron,
                    duration_ms,
                    timezone,
                    int(suppress),
                )
                by = (author.automation, author.run, author.actor)
                return self._db.run(sql, (*given, *by, now, now, key)).rowcount > 0

            found = self._one(new_id("mnt", insert))
            return self._begun(found, author) if found.covers(now) else found

    def end(self, id: str, message: str = "", *, author: Author, key: str | None = None) -> Maintenance:
        """See the protocol."""
        with self._db.transaction(locks=(_LOCK,)):
            found, now = self._one(id), self._db.clock()
            if found.status == "active":
                return self._finished(found, author, now, message)
            if key is not None:
                return found
            raise NotBegun(id) if found.ended is None else Over("maintenance", id, found.status)

    def cancel(self, id: str, message: str = "", *, author: Author) -> Maintenance:
        """See the protocol."""
        with self._db.transaction(locks=(_LOCK,)):
            found, now = self._one(id), self._db.clock()
            if found.ended is not None:
                raise Over("maintenance", id, found.status)
            active = found.status == "active"
            self._db.run(
                "update maintenance set status = 'cancelled', ended = ?, updated = ?, ends = ? where id = ?",
                (now, now, now if active else found.ends, id),
            )
            cancelled = self._one(id)
            if active:
                self._tell("maintenance.completed", cancelled, author, message, "cancelled")
                self._release(found)
            return cancelled

    def maintenance(self, id: str) -> Maintenance:
        """See the protocol."""
        return self._one(id)

    def maintenances(self, *, ended: bool = False, system: int | None = None, limit: int = 100) -> list[Maintenance]:
        """See the protocol."""
        ahead = self._read("ended is null order by starts, id")
        past = self._read("ended is not null order by ended desc, id limit ?", (_MOST,)) if ended else []
        found = [m for m in (*ahead, *past) if system is None or any(p.system == system for p in m.systems)][:limit]
        names = called(self._db, [each.systems for each in found])
        return [each._replace(systems=now) for each, now in zip(found, names, strict=True)]

    def held_back(self, of: Maintenance, *, limit: int = 100) -> list[HeldBack]:
        """See the protocol."""
        if not of.suppress or of.starts > self._db.clock():
            return []
        found = []
        for place in of.systems:
            for _, environment, was, health, at in self._changes(of, place):
                if of.ends is None or at < of.ends:
                    found.append((at, Place(place.system, environment, place.system_name), was, health))
        found = sorted(found, key=lambda each: each[0])[-limit:]
        names = called(self._db, [(place,) for _, place, _, _ in found])
        return [HeldBack(at, name[0].name, was, now) for (at, _, was, now), name in zip(found, names, strict=True)]

    def suppressing(self) -> Suppression:
        """See the protocol."""
        now = self._db.clock()
        where = "ended is null and suppress <> 0 and starts <= ? and (ends is null or ends > ?)"
        return Suppression(tuple(self._read(where, (now, now), damaged=False)))

    # -- housekeeping --------------------------------------------------------------------------------------------------

    def due(self) -> list[Maintenance]:
        """Those that begin, end, or come to their next time by now."""
        now = self._db.clock()
        sql = "ended is null and ((status = 'scheduled' and starts <= ?) or ends <= ?) order by starts, id"
        return self._read(sql, (now, now), damaged=False)

    def turn(self, due: Maintenance, following: Window | None) -> bool:
        """Let one of :meth:`due` begin or end by the clock; ``following`` is when it comes again (None: it doesn't).

        False where somebody else did it, or nothing is to be done any more. What nobody saw begin is passed over.
        """
        with self._db.transaction(locks=(_LOCK,)):
            found, now = self._one(due.id), self._db.clock()
            if found != due._replace(systems=found.systems):
                return False
            if found.status == "scheduled" and found.covers(now):
                self._begun(found, _CLOCK)
            elif found.ends is None or found.ends > now:
                return False
            else:
                if found.status == "active":
                    found = self._finished(found, _CLOCK, now, "")
                if found.ended is None:
                    self._move(found, following, now)
            return True

    # -- within a transaction ------------------------------------------------------------------------------------------

    def _begun(self, found: Maintenance, author: Author) -> Maintenance:
        now = self._db.clock()
        self._db.run("update maintenance set status = 'active', updated = ? where id = ?", (now, found.id))
        begun = found._replace(status="active", updated=now)
        self._tell("maintenance.started", begun, author, begun.description, "active")
        return begun

    def _finished(self, found: Maintenance, author: Author, now: float, message: str) -> Maintenance:
        """What recurs is over at ``now`` and waits for its next time."""
        again = found.cron is not None
        ends = now if found.ends is None else min(found.ends, now)
        self._db.run(
            "update maintenance set status = ?, ends = ?, updated = ?, ended = ? where id = ?",
            ("scheduled" if again else "ended", ends, now, None if again else now, found.id),
        )
        over = self._one(found.id)
        self._tell("maintenance.completed", over, author, message, "completed")
        self._release(found)
        return over

    def _move(self, found: Maintenance, following: Window | None, now: float) -> None:
        """To its next time; or off, where there is none."""
        if found.cron is None or following is None:
            sql = "update maintenance set status = 'ended', updated = ?, ended = ? where id = ?"
            self._db.run(sql, (now, now, found.id))
            return
        sql = (
            "update maintenance set status = 'scheduled', starts = ?, ends = ?, updated = ?, held_from = null "
            "where id = ?"
        )
        self._db.run(sql, (*following, now, found.id))
        moved = self._one(found.id)
        if moved.covers(now):
            self._begun(moved, _CLOCK)

    def _release(self, over: Maintenance) -> None:
        """Let the last change that was held back be told, of each system and environment that isn't what it was.

        A change that was told before the maintenance isn't told again, neither is one that was made good, and what
        changed since then tells itself. Where another maintenance still goes on, that one holds it back further.
        """
        if not over.suppress:
            return
        still, now = self.suppressing(), self._db.clock()
        until = now if over.ends is None else min(over.ends, now)
        for place in over.systems:
            held: dict[int, tuple[str, int, str, float]] = {}
            for id, environment, was, health, at in self._changes(over, place):
                held[environment] = (held[environment][0] if environment in held else was, id, health, at)
            for environment, (was, id, health, at) in held.items():
                if was == health or at > until:
                    continue
                other = still.of(place.system, environment)
                if other is None:
                    self._db.run("update transition set handled_at = null where id = ?", (id,))
                else:
                    sql = "update maintenance set held_from = ? where id = ? and coalesce(held_from, starts) > ?"
                    self._db.run(sql, (over.holds_from, other, over.holds_from))

    def _changes(self, since: Maintenance, place: Place) -> Iterator[tuple[int, int, str, str, float]]:
        """(id, environment, was, now, at) of what changed there since it began, oldest first."""
        sql = (
            "select id, environment, by_environment, was, now, at from transition "
            "where system = ? and at >= ? and scope <> 'slice' order by id"
        )
        for id, environment, by, was, health, at in self._db.rows(sql, (place.system, since.holds_from)):
            if place.covers(place.system, by):
                yield id, environment, was, health, at

    def _one(self, id: str) -> Maintenance:
        found = self._read("id = ?", (id,))
        if not found:
            raise NoSuch("maintenance", id)
        return found[0]._replace(systems=called(self._db, [found[0].systems])[0])

    def _read(self, where: str, values: Sequence[Any] = (), *, damaged: bool = True) -> list[Maintenance]:
        """``damaged``: complain of a row that can't be read; else it is as if it weren't there."""
        found = []
        for row in self._db.rows(f"select {_COLUMNS} from maintenance where {where}", values):
            try:
                found.append(_maintenance(self._db, row))
            except StoreError:
                if damaged:
                    raise
        return found

    def _tell(self, name: str, now: Maintenance, author: Author, message: str, status: str) -> None:
        context, named = about(now.systems, now.id)
        payload = {
            "maintenanceId": now.id,
            "title": now.title,
            "description": now.description,
            "status": status,
            **named,
            "startsAt": stamp(now.starts),
            "endsAt": stamp(now.ends),
            "recurring": now.cron is not None,
            "suppress": now.suppress,
            "message": plain(message),
            "depth": depth(self._db, author),
            "timestamp": stamp(now.updated),
        }
        post_event(self._db, name, payload, context_key=context, actor=author.actor)


def _maintenance(db: Database, row: tuple[Any, ...]) -> Maintenance:
    found = Maintenance._make(row)
    try:
        return found._replace(systems=read(row[3]), suppress=bool(found.suppress))
    except (ValueError, TypeError) as error:
        raise db.damaged(error) from error
