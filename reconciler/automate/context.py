"""What templates and expressions of an automation see: ``trigger``, ``variables``, ``artifacts``, ``health``, ..."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from reconciler.automate.port import Started
from reconciler.render.bounds import MAX_WORK

ROOTS = ("trigger", "variables", "artifacts", "repeat", "now", "health", "state", "resume")
"""The names that expressions can start from."""

HealthNow = Mapping[str, Any]
"""``{"system": {...}, "systems": {name: {...}}}`` or empty. Each system has ``status``, ``in_status_since`` (ISO),
``in_status_for_ms``, ``p95_latency_ms``, ``transitions_in_window``, ``in_maintenance`` and ``environments``, a map of
the same by the names of environments. Plain JSON data."""


class Outside(Protocol):
    """The part of :class:`reconciler.automate.port.World` that a scope reads."""

    def now(self) -> float:
        """Epoch seconds."""

    def health(self, system: str | None) -> HealthNow:
        """See :class:`~reconciler.automate.port.World`."""


class Nowhere:
    """An outside with a time and nothing else, for expressions that are about an event alone."""

    def __init__(self, at: float) -> None:
        self._at = at

    def now(self) -> float:
        """That time."""
        return self._at

    def health(self, system: str | None) -> HealthNow:
        """Nothing is known."""
        return {}


class Scope(Mapping[str, Any]):
    """One context. Health, and what earlier runs left, are asked for when they are first read, and then stay so.

    ``more`` replaces what is there from the start (``variables``, ``repeat``, ``resume``); ``artifacts`` gives those.
    """

    def __init__(
        self,
        started: Started,
        outside: Outside,
        *,
        artifacts: Callable[[], Mapping[str, Any]] = dict,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.started = started
        self.outside = outside
        self.at = outside.now()
        self.left = MAX_WORK
        """The work that templates and expressions may still do here, all together."""
        self._artifacts = artifacts
        self._values: dict[str, Any] = {
            "trigger": started.context(),
            "variables": {},
            "repeat": {},
            "now": iso(self.at),
            "resume": {"payload": None},
            **(more or {}),
        }

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            if name in ("health", "state"):
                health = dict(self.outside.health(self.started.event.context_key))
                self._values["health"] = health
                self._values["state"] = {"system": health["systems"]} if "systems" in health else {}
            elif name == "artifacts":
                self._values[name] = dict(self._artifacts())
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(ROOTS)

    def __len__(self) -> int:
        return len(ROOTS)

    def clock(self) -> float:
        """Milliseconds since 1970, for filters that read the time."""
        return self.at * 1000

    def system(self, name: str) -> Mapping[str, Any] | None:
        """The health of a system, also of one that the automation doesn't name outright; None: nothing is known."""
        health = self["health"]
        if name == self.started.event.context_key and health.get("system"):
            found = health["system"]
        else:
            found = (health.get("systems") or {}).get(name) or self.outside.health(name).get("system")
        return found if isinstance(found, Mapping) and found else None


def iso(at: float) -> str:
    """``2026-11-21T19:00:00.000Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
