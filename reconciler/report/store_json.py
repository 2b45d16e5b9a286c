"""What an operator asks of a store, as machines read it: ``"format": 1``, times in epoch seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reconciler.base.canonical import loads
from reconciler.flows.inspect import DriftReport, Shown, Status
from reconciler.model.plan import Stored
from reconciler.report.diagnostics_json import FORMAT
from reconciler.report.plan_json import field_json, plan_json
from reconciler.store.port import GenerationRow, SliceRow, SourceRow


def generation_json(row: GenerationRow) -> dict[str, Any]:
    """One apply."""
    told = asdict(row)
    told["generation"] = told.pop("n")
    told["durationMs"] = round(told.pop("duration_ms"), 1)
    return told


def source_json(row: SourceRow, grants: Sequence[tuple[str, str]] | None = None) -> dict[str, Any]:
    """One source; ``grants`` only where they were asked for."""
    told: dict[str, Any] = {
        "name": row.name,
        "commit": row.commit,
        "tree": row.tree,
        "held": row.held,
        "at": row.at,
        "totals": dict(row.totals),
    }
    if grants is not None:
        told["grants"] = [{"what": what, "pattern": pattern} for what, pattern in grants]
    return told


def resource_json(s: Stored, *, body: bool = True) -> dict[str, Any]:
    """A resource with its origin; its body as it is stored, durations in milliseconds."""
    r = s.resource
    told: dict[str, Any] = {
        "kind": r.key.kind,
        "name": r.key.name,
        "source": r.source,
        "path": r.path,
        "line": r.line,
        "status": s.status,
        "since": s.since,
        "protected": r.protected,
        "digest": r.digest,
    }
    if body:
        told["body"] = loads(r.body)
    return told


def slice_json(s: SliceRow, *, body: bool = True) -> dict[str, Any]:
    """A slice with the names of its parts."""
    told: dict[str, Any] = {
        "system": s.system,
        "check": s.check,
        "environment": s.environment,
        "source": s.source,
        "since": s.since,
        "digest": s.digest,
    }
    if body:
        told["body"] = loads(s.body)
    return told


def status_json(status: Status, where: str) -> dict[str, Any]:
    """The state of a store; ``generation`` is null before the first apply."""
    return {
        "format": FORMAT,
        "store": where,
        "generation": generation_json(status.generation) if status.generation else None,
        "sources": [source_json(s) for s in status.sources],
        "resources": status.resources,
        "slices": status.slices,
        "orphans": [resource_json(o, body=False) for o in status.orphans],
        "outside": status.outside,
    }


def sources_json(sources: Sequence[SourceRow], grants: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, Any]:
    """All sources with what they may name; no grant means everything."""
    return {"format": FORMAT, "sources": [source_json(s, grants.get(s.name, ())) for s in sources]}


def shown_json(shown: Shown) -> dict[str, Any]:
    """What a generation changed, in the shape of a plan."""
    return {**plan_json(shown.plan, lambda part: shown.before), "applied": generation_json(shown.row)}


def drift_json(report: DriftReport) -> dict[str, Any]:
    """Every row that isn't as it was applied."""
    rows = [{"what": r.what, "op": r.op, "at": r.at, "fields": [field_json(*f) for f in r.fields]} for r in report.rows]
    return {"format": FORMAT, "drifted": report.drifted, "sealed": report.sealed, "rows": rows}
