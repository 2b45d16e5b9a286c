"""The tally in Prometheus' form. Made when it is asked for, so that a run costs a few additions and no more.

No metric has a label per slice: of ten thousand slices that would be ten thousand series.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from reconciler._version import __version__
from reconciler.flows.work.clerk import Clerk
from reconciler.flows.work.floor import Floor
from reconciler.flows.work.healths import RANK
from reconciler.flows.work.tally import Spread, Tally


class Metrics:
    """A registry of its own, so that nothing of the libraries gets in."""

    def __init__(
        self, tally: Tally, floor: Floor, clerk: Clerk, beside: Callable[[], Iterator[Metric]] | None = None
    ) -> None:
        """``beside`` are those of automations, where this worker has them."""
        self._tally, self._floor, self._clerk, self._beside = tally, floor, clerk, beside
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def page(self) -> tuple[int, str, str]:
        """For the endpoint."""
        return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry).decode()

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' registry asks for."""
        yield from self._runs()
        yield from self._slots()
        yield from self._store()
        yield self._health()
        yield from self._clerk.vitals.families(self._clerk.healths.slices)
        if self._beside is not None:
            yield from self._beside()
        build = GaugeMetricFamily("gitops_build_info", "Release of the worker.", labels=["version", "python"])
        build.add_metric([__version__, platform.python_version()], 1)
        yield build

    def _runs(self) -> Iterator[Metric]:
        tally = self._tally
        runs = CounterMetricFamily("gitops_runs", "Runs that were stored.", labels=["strategy", "outcome"])
        for (strategy, outcome), n in tally.runs.items():
            runs.add_metric([strategy, outcome], n)
        yield runs
        took = HistogramMetricFamily("gitops_run_duration_seconds", "How long runs took.", labels=["strategy"])
        for strategy, spread in tally.took.items():
            took.add_metric([strategy], spread.cumulative(), spread.total)
        yield took
        yield _spread(
            "gitops_run_lateness_seconds",
            "From when a run was due to its start; without those in the lane.",
            tally.late,
        )
        yield _counter("gitops_runs_deferred", "Runs put off to their next tick, unrecorded.", "reason", tally.deferred)
        yield _counter("gitops_runs_dropped", "Runs whose result didn't count.", "reason", tally.dropped)
        yield _number("gitops_runs_gave_way", "Unproven runs that were stopped for others.", tally.gave_way)
        yield _number("gitops_slices_claimed", "Claims.", tally.claimed)
        text = "Claims of slices whose worker died, or lost its lease."
        yield _number("gitops_takeovers", text, tally.takeovers)
        yield _number("gitops_slices_given_back", "Claims given back without a run.", tally.given_back)

    def _slots(self) -> Iterator[Metric]:
        pools = self._floor.pools
        for name, text, of in (
            ("gitops_runs_in_flight", "Runs that go on now.", {n: p.running for n, p in pools.items()}),
            ("gitops_slots", "Runs that may go on at once.", {n: p.size for n, p in pools.items()}),
            ("gitops_runs_waiting", "Claims that wait for a slot.", {n: p.waiting for n, p in pools.items()}),
            ("gitops_lane_in_use", "Places of the slow lane in use.", {n: p.in_lane for n, p in pools.items()}),
            ("gitops_lane_slots", "Places of the slow lane.", {n: p.lane for n, p in pools.items()}),
        ):
            gauge = GaugeMetricFamily(name, text, labels=["pool"])
            for pool, n in of.items():
                gauge.add_metric([pool], n)
            yield gauge

    def _store(self) -> Iterator[Metric]:
        yield _number("gitops_store_errors", "Visits to the store that failed.", self._tally.store_errors)
        yield _spread("gitops_store_batch_size", "Results stored in one transaction.", self._tally.batches)
        yield GaugeMetricFamily("gitops_generation", "The generation that is run.", value=self._clerk.generation)
        up = 0.0 if self._clerk.complaint else 1.0
        yield GaugeMetricFamily("gitops_store_up", "Whether the store answered when last asked.", value=up)

    def _health(self) -> Metric:
        text = "Health of a system in an environment: 0 healthy, 1 degraded, 2 unhealthy."
        gauge = GaugeMetricFamily("gitops_health", text, labels=["system", "environment"])
        for (system, environment), health in self._clerk.healths.views.items():
            gauge.add_metric([system, environment], RANK[health])
        return gauge


def _number(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _counter(name: str, text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, n in counts.items():
        family.add_metric([value], n)
    return family


def _spread(name: str, text: str, spread: Spread) -> Metric:
    return HistogramMetricFamily(name, text, buckets=spread.cumulative(), sum_value=spread.total)
