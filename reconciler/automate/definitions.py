"""An automation as its triggers are evaluated: read once from its stored body, until that changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from reconciler.base.canonical import digest, dumps, loads

Mode = Literal["single", "parallel", "queued", "restart"]

CRON, INTERVAL, NUMERIC = "automation.cron", "automation.interval", "automation.numeric_state"
CHANGED = "healthcheck.system_health_changed"
DEGRADED, HEALTHY = "healthcheck.system_degraded", "healthcheck.system_healthy"
CHECK_FAILED = "healthcheck.check_failed"
HEALTH = frozenset({CHANGED, DEGRADED, HEALTHY})
"""What a change of health tells."""
WEBHOOK, MANUAL = "webhook", "manual"

_OWN_SYSTEM = re.compile(r"\bhealth\s*\.\s*system\b")


@dataclass(frozen=True, slots=True)
class Trigger:
    """One of an automation's triggers. ``event`` has no version; ``dwell`` is in milliseconds, or a template.

    ``digest`` changes with whatever makes what it remembers meaningless.
    """

    index: int
    id: str | None
    event: str
    config: Mapping[str, Any]
    filter: str | None
    dwell: int | str | None
    window: Mapping[str, Any] | None
    digest: str

    @property
    def each_system(self) -> bool:
        """Whether a watched number is another one for each system."""
        return _OWN_SYSTEM.search(str(self.config.get("field", ""))) is not None


@dataclass(frozen=True, slots=True)
class Automation:
    """One automation. ``digest`` and ``generation`` tell which body its runs are to be walked with."""

    uid: int
    name: str
    source: str
    generation: int
    digest: str
    spec: Mapping[str, Any]
    triggers: tuple[Trigger, ...]
    text: str
    """The body, to look for names in."""

    @property
    def mode(self) -> Mode:
        """What happens when it is running already."""
        return cast(Mode, self.spec.get("mode", "single"))

    @property
    def most(self) -> int:
        """Runs at once, or in line."""
        return int(self.spec.get("maxRuns", 10))

    @property
    def uses(self) -> tuple[str, ...]:
        """Further systems whose health its expressions read."""
        return tuple(self.spec.get("usesState", ()))

    @property
    def window_seconds(self) -> float:
        """How far back the health it reads goes."""
        return float(self.spec.get("stateWindow", 3_600_000)) / 1000.0

    @property
    def latency(self) -> bool:
        """Whether it reads how long runs took, which costs more than the rest."""
        return "p95_latency_ms" in self.text

    def lane(self, context_key: str | None) -> str:
        """Among which of its runs one of this context is counted."""
        return f"={context_key or ''}" if self.spec.get("concurrencyScope") == "contextKey" else ""


def read(uid: int, name: str, source: str, generation: int, digest_: str, body: bytes) -> Automation:
    """From its stored body."""
    spec = loads(body)["spec"]
    triggers = tuple(_trigger(index, each) for index, each in enumerate(spec["triggers"]))
    return Automation(uid, name, source, generation, digest_, spec, triggers, body.decode())


def _trigger(index: int, each: Mapping[str, Any]) -> Trigger:
    event = each["event"].partition("@")[0]
    mark = digest(dumps({key: value for key, value in each.items() if key != "id"}))
    return Trigger(
        index,
        each.get("id"),
        event,
        each.get("config") or {},
        each.get("filter"),
        each.get("for"),
        each.get("window"),
        mark,
    )
