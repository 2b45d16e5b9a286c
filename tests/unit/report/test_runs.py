"""What people read of runs and of health, to the letter, by a clock that stands still.

``GITOPS_UPDATE_GOLDENS=1`` writes ``tests/golden/reports`` anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from reconciler.flows.health import RANK, Cell, HealthReport, Seen, SystemHealth, only_failing, seen
from reconciler.flows.named import Named
from reconciler.flows.observed import Observed
from reconciler.flows.origins import Origin
from reconciler.flows.runs import Digest, Past, Told
from reconciler.flows.watch import Changed, News
from reconciler.model.run import Measured, Observation, Outcome, Run, Verdict
from reconciler.model.slice import SliceKey, SliceName
from reconciler.report import health_text, past_text, run_text, watch_text
from reconciler.report.health_json import health_json
from reconciler.report.moments import iso, span, took
from reconciler.report.style import Style
from reconciler.store.executing import PauseRow, RegionRow, SliceState, Transition, WorkerRow

GOLDEN = Path(__file__).parents[2] / "golden" / "reports"
UPDATE = os.environ.get("GITOPS_UPDATE_GOLDENS") == "1"
NOW = 1_800_000_000.0
NAME = SliceName("orders-api", "orders-http", "production")
KEY = SliceKey(1, 2, 3)
ORIGIN = Origin("quickstart", "monitoring/orders.yaml", 15, "1a2b3c4d5e6f")
PAINTED = Style(True)
PLAIN = Style()


def compare(name: str, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    file = GOLDEN / f"{name}.txt"
    if UPDATE:
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"GITOPS_UPDATE_GOLDENS=1 pytest {__file__} refreshes it"


def told(observation: Observation, *, at: float = NOW - 5, slot: float | None = None, origin: bool = True) -> Told:
    run = Run(
        key=KEY,
        region="",
        slot=at if slot is None else slot,
        at=at,
        duration_ms=observation.duration_ms,
        outcome=observation.outcome,
        reason=observation.reason,
        generation=7 if origin else 0,
        digest="d",
        worker="tester by hand",
        detail=observation.detail(),
    )
    return Told(NAME, run, ORIGIN if origin else ORIGIN._replace(commit=""))


HTTP = Measured(
    "0",
    "http.request",
    {"bodyLength": 12, "responseTimeMs": 14.25, "statusCode": 503, "statusText": "Nope", "success": False},
    phases={"dns": 0.0, "connect": 0.31, "tls": 4.2, "firstByte": 13.0, "total": 14.25},
    verdicts=(
        Verdict("statusCode", None, "equals", 200, "503", False),
        Verdict("responseTimeMs", None, "lessThan", 1500, "14.25", True),
        Verdict("body", "$.ready", "equals", True, "false", False),
        Verdict("body", "$.error", "exists", None, None, False, "the field has no value"),
        Verdict("statusText", None, "equals", "Nope", "Nope", True),
    ),
)
SCRIPT = Measured(
    "disk",
    "script.execute",
    {
        "exitCode": 3,
        "stdout": "\n".join(f"line {i}" for i in range(14)),
        "stderr": "no such disk\x1b[31m",
        "success": False,
        "timedOut": False,
        "executionTimeMs": 1234.5,
    },
    error="Exit code: 3",
    sandbox={
        "requested": ["resources", "filesystem", "network", "privilege"],
        "enforced": ["filesystem", "network", "privilege"],
        "downgrades": [{"layer": "resources", "reason": "no control group can be written"}],
        "notes": [{"layer": "network", "note": "nobody but the listed hosts"}],
        "droppedEnvironment": ["LD_PRELOAD"],
    },
    notes=("the output was cut at 64 KiB",),
)
HEALTHY = Observation("healthy", 12.0, (HTTP._replace(verdicts=HTTP.verdicts[1:2]),))
FAILED = Observation("unhealthy", 1250.0, (HTTP, SCRIPT))
REFUSED = Observation("degraded", 0.0, error="the secret PROBE_KEY isn't there")


@pytest.mark.parametrize(("name", "observation"), [("healthy", HEALTHY), ("failed", FAILED), ("refused", REFUSED)])
def test_a_run(name: str, observation: Observation) -> None:
    compare(f"run-{name}", run_text.run_text(told(observation), PLAIN))


def test_a_run_in_full_and_in_colours() -> None:
    compare("run-full", run_text.run_text(told(FAILED, origin=False), PAINTED, full=True))
    plain = list(run_text.run_text(told(FAILED), PLAIN, full=True))
    assert len([line for line in plain if "| line" in line]) == 14
    assert not any("\x1b" in line for line in plain), "what a script writes doesn't steer the terminal"


def test_what_is_said_in_several_lines_stays_so() -> None:
    raised = SCRIPT._replace(error="ValueError: a\nb\x1b[2J", notes=('Traceback:\n  File "x"\nValueError: a', ""))
    observation = Observation("unhealthy", 1.0, (raised,), error="no\nroute")
    lines = list(run_text.run_text(told(observation), PLAIN))
    assert lines[1:3] == ["  no", "  route"]
    assert lines[4:6] == ["    ValueError: a", "    b\ufffd[2J"]
    assert lines[-5:-1] == ["    note: Traceback:", '            File "x"', "          ValueError: a", "    note: "]


def test_totals() -> None:
    counts: dict[Outcome, int] = {"healthy": 2000, "unhealthy": 1, "degraded": 1}
    assert run_text.totals(counts, PLAIN) == "2,002 runs: 1 unhealthy, 1 degraded, 2,000 healthy"
    assert run_text.totals({"healthy": 1}, PLAIN) == "1 run: 1 healthy"


def state(check: int = 2, **changes: Any) -> SliceState:
    given: dict[str, Any] = {
        "key": SliceKey(1, check, 3),
        "region": "",
        "digest": "d",
        "generation": 7,
        "interval_ms": 60_000,
        "due_at": NOW + 10,
        "running": None,
        "health": "healthy",
        "since": NOW - 7200,
        "runs": 9,
        "last_at": NOW - 20,
        "last_outcome": "healthy",
        "reason": None,
    }
    return SliceState(**{**given, **changes})


BAD: dict[str, Any] = {
    "health": "unhealthy",
    "since": NOW - 200,
    "last_outcome": "unhealthy",
    "reason": "statusCode equals 200 (found 503)",
}
NEVER: dict[str, Any] = {"runs": 0, "last_at": None, "last_outcome": None, "since": NOW - 10}


def looked(check: str = "orders-http", **changes: Any) -> Seen:
    return seen(check, state(**changes), Observed(NOW))


def cell(environment: str | None, *found: Seen) -> Cell:
    return Cell(environment, found[0].standing, None if found[0].standing == "unknown" else found[0].state.since, found)


def report() -> HealthReport:
    return HealthReport(
        NOW,
        (
            SystemHealth(
                "orders-api",
                "unhealthy",
                (
                    cell("production", looked(**BAD), looked("orders-disk")),
                    cell("staging", looked()),
                ),
            ),
            SystemHealth("billing", "stale", (cell(None, looked(last_at=NOW - 1000)),)),
            SystemHealth(
                "mail", "unknown", (cell("live", looked(**NEVER)), cell("test", looked(**NEVER), looked("b")))
            ),
            SystemHealth(
                "web", "healthy", (cell(None, looked(last_outcome="unhealthy", reason="timed out after 8s")),)
            ),
        ),
        (WorkerRow("w1", "one", 17, NOW - 900, NOW - 1, False, {}),),
        (WorkerRow("w2", "two", 18, NOW - 900, NOW - 400, False, {}),),
    )


def test_health() -> None:
    compare("health", health_text.health_text(report(), PLAIN))
    compare("health-painted", health_text.health_text(report(), PAINTED))
    compare("health-failing", health_text.health_text(only_failing(report()), PLAIN))
    compare("health-system", health_text.system_text(report(), "orders-api", PLAIN))


def regional(observed: Observed) -> HealthReport:
    """A check in three regions of which nobody serves two, one that is paused, one that was set aside."""
    found = [
        seen("orders-http", state(), observed),
        seen("orders-http", state(region="eu-1", last_at=NOW - 80), observed),
        seen("orders-http", state(region="us-1", health="unhealthy", unseen=NOW - 60, **OLD), observed),
        seen("orders-disk", state(4, paused=1), observed),
        seen("orders-cpu", state(5, paused=2, tries=3), observed),
    ]
    found.sort(key=lambda s: (RANK[s.standing], s.check, s.state.region))
    moved = seen("orders-disk", state(6, paused=1), observed)
    cells = (Cell("production", found[0].standing, NOW - 60, tuple(found)), cell("staging", moved))
    return HealthReport(NOW, (SystemHealth("orders-api", "unhealthy", cells),), ())


OLD: dict[str, Any] = {"since": NOW - 900, "last_outcome": "unhealthy", "reason": "statusCode equals 200 (found 503)"}
REGIONS = {
    "": RegionRow("", NOW - 1, True),
    "eu-1": RegionRow("eu-1", NOW - 75, True),
    "us-1": RegionRow("us-1", NOW - 60, False),
}
PAUSES = {
    (SliceKey(1, 4, 3), ""): PauseRow(SliceKey(1, 4, 3), "", NOW - 300, NOW + 3600, "ada", "a new disk", "paused"),
    (SliceKey(1, 5, 3), ""): PauseRow(SliceKey(1, 5, 3), "", NOW - 30, None, "w1", "3 workers ended", "set aside"),
    (SliceKey(1, 6, 3), ""): PauseRow(SliceKey(1, 6, 3), "", NOW - 30, None, "ada", "", "paused"),
}


def test_regions_and_pauses() -> None:
    found = regional(Observed(NOW, regions=REGIONS, pauses=PAUSES))
    compare("health-regions", health_text.health_text(found, PLAIN))
    compare("health-regions-system", health_text.system_text(found, "orders-api", PLAIN))
    data = health_json(found)
    compare("health-regions-json", json.dumps(data, indent=2).splitlines())
    assert (data["counts"]["paused"], data["systems"][0]["failingSliceCount"]) == (2, 3)


def test_what_is_served_again_waits_for_its_run() -> None:
    again = Observed(NOW, regions={"eu-1": RegionRow("eu-1", NOW - 2, True)})
    waiting = seen("c", state(region="eu-1", health="degraded", unseen=NOW - 60), again)
    assert waiting.standing == "degraded"
    assert health_text.reason(waiting, NOW) == "unobservable until its next run: region eu-1 is served again"
    here = Observed(NOW, regions={"": RegionRow("", NOW - 2, True)})
    assert here.unserved(state(unseen=NOW - 60)) == (
        "unobservable until its next run: slices without a region are served again"
    )


def test_nobody_can_tell_without_any_worker_there_ever_was() -> None:
    never = Observed(NOW, regions={"": RegionRow("", NOW - 900, False)})
    assert seen("c", state(**NEVER), never).standing == "unknown"
    assert seen("c", state(), never).standing == "healthy"


def test_healthy_rows_are_folded_where_there_are_many() -> None:
    systems = tuple(SystemHealth(f"s{i}", "healthy", (cell(None, looked()),)) for i in range(50))
    many = HealthReport(NOW, (report().systems[0], *systems), (), ())
    lines = list(health_text.health_text(many, PLAIN))
    assert len(lines) == 6
    assert lines[2] == "51 more rows are healthy; --full shows them."
    assert len(list(health_text.health_text(many, PLAIN, full=True))) == 56
    healthy = HealthReport(NOW, systems, (), ())
    assert next(iter(health_text.health_text(healthy, PLAIN))) == "50 rows are healthy; --full shows them."


def test_nothing_that_is_unknown_is_green() -> None:
    green = "\x1b[32m"
    for found in (looked(**NEVER), looked(last_at=NOW - 181)):
        alone = HealthReport(NOW, (SystemHealth("s", found.standing, (cell(None, found),)),), ())
        assert not any(green in line for line in health_text.health_text(alone, PAINTED))


def test_what_is_overdue_is_stale_but_what_fails_stays_failing() -> None:
    assert not looked(last_at=NOW - 179).stale
    assert looked(last_at=NOW - 181).standing == "stale"
    late = looked(**{**BAD, "last_at": NOW - 181})
    assert (late.standing, late.stale) == ("unhealthy", True)
    assert health_text.reason(late, NOW) == ("statusCode equals 200 (found 503); not run since 2027-01-15 07:56:59 UTC")
    assert not looked(**NEVER).stale
    at_it = state(last_at=NOW - 181, running="w1")
    assert seen("c", at_it, Observed(NOW, alive=frozenset({"w2"}))).stale
    assert not seen("c", at_it, Observed(NOW, alive=frozenset({"w1"}))).stale, "it takes long, but it runs"


def test_health_as_data() -> None:
    data = health_json(report())
    production, staging = data["systems"][0]["environments"]
    assert (production["sliceCount"], production["failingSliceCount"]) == (2, 1)
    assert production["checks"][0]["reason"] == "statusCode equals 200 (found 503)"
    assert production["since"] == "2027-01-15T07:56:40.000Z"
    assert staging["health"] == "healthy"
    assert data["systems"][2]["environments"][0]["checks"][0]["since"] is None
    assert data["counts"] == {"unhealthy": 1, "degraded": 0, "stale": 1, "unknown": 2, "paused": 0, "healthy": 4}
    assert [w["alive"] for w in data["workers"]] == [True, False]


def changed(**changes: Any) -> Transition:
    given: dict[str, Any] = {
        "id": 5,
        "scope": "slice",
        "key": KEY,
        "region": "",
        "at": NOW - 4.7,
        "was": "healthy",
        "now": "degraded",
        "cause": "statusCode equals 200 (found 503)",
        "by": KEY,
    }
    return Transition(**{**given, **changes})


def past(**changes: Any) -> Past:
    runs = (told(FAILED, slot=NOW - 5.25), told(HEALTHY, at=NOW - 65), told(REFUSED, at=NOW - 125, slot=NOW - 125.004))
    given: dict[str, Any] = {
        "observed": Observed(NOW),
        "slice": Named(NAME, KEY, "d"),
        "states": (state(health="degraded", since=NOW - 5, reason=FAILED.reason, last_outcome="unhealthy"),),
        "runs": runs,
        "transitions": (changed(), changed(id=4, at=NOW - 65, was="degraded", now="healthy", cause=None)),
    }
    return Past(**{**given, **changes})


def test_the_past_of_a_slice() -> None:
    compare("past", past_text.past_text(past(), PLAIN))
    compare("past-painted", past_text.past_text(past(), PAINTED))
    compare("past-last", past_text.last_text(past(), PLAIN, full=False))
    never = past(states=(state(**NEVER),), runs=(), transitions=())
    compare("past-never", past_text.past_text(never, PLAIN))
    unscheduled = past(states=(), runs=(), transitions=())
    compare("past-unscheduled", past_text.last_text(unscheduled, PLAIN, full=False))
    assert list(past_text.past_text(past(runs=()), PLAIN))[-1] == "No run of it is kept from that time."


def test_regions_stand_apart() -> None:
    here, there = told(HEALTHY), told(FAILED)
    there = there._replace(run=Run(**{f: getattr(there.run, f) for f in there.run.__slots__} | {"region": "eu-1"}))
    both = past(
        states=(state(), state(region="eu-1", **BAD)), runs=(here, there), transitions=(changed(region="eu-1"),)
    )
    compare("past-regions", past_text.past_text(both, PLAIN))


def test_hours_and_days() -> None:
    duration = {"count": 80.0, "min": 2.0, "max": 1500.0, "mean": 9.0, "p50": 4.04, "p95": 88.0, "p99": 1204.0}
    hours = [
        Digest(NOW - 7200, "", 78, 1, 1, {"duration": duration}),
        Digest(NOW - 3600, "", 0, 0, 0, {}),
    ]
    compare("past-hours", past_text.digests_text(NAME, hours, "hour", PLAIN))
    compare(
        "past-days",
        past_text.digests_text(NAME, [h._replace(region="eu-1" * i) for i, h in enumerate(hours)], "day", PLAIN),
    )
    compare("past-no-hours", past_text.digests_text(NAME, [], "hour", PLAIN))


def news() -> News:
    all_of_it = changed(id=6, scope="system", key=SliceKey(1, 0, 0))
    return News(
        (Changed("orders-api", "orders-http", "production", changed()), Changed("orders-api", None, None, all_of_it)),
        (told(Observation("unhealthy", 250.0, (HTTP,))),),
        3,
    )


def test_news() -> None:
    compare("news", watch_text.news_lines(news(), PLAIN))
    compare("news-painted", watch_text.news_lines(news(), PAINTED))
    events = list(watch_text.news_json(news()))
    assert [e.split('"event": "')[1].split('"')[0] for e in events] == ["run", "transition", "transition"]
    assert not any("\n" in event for event in events)


@pytest.mark.parametrize("height", [5, 12, 40])
def test_a_screen_is_never_higher_than_the_terminal(height: int) -> None:
    systems = tuple(SystemHealth(f"s{i}", "unhealthy", (cell(None, looked(**BAD)),)) for i in range(60))
    events = list(watch_text.news_lines(news(), PLAIN))
    lines = watch_text.screen_lines(HealthReport(NOW, systems, (), ()), events, PLAIN, height=height)
    assert len(lines) <= height
    if height == 40:
        assert lines[-1] == "2027-01-15 08:00:00 UTC  Ctrl-C ends this"
        assert any("more lines; a higher terminal shows more" in line for line in lines)


def test_spans_and_moments() -> None:
    spans = [span(s) for s in (-5, 0, 59.9, 60, 3599, 3600, 86_399, 86_400, 10**6)]
    assert spans == ["0 s", "0 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 d", "11 d"]
    assert [took(ms) for ms in (0.04, 9.94, 12.4, 999, 1000, 61_000)] == [
        *("0.0 ms", "9.9 ms", "12 ms", "999 ms", "1.0 s", "61.0 s")
    ]
    assert iso(NOW + 0.25) == "2027-01-15T08:00:00.250Z"
    assert iso(None) is None
