"""What templates and expressions of an automation see: ``trigger``, ``variables``, ``artifacts``, ``health`` and so on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from reconciler.automate.port import Started

ROOTS = ("trigger", "variables", "artifacts", "repeat", "now", "health", "state", "resume")
"""The names that expressions can start from."""

HealthNow = Mapping[str, Any]
"""``{"system": {...}, "systems": {name: {...}}}`` or empty. Each system has ``status``, ``in_status_since`` (ISO),
``in_status_for_ms``, ``p95_latency_ms``, ``transitions_in_window``, ``in_maintenance`` and ``environments``, a map of
the same by the names of environments. Plain JSON data."""


class Outside(Protocol):
    """The part of :class:`reconciler.automate.port.World` that a scope reads."""

    def now(self) -> float: ...

    def health(self, system: str | None) -> HealthNow: ...


class Scope(Mapping[str, Any]):
    """One context. The health is asked for when an expression first reads it, and then stays what it was."""

    def __init__(self, started: Started, outside: Outside, **more: Any) -> None:
        self.started = started
        self.outside = outside
        self.at = outside.now()
        self._values: dict[str, Any] = {
            "trigger": started.context(),
            "variables": {},
            "artifacts": {},
            "repeat": {},
            "now": iso(self.at),
            "resume": {"payload": None},
            **more,
        }

    def __getitem__(self, name: str) -> Any:
        if name not in self._values and name in ("health", "state"):
            health = dict(self.outside.health(self.started.event.context_key))
            self._values["health"] = health
            self._values["state"] = {"system": health["systems"]} if "systems" in health else {}
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(ROOTS)

    def __len__(self) -> int:
        return len(ROOTS)

    def clock(self) -> float:
        """Milliseconds since 1970, for filters that read the time."""
        return self.at * 1000


def iso(at: float) -> str:
    """``2026-11-21T19:00:00.000Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
