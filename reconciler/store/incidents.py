"""What people and automations keep of outages and planned work: incidents, maintenances, and who may touch them how.

Each change is one transaction together with the event that tells automations of it, so that there is neither an
incident that nobody was told of, nor news of one that isn't there. ``key`` (of a step of a run) makes a change that is
asked for again the one that was made already.

What the events tell is written in :mod:`reconciler.automate.payloads`. One event tells of all systems; its context is
the only system it is about, else the incident or the maintenance itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from reconciler.base.errors import GitopsError

Severity = Literal["minor", "major", "critical"]
Stage = Literal["investigating", "identified", "monitoring", "resolved"]
Phase = Literal["scheduled", "active", "ended", "cancelled"]

SEVERITIES: tuple[Severity, ...] = ("minor", "major", "critical")
DEEPEST = 8
"""How many runs may lead to one another by incidents and maintenances, before that is taken for a circle."""
STAGES: tuple[Stage, ...] = ("investigating", "identified", "monitoring", "resolved")


class Place(NamedTuple):
    """A system, or one environment of it: ``name`` as in ``orders-api`` or ``orders-api::production``.

    ``system`` and ``environment`` are uids, by which it is known when it is renamed; a system of 0 isn't (or wasn't) in
    the store, an environment of 0 means all of the system.
    """

    system: int
    environment: int
    name: str

    @property
    def system_name(self) -> str:
        """The name without the environment."""
        return self.name.partition("::")[0]

    def covers(self, system: int, environment: int) -> bool:
        """Whether that is the system, and the environment one that is meant; 0 is met by the whole system only."""
        return self.system == system != 0 and self.environment in (0, environment)


class Author(NamedTuple):
    """Who does it: a person, or the step of an automation's run (uid and id, else 0)."""

    actor: str
    automation: int = 0
    run: int = 0


class Incident(NamedTuple):
    """One outage. Times are epoch seconds by the database's clock; ``resolved`` is None while it is open."""

    id: str
    title: str
    description: str
    severity: Severity
    status: Stage
    systems: tuple[Place, ...]
    automation: int
    run: int
    actor: str
    at: float
    updated: float
    resolved: float | None


class Update(NamedTuple):
    """An entry of an incident's timeline, with how it stood from then on; the first is its opening."""

    n: int
    at: float
    actor: str
    status: Stage
    severity: Severity
    message: str


class Maintenance(NamedTuple):
    """Planned work. ``starts`` and ``ends`` are those of the next or current time where it recurs (``cron``); it has no
    ``ends`` where somebody has to end it. ``ended``: it won't begin (again). ``suppress``: changes of health meanwhile
    start no automations."""

    id: str
    title: str
    description: str
    systems: tuple[Place, ...]
    status: Phase
    starts: float
    ends: float | None
    cron: str | None
    duration_ms: int | None
    timezone: str
    suppress: bool
    automation: int
    run: int
    actor: str
    at: float
    updated: float
    ended: float | None
    held_from: float | None = None
    """When one that it took over from began, where that is earlier: what was held back since then still is."""

    @property
    def holds_from(self) -> float:
        """Since when changes are held back."""
        return self.starts if self.held_from is None else min(self.starts, self.held_from)

    def covers(self, at: float) -> bool:
        """Whether it goes on at a time."""
        return self.ended is None and self.starts <= at and (self.ends is None or at < self.ends)


class HeldBack(NamedTuple):
    """A change of health of a system, or of one environment of it, that was held back: ``name`` as of a place."""

    at: float
    name: str
    was: str
    now: str


class NoSuch(GitopsError):
    """There is no such incident or maintenance."""

    def __init__(self, what: str, id: str) -> None:
        super().__init__(f"there is no {what} {id!r}", hint=f"gitops {what} list --all shows every one")
        self.what, self.id = what, id


class Over(GitopsError):
    """It has ended already, so nothing can be added."""

    def __init__(self, what: str, id: str, how: str) -> None:
        super().__init__(f"the {what} {id} is {how} already", hint=f"gitops {what} show {id} tells by whom")
        self.what, self.id = what, id


class NotBegun(GitopsError):
    """What doesn't go on can't be ended."""

    def __init__(self, id: str) -> None:
        super().__init__(f"the maintenance {id} hasn't begun", hint=f"gitops maintenance cancel {id} takes it off")
        self.id = id


class Circle(GitopsError):
    """Automations start one another by what they open and end."""

    def __init__(self, depth: int) -> None:
        super().__init__(
            f"{depth} runs of automations led to this one, each by what the one before opened, updated or ended",
            hint="let a filter of their triggers keep them from starting one another",
        )
        self.depth = depth


class Incidents(Protocol):
    """The hands on incidents. Every method raises ``StoreError`` where the store can't be used, and what changes
    something :class:`Circle` for an author that was led to it by too many others."""

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
        """Open one, or return the one that ``key`` opened. Systems that aren't in the store are kept by name."""

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
        """Add to its timeline. Raises :class:`NoSuch`, and :class:`Over` for one that is resolved."""

    def resolve(self, id: str, message: str = "", *, author: Author, key: str | None = None) -> Incident:
        """Close it. Raises as :meth:`update` does."""

    def incident(self, id: str) -> tuple[Incident, list[Update]]:
        """One with its timeline, oldest first. Raises :class:`NoSuch`."""

    def incidents(
        self, *, resolved: bool = False, system: int | None = None, automation: int | None = None, limit: int = 100
    ) -> list[Incident]:
        """Open ones, newest first; with ``resolved`` all. ``system`` and ``automation`` are uids."""


class Maintenances(Protocol):
    """The hands on maintenances; what is said of :class:`Incidents` holds."""

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
        """Plan one, or return the one that ``key`` made. It begins at once where ``starts`` isn't in the future (None:
        now). ``recurs``: cron pattern, duration (ms) and time zone, with ``starts`` and ``ends`` of the first time."""

    def end(self, id: str, message: str = "", *, author: Author, key: str | None = None) -> Maintenance:
        """End it now; one that recurs comes again at its next time. Raises :class:`NoSuch`, :class:`Over`, and
        :class:`NotBegun`; with a ``key``, of a step, one that isn't going on is as good as ended."""

    def cancel(self, id: str, message: str = "", *, author: Author) -> Maintenance:
        """It won't begin (again); one that goes on ends. Raises as :meth:`end` does."""

    def maintenance(self, id: str) -> Maintenance:
        """One. Raises :class:`NoSuch`."""

    def maintenances(self, *, ended: bool = False, system: int | None = None, limit: int = 100) -> list[Maintenance]:
        """Those that go on and those to come, by their start; with ``ended`` also all others, newest first."""

    def held_back(self, of: Maintenance, *, limit: int = 100) -> list[HeldBack]:
        """The newest changes that it held back since it last began, oldest first; as far as they are kept."""

    def suppressing(self) -> Suppression:
        """What goes on now and holds changes of health back."""


class Suppression(NamedTuple):
    """The maintenances that hold changes of health back at one time."""

    active: tuple[Maintenance, ...] = ()

    def of(self, system: int, environment: int = 0, *, at: float | None = None) -> str | None:
        """The id of the maintenance that covers the system (uid) in that environment, None where none does.

        Of a change of the whole system, name the environment whose run made it. What happened (``at``) before a
        maintenance began isn't held back by it, however late somebody gets to see it.
        """
        for each in self.active:
            if (at is None or each.starts <= at) and any(place.covers(system, environment) for place in each.systems):
                return each.id
        return None
