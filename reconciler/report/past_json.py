"""The past of one slice as machines read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.flows.health import Regional, seen
from reconciler.flows.runs import Digest, Past
from reconciler.model.slice import SliceName
from reconciler.report.diagnostics_json import FORMAT
from reconciler.report.health_json import regional_json, seen_json
from reconciler.report.moments import iso
from reconciler.report.run_json import name_json, run_json, transition_json


def past_json(past: Past, *, detail: bool) -> dict[str, Any]:
    """How it stands in each region, its runs and its changes of health, both newest first."""
    name = past.slice.name
    states = [seen(name.check, state, past.observed) for state in past.states]
    return {
        "format": FORMAT,
        **name_json(name),
        "at": iso(past.at),
        "states": [seen_json(each) for each in states],
        "regional": regional_json(Regional.of(name.check, states)) if len(states) > 1 else None,
        "runs": [run_json(told, detail=detail) for told in past.runs],
        "transitions": [transition_json(t) for t in past.transitions],
    }


def digests_json(name: SliceName, digests: Sequence[Digest], span: str) -> dict[str, Any]:
    """Hours or days, oldest first; the metric ``duration`` is in milliseconds, as is every one that ends in ``Ms``."""
    rows = [
        {
            "start": iso(d.start),
            "region": d.region or None,
            "runs": d.runs,
            "healthy": d.healthy,
            "degraded": d.degraded,
            "unhealthy": d.unhealthy,
            "metrics": d.metrics,
        }
        for d in digests
    ]
    return {"format": FORMAT, **name_json(name), "span": span, "aggregates": rows}
