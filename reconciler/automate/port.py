"""The nouns of automations, and what a walk over the actions of one needs from outside.

Everything here is plain data: a walk is told what time it is, asks for actions to be done, and hands over what is to be
kept, so that a simulation, a test with a clock of its own and the worker drive the very same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

StepStatus = Literal["running", "waiting", "success", "failed", "skipped", "cancelled"]
WaitKind = Literal["delay", "trigger", "until", "retry"]

ENDED: frozenset[str] = frozenset({"success", "failed", "cancelled", "skipped"})
"""How runs end."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. ``id`` is unique among all events and the same however often it is read.

    ``payload`` has every key that its event can have, null where there is nothing. ``context_key`` is what it is about,
    mostly the name of a system. ``automation`` is the only one it is meant for (its uid), None for all.
    """

    id: str
    name: str
    at: float
    payload: Mapping[str, Any]
    context_key: str | None = None
    actor: str | None = None
    automation: int | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """What a run was started by: becomes ``trigger`` in templates. ``trigger_id``: the id of the trigger that fired."""

    event: Event
    trigger_id: str | None = None

    def context(self) -> dict[str, Any]:
        """``trigger`` as expressions see it."""
        event = self.event
        return {
            "id": self.trigger_id,
            "event": event.name,
            "eventId": event.id,
            "payload": dict(event.payload),
            "actor": event.actor,
        }


@dataclass(frozen=True, slots=True)
class Doing:
    """One action that is to be done. ``config`` is rendered; secrets in it are references still.

    ``path`` is where it stands, with the round of every loop around it (``actions[0].repeat[1].sequence[0]``); ``key``
    is the same for each attempt at the same step of the same run, and never for two. ``spec_path`` is the path of the
    document (``("spec", "actions", 0, ...)``), without rounds. ``context`` is what its templates saw.
    """

    path: str
    spec_path: tuple[str | int, ...]
    action: str
    """With its version: ``webhook@1``."""
    id: str | None
    config: Mapping[str, Any]
    context: Mapping[str, Any]
    key: str
    attempt: int
    """1 for the first."""


class Done(NamedTuple):
    """It was done. ``result`` is shown with the step; ``artifacts`` maps types to what later blocks read."""

    result: Mapping[str, Any]
    artifacts: Mapping[str, Mapping[str, Any]] = {}


class Again(NamedTuple):
    """It failed, and is to be tried again ``after`` seconds."""

    error: str
    after: float
    result: Mapping[str, Any] = {}


class NotDone(NamedTuple):
    """It failed for good."""

    error: str
    result: Mapping[str, Any] = {}


Performed = Done | Again | NotDone


@dataclass(frozen=True, slots=True)
class Wait:
    """What a run waits for at a path. ``due_at``: when it goes on in any case (None: never by itself).

    ``trigger`` waits carry the event's name and the rendered context key (None: any); their filter is judged by
    :func:`reconciler.automate.walk.matches`. ``resumed`` says that it is over: by its event, whose ``payload`` then is
    there, or by its time.
    """

    path: str
    kind: WaitKind
    armed_at: float
    due_at: float | None = None
    event: str | None = None
    context_key: str | None = None
    resumed: bool = False
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A record of one block that was entered, for people: one for each path, in the order in which they began."""

    seq: int
    path: str
    block: str
    """Which block: ``action``, ``choose``, ``delay``, ..."""
    action: str | None
    id: str | None
    status: StepStatus
    at: float
    ended: float | None = None
    attempts: int = 0
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


class Progress(NamedTuple):
    """What is to be kept, all of it or nothing: the steps that changed, the waits there are now, and the snapshot."""

    steps: Sequence[Step]
    waits: Sequence[Wait]
    snapshot: bytes
    """Canonical JSON; opaque to whoever keeps it."""
    artifacts: Sequence[tuple[str, str, Mapping[str, Any]]] = ()
    """(type, id of the step, value) of what was produced since the last time."""


class Lost(Exception):
    """The run belongs to somebody else by now, or was cancelled: nothing more may be done for it."""


class World(Protocol):
    """What a walk needs; one for each run. Called from one event loop."""

    def now(self) -> float:
        """Epoch seconds, by the store's clock."""

    async def perform(self, doing: Doing) -> Performed:
        """Do it. Raises :class:`Lost` where the run isn't ours any more."""

    async def save(self, progress: Progress) -> None:
        """Durable when it returns. Raises :class:`Lost`."""

    def health(self, system: str | None) -> Mapping[str, Any]:
        """The namespace ``health`` about the system of the run's context (None: there is none) and the systems that the
        automation names; empty where it can't be had."""

    def artifact(self, type: str) -> Mapping[str, Any] | None:
        """What an earlier run of the same automation and context produced, the newest."""


class Walked(NamedTuple):
    """How far a walk came: to its end, or to where every branch waits (``status`` is ``waiting`` then)."""

    status: Literal["success", "failed", "waiting"]
    reason: str | None
    waits: Sequence[Wait] = ()
