"""What automations count. Plain numbers, made into Prometheus' form when it asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.flows.work.tally import Spread

if TYPE_CHECKING:
    from prometheus_client.core import Metric


@dataclass(slots=True)
class AutomationTally:
    """``late``: seconds from what happened to the first action that it led to. ``going`` and ``dead`` are replaced as a
    whole, now and then: runs that haven't ended by status, and deliveries that were given up."""

    runs: Counter[str] = field(default_factory=Counter)
    steps: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: int = 0
    fired: int = 0
    stopped: Counter[str] = field(default_factory=Counter)
    late: Spread = field(default_factory=Spread)
    turns: Spread = field(default_factory=Spread)
    faults: int = 0
    leading: bool = False
    going: dict[str, int] = field(default_factory=dict)
    dead: int = 0

    def families(self) -> Iterator[Metric]:
        """In Prometheus' form. None has a label for an automation or a system."""
        from prometheus_client.core import CounterMetricFamily as Count
        from prometheus_client.core import GaugeMetricFamily as Gauge
        from prometheus_client.core import HistogramMetricFamily as Histogram

        runs = Count("gitops_automation_runs", "Runs of automations that ended here.", labels=["status"])
        for status, n in list(self.runs.items()):
            runs.add_metric([status], n)
        yield runs
        steps = Count("gitops_automation_steps", "Steps that ended here.", labels=["action", "status"])
        for (action, status), n in list(self.steps.items()):
            steps.add_metric([action, status], n)
        yield steps
        stopped = Count("gitops_automation_events_stopped", "Events that started nothing, by gate.", labels=["gate"])
        for gate, n in list(self.stopped.items()):
            stopped.add_metric([gate], n)
        yield stopped
        yield Count("gitops_automation_events", "Events that were judged here.", value=self.events)
        yield Count("gitops_automation_faults", "Faults of triggers and runs.", value=self.faults)
        text = "From what happened to the first action that it led to."
        yield Histogram(
            "gitops_automation_lateness_seconds", text, buckets=self.late.cumulative(), sum_value=self.late.total
        )
        going = Gauge("gitops_automation_runs_going", "Runs in the store that haven't ended.", labels=["status"])
        for status, n in self.going.items():
            going.add_metric([status], n)
        yield going
        yield Gauge("gitops_automation_deliveries_dead", "Deliveries that were given up.", value=self.dead)
        yield Gauge("gitops_automation_leading", "Whether this worker judges triggers.", value=float(self.leading))
