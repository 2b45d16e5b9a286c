"""What a worker tells: once at its start, and then only what changes. A run is nothing to tell; it is in the store."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model.run import Health


class Started(NamedTuple):
    """``lacking``: strategies whose client library isn't installed. ``metrics``: the address, where there is one.

    ``behind`` slices were stored by an older release and are brought forward when they run; ``refused`` ones can't be
    run here, and ``refusal`` says why, of the first.
    """

    worker: str
    store: str
    generation: int
    slices: int
    concurrency: int
    lane: int
    scripts: int
    regions: tuple[str, ...]
    lacking: tuple[str, ...]
    metrics: str | None
    behind: int = 0
    refused: int = 0
    refusal: str | None = None


class ScriptsHeld(NamedTuple):
    """What this host was found to enforce on scripts. ``banner``: what can't be overlooked, None where all is well."""

    enforced: tuple[str, ...]
    banner: str | None


class Changed(NamedTuple):
    """A change of health, of a ``slice``, an ``environment`` (of a system) or a whole ``system``; parts that the
    scope doesn't have are None. ``correlation`` names it, as do runs of automations that it started; ``run`` is the id
    of the run that made it, if one did."""

    at: float
    scope: str
    system: str
    check: str | None
    environment: str | None
    region: str
    was: Health
    now: Health
    cause: str | None
    correlation: str | None = None
    run: str | None = None


class Taken(NamedTuple):
    """A generation was taken over; slices that are new, run otherwise, or are gone."""

    generation: int
    added: int
    changed: int
    removed: int


class AutomationStarted(NamedTuple):
    """A run of an automation began, by an event about ``context`` (mostly a system). ``correlation`` names the event:
    of a change of health the same as in its :class:`Changed`."""

    run: int
    automation: str
    event_name: str
    context: str | None
    correlation: str | None = None


class AutomationEnded(NamedTuple):
    """It ended: ``success``, ``failed``, ``cancelled``, or ``skipped`` before it began. ``seconds`` since it was asked
    for."""

    run: int
    automation: str
    status: str
    reason: str | None
    seconds: float | None


class StoreAway(NamedTuple):
    """The store doesn't answer. ``kept``: finished runs that wait for it."""

    sentence: str
    kept: int


class StoreBack(NamedTuple):
    """It answers again."""

    seconds: float


class ClockMoved(NamedTuple):
    """The database's clock jumped; so many slices were brought back to where they belong."""

    seconds: float
    mended: int


class Dropped(NamedTuple):
    """Runs whose lease somebody else has: their results don't count."""

    runs: int


class Unsaved(NamedTuple):
    """A result that no store could keep: a fault of whatever made it."""

    sentence: str


class Untraced(NamedTuple):
    """Traces can't be sent; told once."""

    sentence: str


class Fault(NamedTuple):
    """Something that should never happen did; the worker goes on."""

    sentence: str


class Stopping(NamedTuple):
    """No more claims. ``running`` have ``grace`` seconds."""

    running: int
    grace: float


class Stopped(NamedTuple):
    """The end. ``given_back`` will run elsewhere; ``unsaved`` results could not be stored."""

    runs: int
    given_back: int
    unsaved: int


Event = (
    Started
    | ScriptsHeld
    | Changed
    | Taken
    | AutomationStarted
    | AutomationEnded
    | StoreAway
    | StoreBack
    | ClockMoved
    | Dropped
    | Unsaved
    | Untraced
    | Fault
    | Stopping
    | Stopped
)
