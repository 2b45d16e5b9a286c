"""Numbers of many runs in little space: count, least, most, sum, and a sketch that gives percentiles and merges.

The sketch is a t-digest: of those that merge it is the fastest here by far (2 µs for 60 values, 1 µs to merge two),
and precise where people look, at the far end. An hour keeps fewer centroids than a day, as there are 24 times as many.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.model.run import Run

if TYPE_CHECKING:
    from fastdigest import TDigest

DURATION = "duration"
_CENTROIDS = {"hour": 40, "day": 100}
_MOST = 64
"""Numbers of one slice that are kept; a script may invent more."""

Metric = dict[str, Any]


def numbers(run: Run) -> dict[str, float]:
    """What a run measured: ``duration`` (ms), and each numeric field as ``<collector>.<field>``."""
    found: dict[str, float] = {DURATION: run.duration_ms}
    for collector in run.detail.get("collectors") or ():
        result = collector.get("result")
        if not isinstance(result, dict):
            continue
        for field, value in result.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and len(found) < _MOST:
                found[f"{collector.get('id')}.{field}"] = value
    return found


def measure(runs: Iterable[Run], span: str) -> dict[str, Metric]:
    """The metrics of these runs, by name."""
    values: dict[str, list[float]] = {}
    for run in runs:
        for name, value in numbers(run).items():
            if name in values or len(values) < _MOST:
                values.setdefault(name, []).append(value)
    return {name: _metric(found, span) for name, found in values.items()}


def merged(parts: Sequence[Mapping[str, Metric]], span: str) -> dict[str, Metric]:
    """The metrics of several aggregates together."""
    together: dict[str, list[Metric]] = {}
    for part in parts:
        for name, metric in part.items():
            if name in together or len(together) < _MOST:
                together.setdefault(name, []).append(metric)
    return {name: _join(metrics, span) for name, metrics in together.items()}


def percentile(metric: Metric, percent: float) -> float:
    """A percentile of a metric, 0 to 100; 0 and 100 are exact."""
    found = float(_loaded(metric).percentile(percent))
    return min(max(found, float(metric["min"])), float(metric["max"]))


def percentiles(metric: Metric) -> dict[str, float]:
    """The three that are shown: p50, p95, p99."""
    return {f"p{percent}": percentile(metric, percent) for percent in (50, 95, 99)}


def _metric(values: list[float], span: str) -> Metric:
    from fastdigest import TDigest

    digest = TDigest.from_values(values, max_centroids=_CENTROIDS[span])
    plain = {"count": len(values), "min": min(values), "max": max(values), "sum": sum(values)}
    return {**plain, "sketch": b64encode(digest.to_bytes()).decode()}


def _join(metrics: Sequence[Metric], span: str) -> Metric:
    from fastdigest import TDigest

    digest = TDigest(max_centroids=_CENTROIDS[span])
    for metric in metrics:
        digest = digest.merge(_loaded(metric))
    digest.max_centroids = _CENTROIDS[span]
    return {
        "count": sum(m["count"] for m in metrics),
        "min": min(m["min"] for m in metrics),
        "max": max(m["max"] for m in metrics),
        "sum": sum(m["sum"] for m in metrics),
        "sketch": b64encode(digest.to_bytes()).decode(),
    }


def _loaded(metric: Metric) -> TDigest:
    from fastdigest import TDigest

    return TDigest.from_bytes(b64decode(metric["sketch"]))
