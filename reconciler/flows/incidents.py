"""What people say of incidents and maintenances, checked before it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from reconciler.base.errors import GitopsError, UsageError
from reconciler.flows.named import unknown_name
from reconciler.model.resource import Key
from reconciler.store.database import Database
from reconciler.store.incidents import Incident, Maintenance
from reconciler.store.port import Reader
from reconciler.store.sql_deliveries import dead_letters
from reconciler.store.sql_incidents import SqlIncidents
from reconciler.store.sql_maintenances import SqlMaintenances


def known_places(reader: Reader, names: Sequence[str]) -> list[str]:
    """``system`` and ``system::environment`` as they were named, each once. Raises ``GitopsError`` with what is near
    for one that isn't in the store: people can say it again, other than automations."""
    for name in names:
        system, colons, environment = name.partition("::")
        _need(reader, "System", system)
        if colons:
            _need(reader, "Environment", environment)
    return list(dict.fromkeys(names))


def _need(reader: Reader, kind: str, name: str) -> None:
    if next(iter(reader.resources(keys={Key(kind, name)})), None) is None:
        names = {s.resource.key.name for s in reader.resources() if s.resource.key.kind == kind}
        raise unknown_name(kind.lower(), name, names, otherwise=f"gitops get {kind.lower()}s lists them")


def zone(name: str) -> ZoneInfo:
    """A time zone of the IANA database. Raises ``UsageError``."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"{name!r} is no time zone", hint="as in Europe/Berlin, or UTC") from None


def moment_in(text: str, where: ZoneInfo) -> float:
    """Epoch seconds of ``2026-11-22 02:00`` on the clocks of a zone; one with an offset of its own keeps that.

    Raises ``UsageError`` for what is no moment, such as the hour that a night in spring skips.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no moment", hint="write 2026-11-22 02:00, or 2026-11-22T02:00Z") from None
    if found.tzinfo is None:
        there = found.replace(tzinfo=where)
        if there.astimezone(UTC).astimezone(where).replace(tzinfo=None) != found:
            raise UsageError(f"no clock in {where.key} ever shows {text.strip()}: it was set forward over that")
        found = there
    return found.timestamp()


def one_span(
    now: float, starts: str | None, ends: str | None, seconds: float | None, where: ZoneInfo
) -> tuple[float, float | None]:
    """From when until when; an end of None is when somebody ends it. Raises ``UsageError`` for what can't be."""
    begin = now if starts is None else moment_in(starts, where)
    end = moment_in(ends, where) if ends is not None else None if seconds is None else begin + seconds
    if end is not None and end <= max(begin, now):
        raise UsageError("it would end before it begins" if end <= begin else "all of it lies in the past")
    return begin, end


def need_pattern(pattern: str) -> None:
    """Raises ``UsageError`` with a sentence for what is no cron pattern."""
    from reconciler.kinds.triggers import cron_fault

    fault = cron_fault(pattern)
    if fault is not None:
        raise UsageError(fault, hint="as in '0 2 * * sun'")


def need_title(title: str) -> str:
    """Raises ``UsageError`` for one that says nothing."""
    if not title.strip():
        raise UsageError("the title is empty", hint="say in a few words what it is about")
    return title.strip()


_MOST = 10_000


class Now(NamedTuple):
    """What an overview tells beside health: open incidents, and maintenances that go on, at a moment; and how many
    dead letters there are, for an overview of everything."""

    at: float
    incidents: tuple[Incident, ...]
    maintenances: tuple[Maintenance, ...]
    dead_letters: int = 0


def now(db: Database, system: int | None = None) -> Now:
    """Of one system (uid) or all."""
    at = db.clock()
    active = SqlMaintenances(db).maintenances(system=system, limit=_MOST)
    found = SqlIncidents(db).incidents(system=system, limit=_MOST)
    dead = dead_letters(db) if system is None else 0
    return Now(at, tuple(found), tuple(each for each in active if each.covers(at)), dead)


def nothing_there(address: str) -> GitopsError:
    """There is no store to keep anything in."""
    return GitopsError(f"the store {address} isn't there", hint="gitops apply makes it")
