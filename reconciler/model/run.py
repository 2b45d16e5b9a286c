"""A run: one execution of a slice, what it measured and how that was judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from reconciler.model.slice import SliceKey

Outcome = Literal["healthy", "degraded", "unhealthy"]
"""Of a run. ``degraded``: we couldn't observe (no sandbox, no secret, no client library), which says nothing of the
target; thresholds count it as a failure all the same, so that it is never silently green."""

Health = Literal["healthy", "degraded", "unhealthy"]
"""Of a slice, an environment's view and a system."""

LOCAL = ""
"""The region of a slice whose assignment names none."""

HOST = "local"
"""How an assignment and people spell it beside others."""


class Verdict(NamedTuple):
    """One assertion, judged. ``actual`` is the found value as text, cut short; ``reason`` says why it can't be judged.

    ``field`` is as written, ``path`` its JSONPath or None.
    """

    field: str
    path: str | None
    operator: str
    expected: Any
    actual: str | None
    passed: bool
    reason: str | None = None

    def sentence(self) -> str:
        """``statusCode equals 200``: what had to hold."""
        return " ".join(str(part) for part in (self.field, self.path, self.operator, self.expected) if part is not None)


class Measured(NamedTuple):
    """What one collector of a run came to. Masked and capped: safe to store and to show.

    ``id`` is the collector's id, else its position; ``type`` as in ``http.request``; ``result`` is without ephemeral
    fields; ``phases`` are milliseconds by name (dns, connect, tls, firstByte, total); ``sandbox`` is the report of a
    script; ``notes`` are sentences about what was left out or cut.
    """

    id: str
    type: str
    result: dict[str, Any]
    error: str | None = None
    phases: dict[str, float] | None = None
    verdicts: tuple[Verdict, ...] = ()
    sandbox: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """What executing a slice came to. ``error``: the connection failed, or we couldn't observe; ``reason``: in a few
    words why it isn't healthy (the error, else the first failed assertion), None for a healthy one."""

    outcome: Outcome
    duration_ms: float
    collectors: tuple[Measured, ...] = ()
    error: str | None = None
    timed_out: bool = False

    @property
    def reason(self) -> str | None:
        """In a few words why it isn't healthy."""
        if self.error is not None:
            return self.error
        for collector in self.collectors:
            if collector.error is not None:
                return collector.error
            for verdict in collector.verdicts:
                if not verdict.passed:
                    return verdict.sentence() + (f" ({verdict.reason})" if verdict.reason else _found(verdict))
        return None

    def detail(self) -> dict[str, Any]:
        """As it is stored: what is empty is left out."""
        found: dict[str, Any] = {"collectors": [_collector(c) for c in self.collectors]}
        if self.error is not None:
            found["error"] = self.error
        if self.timed_out:
            found["timedOut"] = True
        return found


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run as it is kept. Times are epoch seconds by the database's clock; ``slot`` is when it was due.

    ``digest`` is that of the slice's body it executed, ``generation`` the one it was read from; together with the
    check's resource they lead to file and line in git.
    """

    key: SliceKey
    region: str
    slot: float
    at: float
    duration_ms: float
    outcome: Outcome
    reason: str | None
    generation: int
    digest: str
    worker: str
    detail: dict[str, Any]

    @property
    def id(self) -> str:
        """What names it in logs, traces and data: its slice, its region and when it was due (ms)."""
        return f"{'-'.join(map(str, self.key))}{f'@{self.region}' if self.region else ''}-{round(self.slot * 1000)}"


def _found(verdict: Verdict) -> str:
    return "" if verdict.actual is None else f" (found {verdict.actual})"


def _collector(c: Measured) -> dict[str, Any]:
    found: dict[str, Any] = {"id": c.id, "type": c.type, "result": c.result}
    if c.error is not None:
        found["error"] = c.error
    if c.phases:
        found["phases"] = c.phases
    if c.verdicts:
        found["assertions"] = [_verdict(v) for v in c.verdicts]
    if c.sandbox is not None:
        found["sandbox"] = c.sandbox
    if c.notes:
        found["notes"] = list(c.notes)
    return found


def _verdict(v: Verdict) -> dict[str, Any]:
    found: dict[str, Any] = {"field": v.field, "operator": v.operator, "passed": v.passed}
    for name, value in (("jsonPath", v.path), ("expected", v.expected), ("actual", v.actual), ("reason", v.reason)):
        if value is not None:
            found[name] = value
    return found
