"""What a strategy is to the executor: it opens a connection, and collectors measure over it.

All of one run happens in one task of the worker's event loop; nothing here may block it. A strategy whose library
blocks moves into a thread of its own. Whoever raises :class:`Failed` says in one sentence what is wrong with the
target; :class:`Unobservable` says that we couldn't even look.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from reconciler.execute.egress import Guard
    from reconciler.sandbox.runners.variables import Subject


class Failed(Exception):
    """The target can't be reached, or answers with what no result can be made of. ``timed_out``: by its limit."""

    def __init__(self, sentence: str, *, timed_out: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.timed_out = timed_out


class Gone(Failed):
    """The connection itself is lost, so that the collectors after this one need not be asked."""


class Unobservable(Exception):
    """We couldn't look: no client library, no secret, no sandbox. Says nothing of the target."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Collected(NamedTuple):
    """What a collector found: ``result`` has the fields of ``kinds.results.RESULTS``, ephemeral ones included.

    ``error``: the collection failed although there is a result to show (an exit code that isn't 0, a timeout).
    """

    result: dict[str, Any]
    error: str | None = None
    phases: dict[str, float] | None = None
    sandbox: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    timed_out: bool = False
    unobservable: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What a strategy is told about the run beside its config.

    ``subject`` and ``fields`` are those of the environment (parents underneath), for scripts. ``guard`` checks every
    address before it is connected to. ``secrets`` are the resolved values of this run, to be masked. ``timeout_ms`` is
    the limit of the whole run that the executor holds, which may be shorter than the config's.
    """

    subject: Subject
    fields: Mapping[str, Any]
    guard: Guard
    secrets: tuple[str, ...] = ()
    timeout_ms: float = 30_000.0
    labels: Mapping[str, str] = field(default_factory=dict)


class Connection(Protocol):
    """An open connection of one run. May have ``masks``, a tuple of further texts that must not leave the run: what it
    made of secrets, such as a password in base64."""

    async def collect(self, collector: str, config: Mapping[str, Any]) -> Collected:
        """Measure. ``collector`` is its bare name (``request``); ``config`` is complete and has secrets resolved.

        Raises :class:`Failed` where there is no result at all.
        """

    async def close(self) -> None:
        """Give everything back; also called after a cancelled or failed collect. Never raises."""


class Strategy(Protocol):
    """One for the whole worker; keeps what runs can share (engines, thread pools), never connections to targets."""

    async def open(self, config: Mapping[str, Any], context: Context) -> Connection:
        """Connect, within the caller's time limit. Raises :class:`Failed` or :class:`Unobservable`."""

    def repeatable(self, config: Mapping[str, Any], collectors: tuple[tuple[str, Mapping[str, Any]], ...]) -> bool:
        """Whether a run that was stopped half way may be started again without anybody noticing (a GET, a ping)."""

    async def aclose(self) -> None:
        """End what runs shared."""


@runtime_checkable
class Queued(Protocol):
    """A strategy with a limit of its own on how many runs go on at once, beside what every strategy has."""

    def admit(self) -> AbstractAsyncContextManager[None]:
        """A place, to be held from before :meth:`Strategy.open` to after the close.

        Waiting for it isn't counted against the run's time limit; it is bounded, and then raises :class:`Unobservable`.
        """
