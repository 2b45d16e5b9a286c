"""Spans of runs, sent to a collector that listens here."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from reconciler.flows.work.events import Untraced
from reconciler.flows.work.knobs import Knobs
from tests.servers.sources import Source
from tests.servers.targets import targets
from tests.servers.workers import Shift, working

if TYPE_CHECKING:
    from tests.conftest import Kit

KNOBS = Knobs(grace=1.0, scripts=1, traces=True)


class Collector:
    """What was sent."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.url = ""

    def spans(self) -> list[Any]:
        return [s for r in self.requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportTraceServiceRequest()
            request.ParseFromString(body)
            found.requests.append(request)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def test_each_run_is_a_span(kit: Kit, tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    source = Source(kit, tmp_path / "store.db")
    with targets() as there:
        there.status["/bad"] = 500
        source.check("good", f"{there.url}/good")
        source.check("bad", f"{there.url}/bad")
        source.apply()

        async def scenario(shift: Shift) -> None:
            await shift.until(lambda: len(shift.runs()) >= 4)

        events = working(source.path, scenario, knobs=KNOBS)
    runs, spans = source.runs(), collector.spans()
    assert len(spans) == len(runs)
    outcomes = {(v["gitops.check"], v["gitops.outcome"]) for v in map(attributes, spans)}
    assert outcomes == {("good", "healthy"), ("bad", "unhealthy")}
    bad = next(s for s in spans if attributes(s)["gitops.check"] == "bad")
    assert bad.status.message.startswith("statusCode equals 200")
    took = sorted((s.end_time_unix_nano - s.start_time_unix_nano) / 1e6 for s in spans)
    assert took == pytest.approx(sorted(r.duration_ms for r in runs), abs=0.01)
    assert not [e for e in events if isinstance(e, Untraced)]


def attributes(span: Any) -> dict[str, str]:
    return {a.key: a.value.string_value for a in span.attributes}


def test_a_collector_that_is_away_costs_a_sentence(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    source = Source(kit, tmp_path / "store.db")
    with targets() as there:
        source.check("good", f"{there.url}/good")
        source.apply()

        async def scenario(shift: Shift) -> None:
            await shift.until(lambda: shift.said(Untraced))
            await shift.until(lambda: len(shift.runs()) >= 2)

        events = working(source.path, scenario, knobs=KNOBS)
    assert len([e for e in events if isinstance(e, Untraced)]) == 1
    assert capfd.readouterr().err == ""
