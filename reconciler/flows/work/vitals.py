"""What the metrics tell of the store as a whole: read now and then by the clerk, and only where somebody may ask."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.flows.crew import State, crew
from reconciler.model.run import HOST, Health
from reconciler.store.executing import UNSERVED_SECONDS

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from reconciler.store.executing import Executing, RegionRow, Vitals

_EVERY = 5.0


class VitalSigns:
    """Filled on the clerk's thread; each attribute is replaced as a whole, so that any thread may read it."""

    def __init__(self, regions: tuple[str, ...], *, enabled: bool) -> None:
        self._regions, self._enabled = regions, enabled
        self._read = -_EVERY
        self._vitals: Vitals | None = None
        self._workers: Counter[tuple[str, State]] = Counter()
        self._served: dict[str, bool] = {}

    def refresh(self, executing: Executing) -> None:
        """Ask again, if it is time."""
        if not self._enabled or time.monotonic() - self._read < _EVERY:
            return
        self._read = time.monotonic()
        self._vitals = executing.vitals(regions=self._regions)
        at, members, _ = crew(executing)
        workers: Counter[tuple[str, State]] = Counter()
        for row, state in members:
            workers.update((str(region), state) for region in row.info.get("regions") or ())
        self._workers = workers
        self._served = {r.name: _served(r, at) for r in executing.regions()}

    def families(self, healths: Counter[Health]) -> Iterator[Metric]:
        """In Prometheus' form; ``healths`` counts slices."""
        from prometheus_client.core import GaugeMetricFamily as Gauge

        slices = Gauge("gitops_slices", "Slices in their regions, by health.", labels=["health"])
        for health in ("healthy", "degraded", "unhealthy"):
            slices.add_metric([health], healths[health])
        yield slices
        workers = Gauge(
            "gitops_workers", "Workers by region and state: alive, stopping, lost.", labels=["region", "state"]
        )
        for (region, state), n in self._workers.items():
            workers.add_metric([region or HOST, state], n)
        yield workers
        served = Gauge(
            "gitops_region_served", "Whether a live worker serves a region that has slices.", labels=["region"]
        )
        for region, is_served in self._served.items():
            served.add_metric([region or HOST], float(is_served))
        yield served
        if self._vitals is not None:
            yield from families(self._vitals)


def _served(region: RegionRow, now: float) -> bool:
    return region.served and now - region.seen <= UNSERVED_SECONDS


def families(found: Vitals) -> Iterator[Metric]:
    """What a store said, in Prometheus' form."""
    from prometheus_client.core import GaugeMetricFamily as Gauge

    text = "Slices that nobody looks at, as no live worker serves their region."
    unseen = Gauge("gitops_slices_unobservable", text, labels=["region"])
    for region, n in found.unseen.items():
        unseen.add_metric([region or HOST], n)
    yield unseen
    yield Gauge("gitops_slices_paused", "Slices that somebody paused.", value=found.paused)
    text = "Slices that were set aside, as their runs took workers down."
    yield Gauge("gitops_slices_set_aside", text, value=found.set_aside)
    text = "Slices of this worker's regions that are due, and that no worker has taken."
    yield Gauge("gitops_slices_overdue", text, value=found.overdue)
    text = "Slices of this worker's regions that wait in the queue of the engine (PostgreSQL)."
    yield Gauge("gitops_queue_depth", text, value=found.queued)
    if found.most_connections is not None:
        text = "Connections to the database by what they do, those of everybody."
        connections = Gauge("gitops_database_connections", text, labels=["state"])
        for state, n in found.connections.items():
            connections.add_metric([state], n)
        yield connections
        text = "Connections that the server allows."
        yield Gauge("gitops_database_connections_max", text, value=found.most_connections)
