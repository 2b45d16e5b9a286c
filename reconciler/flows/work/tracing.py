"""A span for each run, for whoever keeps traces. An extra, and off unless it is asked for.

Where spans go is said by OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT`` and the like). They are sent in
batches by a thread of its library; a collector that is away costs spans, never runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from reconciler._version import __version__
from reconciler.base.errors import GitopsError
from reconciler.model.run import Run

if TYPE_CHECKING:
    from opentelemetry.trace import Status

    from reconciler.sandbox.runners.variables import Subject

_MISSING = "traces need a library that isn't installed here"
_REMEDY = "pip install 'gitops-reconciler[otel]'"


class Traces:
    """Belongs to the event loop's thread, but for :meth:`close`."""

    def __init__(self, worker: str, trouble: Callable[[str], None]) -> None:
        """``trouble`` is told once, on any thread, that spans can't be sent. Raises ``GitopsError``."""
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace import Status, StatusCode
        except ImportError as error:
            raise GitopsError(_MISSING, hint=_REMEDY) from error
        quiet = logging.getLogger("opentelemetry")
        quiet.propagate = False
        quiet.handlers = [_Once(trouble)]
        of = {"service.name": "gitops", "service.version": __version__, "service.instance.id": worker}
        self._provider = TracerProvider(resource=Resource.create(of), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("gitops", __version__)
        self._bad: Callable[[str | None], Status] = partial(Status, StatusCode.ERROR)

    def add(self, run: Run, strategy: str, subject: Subject) -> None:
        """A run that was stored."""
        attributes: dict[str, str | int] = {
            "gitops.run": run.id,
            "gitops.system": subject.system_id,
            "gitops.check": subject.check_id,
            "gitops.environment": subject.environment_id or "",
            "gitops.region": run.region,
            "gitops.strategy": strategy,
            "gitops.outcome": run.outcome,
            "gitops.generation": run.generation,
        }
        span = self._tracer.start_span("gitops.run", start_time=round(run.at * 1e9), attributes=attributes)
        if run.outcome != "healthy":
            span.set_status(self._bad(run.reason))
        span.end(round((run.at + run.duration_ms / 1000) * 1e9))

    def close(self) -> None:
        """Send what is left. May take as long as the collector's time limit."""
        self._provider.shutdown()


class _Once(logging.Handler):
    """The library tells its troubles to a log; one sentence of it is enough."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell: Callable[[str], None] | None = tell

    def emit(self, record: logging.LogRecord) -> None:
        """The first one."""
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(f"traces can't be sent: {record.getMessage()}")
