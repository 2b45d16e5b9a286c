"""Health as machines read it. Moments are ISO 8601 in UTC."""

from __future__ import annotations

from typing import Any

from reconciler.flows.health import Cell, HealthReport, Regional, Seen, SystemHealth
from reconciler.report.moments import iso
from reconciler.store.executing import PauseRow, WorkerRow


def health_json(report: HealthReport) -> dict[str, Any]:
    """Everything there is: systems the worst first, each slice with its state."""
    return {
        "at": iso(report.at),
        "counts": report.counts,
        "systems": [_system(s) for s in report.systems],
        "workers": [_worker(w, alive=True) for w in report.workers] + [_worker(w, alive=False) for w in report.silent],
    }


def _system(s: SystemHealth) -> dict[str, Any]:
    return {
        "system": s.name,
        "health": s.standing,
        "sliceCount": s.slices,
        "failingSliceCount": s.failing,
        "environments": [_cell(c) for c in s.cells],
    }


def _cell(c: Cell) -> dict[str, Any]:
    return {
        "environment": c.environment,
        "health": c.standing,
        "since": iso(c.since),
        "sliceCount": len(c.seen),
        "failingSliceCount": c.failing,
        "staleSliceCount": c.stale,
        "unknownSliceCount": c.unknown,
        "pausedSliceCount": c.paused,
        "checks": [seen_json(s) for s in c.seen],
        "regional": [regional_json(r) for r in c.regional],
    }


def regional_json(r: Regional) -> dict[str, Any]:
    """A check over its regions."""
    return {
        "check": r.check,
        "health": r.standing,
        "regionCount": len(r.regions),
        "failingRegionCount": len(r.failing),
        "regions": list(r.regions),
        "failingRegions": list(r.failing),
    }


def seen_json(s: Seen) -> dict[str, Any]:
    """One slice in one region."""
    state = s.state
    return {
        "check": s.check,
        "region": state.region or None,
        "health": s.standing,
        "stale": s.stale,
        "unobservable": s.unserved,
        "paused": None if s.pause is None else pause_json(s.pause),
        "since": iso(state.since) if state.runs or s.failing else None,
        "runs": state.runs,
        "lastRun": iso(state.last_at),
        "lastOutcome": state.last_outcome,
        "reason": state.reason,
        "intervalMs": state.interval_ms,
        "due": iso(state.due_at),
        "runningOn": state.running,
        "generation": state.generation,
        "digest": state.digest,
    }


def pause_json(p: PauseRow) -> dict[str, Any]:
    """Who stopped it from running, or that it was set aside."""
    return {"kind": p.kind, "by": p.actor, "reason": p.reason, "since": iso(p.at), "until": iso(p.until)}


def _worker(w: WorkerRow, *, alive: bool) -> dict[str, Any]:
    return {
        "id": w.id,
        "host": w.host,
        "pid": w.pid,
        "alive": alive,
        "stopping": w.stopping,
        "started": iso(w.started),
        "seen": iso(w.seen),
        "info": w.info,
    }
