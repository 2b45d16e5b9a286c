"""Runs and changes of health as machines read them. Moments are ISO 8601 in UTC, durations milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.flows.origins import Origin
from reconciler.flows.runs import Told
from reconciler.model.run import Outcome
from reconciler.model.slice import SliceName
from reconciler.report.moments import iso
from reconciler.store.executing import Transition


def run_json(told: Told, *, detail: bool = True) -> dict[str, Any]:
    """One run; ``detail`` adds collectors with results, phases, assertions and sandbox reports."""
    run = told.run
    found: dict[str, Any] = {
        **name_json(told.name),
        "run": run.id,
        "region": run.region or None,
        "outcome": run.outcome,
        "reason": run.reason,
        "at": iso(run.at),
        "due": iso(run.slot),
        "latenessMs": round(max(0.0, run.at - run.slot) * 1000, 1),
        "durationMs": round(run.duration_ms, 3),
        "generation": run.generation,
        "digest": run.digest,
        "worker": run.worker,
        "kept": told.kept,
        "origin": origin_json(told.origin),
    }
    if detail:
        found |= {
            "error": run.detail.get("error"),
            "timedOut": bool(run.detail.get("timedOut")),
            "collectors": run.detail.get("collectors", []),
        }
    return found


def name_json(name: SliceName) -> dict[str, Any]:
    """The parts of a slice's name."""
    return {"slice": str(name), "system": name.system, "check": name.check, "environment": name.environment}


def origin_json(origin: Origin | None) -> dict[str, Any] | None:
    """Where in git; ``commit`` is null for a working tree."""
    if origin is None:
        return None
    return {"source": origin.source, "path": origin.path, "line": origin.line, "commit": origin.commit or None}


def counts_json(counts: Mapping[Outcome, int]) -> dict[str, int]:
    """Runs by outcome; each is always there."""
    words: tuple[Outcome, ...] = ("healthy", "degraded", "unhealthy")
    return {word: counts.get(word, 0) for word in words}


def transition_json(t: Transition) -> dict[str, Any]:
    """A change of health."""
    return {
        "id": t.id,
        "scope": t.scope,
        "region": t.region or None,
        "at": iso(t.at),
        "was": t.was,
        "now": t.now,
        "cause": t.cause,
    }
