"""Numbers of many runs in little space: count, least, most, sum, and a sketch that gives percentiles and merges.

The sketch is a t-digest: of those that merge it is the fastest by far (2 µs for 60 values, 1 µs to merge two, where a
DDSketch takes 50 and 90), and precise where people look, at the far end: the hour of a check that runs once a minute
has exact p95 and p99 with 40 centroids. A day gets more of them. A number that never varied has none.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    least, most = float(metric["min"]), float(metric["max"])
    if "sketch" not in metric:
        return least
    return min(max(float(_loaded(metric).percentile(percent)), least), most)


def percentiles(metric: Metric) -> dict[str, float]:
    """The three that are shown: p50, p95, p99."""
    return {f"p{percent}": percentile(metric, percent) for percent in (50, 95, 99)}


def _metric(values: list[float], span: str) -> Metric:
    from fastdigest import TDigest

    found = {"count": len(values), "min": min(values), "max": max(values), "sum": sum(values)}
    return _sketched(found, lambda: TDigest.from_values(values, max_centroids=_CENTROIDS[span]))


def _join(metrics: Sequence[Metric], span: str) -> Metric:
    found = {
        "count": sum(m["count"] for m in metrics),
        "min": min(m["min"] for m in metrics),
        "max": max(m["max"] for m in metrics),
        "sum": sum(m["sum"] for m in metrics),
    }
    return _sketched(found, lambda: _merged(metrics, _CENTROIDS[span]))


def _sketched(found: Metric, digest: Callable[[], TDigest]) -> Metric:
    if found["min"] == found["max"]:
        return found
    return {**found, "sketch": b64encode(zlib.compress(digest().to_bytes(), 1)).decode()}


def _merged(metrics: Sequence[Metric], centroids: int) -> TDigest:
    from fastdigest import TDigest

    digest = TDigest(max_centroids=centroids)
    for metric in metrics:
        digest = digest.merge(_loaded(metric))
    digest.max_centroids = centroids
    return digest


def _loaded(metric: Metric) -> TDigest:
    from fastdigest import TDigest

    if "sketch" not in metric:
        # As many as a sketch would have: between two of them values are interpolated.
        many = min(metric["count"], _CENTROIDS["hour"])
        return TDigest.from_values([float(metric["min"])] * many, w=metric["count"] / many)
    return TDigest.from_bytes(zlib.decompress(b64decode(metric["sketch"])))
