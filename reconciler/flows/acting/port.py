"""What an action is to the automation that has it done, and on whose behalf that is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from reconciler.automate.port import Doing, Done
from reconciler.flows.acting.permissions import Bounds
from reconciler.secrets.masking import Masker

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.stores import Stores

T = TypeVar("T")


class Asks(Protocol):
    """Hands a question to the thread that owns the store's connection, as ``question(Stores(db))``, and waits for the
    answer. What the question raises comes out here."""

    def __call__(self, question: Callable[[Stores], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose action it is: the automation as it is declared by now, and the run.

    Only names: what the account may do is looked up for each action, since it may have changed since the run began.
    """

    automation: int
    """Its uid."""
    name: str
    source: str
    account: str | None
    """``spec.runAs``."""
    run: int = 0
    context_key: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """One action that may be done. ``config`` has secrets in their places; nothing of it may be shown but through
    ``masker``. ``bounds`` says which systems may be touched, for those that only the store knows."""

    doing: Doing
    identity: Identity
    name: str
    config: Mapping[str, Any]
    bounds: Bounds
    masker: Masker
    secrets: Mapping[str, str]
    """Their values by name."""
    key: str
    """The same for every attempt, never for two actions; may stand in a header."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """What came of the attempt before this one, where there was one."""
    at: float = 0.0
    """When this attempt began, for what is delivered: epoch seconds by the store's clock."""

    @property
    def payload(self) -> Mapping[str, Any]:
        """What the trigger told."""
        return payload_of(self.doing.context)


class Undone(Exception):
    """An action failed. ``passing``: for a while, so that it is worth another attempt, ``after`` seconds or sooner than
    that never. ``response``: what the other side said."""

    def __init__(
        self,
        sentence: str,
        *,
        passing: bool = False,
        after: float | None = None,
        response: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.passing = passing
        self.after = after
        self.response = response or {}


class Action(Protocol):
    """Something that automations do by name. One for the whole worker."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """Do it. Raises :class:`Undone`, or a ``GitopsError`` with a sentence."""


@runtime_checkable
class Needing(Action, Protocol):
    """An action that needs secrets of the operator which its config doesn't name as such."""

    def needs(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Their names. Raises :class:`Undone`."""


@runtime_checkable
class Delivered(Action, Protocol):
    """An action that leaves this host, so that each of its attempts is written down, and a lost one tried again.

    Its config may have ``retry``; see :class:`reconciler.kinds.actions.Retry`.
    """

    def target(self, config: Mapping[str, Any]) -> str:
        """Where it goes, for people, out of the config with references instead of secrets."""

    def lasting(self, config: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
        """The config with all that is taken from the run, so that it can be sent again without it."""


def payload_of(context: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the trigger of a run told."""
    trigger = context.get("trigger")
    payload = trigger.get("payload") if isinstance(trigger, Mapping) else None
    return payload if isinstance(payload, Mapping) else {}
