"""Between the systems that an incident or a maintenance is about, their names, and the text in its row and event."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.base.canonical import dumps, loads
from reconciler.store.database import Database
from reconciler.store.incidents import DEEPEST, Author, Circle, Place

_TITLE, _TEXT = 500, 20_000
_TRIES = 50
_AT_ONCE = 400


def places(db: Database, names: Sequence[str]) -> tuple[Place, ...]:
    """``orders-api`` and ``orders-api::production`` with their uids; each once, in the order in which they are named.
    What isn't in the store is kept by its name: an outage isn't lost as somebody misspelt what is out."""
    wanted = [name.partition("::") for name in dict.fromkeys(map(titled, names))]
    systems = _uids(db, "System", (system for system, _, _ in wanted))
    environments = _uids(db, "Environment", (environment for _, _, environment in wanted if environment))
    found = []
    for system, colons, environment in wanted:
        uid, where = systems.get(system, 0), environments.get(environment, 0)
        if environment and not where:
            uid = 0  # else it would mean all of the system
        found.append(Place(uid, where, f"{system}{colons}{environment}"))
    return tuple(found)


def written(found: Sequence[Place]) -> str:
    """As the row has it."""
    return dumps([list(place) for place in found]).decode()


def read(text: str) -> tuple[Place, ...]:
    """From the row. Raises ``ValueError`` and the like for what was broken by hand."""
    return tuple(Place(int(system), int(environment), str(name)) for system, environment, name in loads(text))


def called(db: Database, rows: Sequence[tuple[Place, ...]]) -> list[tuple[Place, ...]]:
    """The same with the names that these systems have by now."""
    uids = sorted({uid for found in rows for place in found for uid in place[:2] if uid})
    names: dict[int, str] = {}
    for start in range(0, len(uids), _AT_ONCE):
        some = uids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        names |= dict(db.rows(f"select uid, name from resource where until is null and uid in ({marks})", some))
    return [tuple(_called(place, names) for place in found) for found in rows]


def titled(text: str) -> str:
    """A headline that any database and any payload can hold: templates and people may write anything."""
    return plain(text)[:_TITLE]


def plain(text: str) -> str:
    """The same for what is longer."""
    return text[:_TEXT].encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def new_id(prefix: str, insert: Callable[[str], bool]) -> str:
    """A short id that nobody has: ``insert`` says whether it was free. It grows where the short ones are taken."""
    for attempt in range(_TRIES):
        id = f"{prefix}-{secrets.token_hex(2 + attempt // 5)}"
        if insert(id):
            return id
    raise AssertionError("twelve random bytes were taken by somebody else")


def about(places: Sequence[Place], otherwise: str) -> tuple[str, dict[str, Any]]:
    """The context of an event about these systems, and the part of its payload that names them."""
    systems = list(dict.fromkeys(place.system_name for place in places))
    named = {"systemId": systems[0] if systems else None, "systemIds": systems, "places": [p.name for p in places]}
    return systems[0] if len(systems) == 1 else otherwise, named


def depth(db: Database, author: Author) -> int:
    """How many runs led to what this author does, one by what the other did. Raises :class:`Circle`."""
    if not author.run:
        return 0
    rows = db.rows("select detail from automation_run where id = ?", (author.run,))
    payload = loads(rows[0][0]).get("payload") if rows else None
    found = payload.get("depth") if isinstance(payload, dict) else None
    before = found if isinstance(found, int) and found > 0 else 0
    if before >= DEEPEST:
        raise Circle(before)
    return before + 1


def stamp(at: float | None) -> str | None:
    """A moment as payloads tell it: ``2026-01-31T12:00:00.000Z``."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _called(place: Place, names: dict[int, str]) -> Place:
    if place.system not in names:
        return place
    environment = names.get(place.environment) or place.name.partition("::")[2]
    return place._replace(name=names[place.system] + (f"::{environment}" if environment else ""))


def _uids(db: Database, kind: str, names: Iterable[str]) -> dict[str, int]:
    sql = "select uid from resource where kind = ? and name = ? and until is null"
    return {name: int(uid) for name in dict.fromkeys(names) for (uid,) in db.rows(sql, (kind, name))}
