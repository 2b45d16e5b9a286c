"""Aggregates of hours and days, and the end of what is too old."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.model.run import Run
from reconciler.model.slice import SliceKey
from reconciler.store.executing import Aggregate, Executing
from reconciler.store.metrics import percentile, percentiles

if TYPE_CHECKING:
    from tests.contract.conftest import Rig

pytestmark = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)

HOUR, DAY = 3600.0, 86_400.0
T0 = 1_800_000_000.0
MIDNIGHT = T0 // DAY * DAY


def runs_of(key: SliceKey, ats: list[float], *, region: str = "", ms: float = 5.0, **more: Any) -> list[Run]:
    detail = {"collectors": [{"id": "page", "type": "http.request", "result": {"bytes": 100, "text": "x", "ok": True}}]}
    return [Run(key, region, at, at, ms, "healthy", None, 1, "d", "w", more.get("detail", detail)) for at in ats]


def everything(hands: Executing) -> int:
    """Condense until all is done; in how many rounds."""
    rounds = 0
    while hands.condense(limit=2):
        rounds += 1
        assert rounds < 200
    return rounds


def counted(aggregates: list[Aggregate]) -> int:
    return sum(a.healthy + a.degraded + a.unhealthy for a in aggregates)


@pytest.fixture
def key(rig: Rig) -> SliceKey:
    rig.apply(environments=["production"])
    return rig.key()


def test_an_hour_that_is_over_is_counted(rig: Rig, key: SliceKey) -> None:
    rig.at = T0
    values = [random.Random(7).lognormvariate(3, 0.6) for _ in range(118)]
    for value in values:
        rig.tick(statusCode=200, ms=value)
    rig.tick("unhealthy", statusCode=503, ms=1.0)
    assert rig.hands.condense() == 1, "the hour before has none"
    assert rig.hands.aggregates(key, span="hour") == []
    rig.at = T0 + HOUR + 61
    assert everything(rig.hands) >= 1
    (hour,) = rig.hands.aggregates(key, span="hour")
    assert (hour.start, hour.healthy, hour.degraded, hour.unhealthy) == (T0, 118, 0, 1)
    duration = hour.metrics["duration"]
    assert (duration["count"], duration["min"], duration["max"]) == (119, 1.0, max(values))
    assert duration["sum"] == pytest.approx(sum(values) + 1)
    assert set(hour.metrics) == {"duration", "0.statusCode", "0.ms"}
    assert hour.metrics["0.statusCode"]["max"] == 503
    ordered = sorted([*values, 1.0])
    for name, value in percentiles(duration).items():
        exact = ordered[round(int(name[1:]) / 100 * 118)]
        assert value == pytest.approx(exact, rel=0.1)
    assert percentile(duration, 100) == max(values)
    assert everything(rig.hands) == 0


def test_a_day_is_made_of_its_hours(rig: Rig, key: SliceKey) -> None:
    rig.at = MIDNIGHT
    chance = random.Random(3)
    values = [chance.lognormvariate(3, 0.5) * (20 if chance.random() < 0.02 else 1) for _ in range(1440)]
    for start in range(0, 1440, 60):
        runs = [run for n in range(start, start + 60) for run in runs_of(key, [rig.at + 60 * n], ms=values[n])]
        rig.hands.record(runs)
    rig.at = MIDNIGHT + DAY + 30
    everything(rig.hands)
    assert len(rig.hands.aggregates(key, span="hour")) == 23
    assert rig.hands.aggregates(key, span="day") == []
    rig.at = MIDNIGHT + DAY + 90
    everything(rig.hands)
    (day,) = rig.hands.aggregates(key, span="day")
    hours = rig.hands.aggregates(key, span="hour")
    assert (len(hours), day.start, counted([day])) == (24, MIDNIGHT, 1440)
    assert day.metrics["duration"]["sum"] == pytest.approx(sum(values))
    assert day.metrics["page.bytes"]["count"] == 1440
    ordered = sorted(values)
    for name, value in percentiles(day.metrics["duration"]).items():
        at = int(int(name[1:]) / 100 * 1439)
        assert ordered[at - 8] <= value <= ordered[at + 8], name
    assert [a.start for a in rig.hands.aggregates(key, span="hour", since=MIDNIGHT + 22 * HOUR)] == [
        MIDNIGHT + 22 * HOUR,
        MIDNIGHT + 23 * HOUR,
    ]


def test_a_late_run_is_counted_in_its_hour_and_its_day(rig: Rig, key: SliceKey) -> None:
    rig.at = MIDNIGHT
    rig.hands.record(runs_of(key, [MIDNIGHT + 10, MIDNIGHT + HOUR + 10]))
    rig.at = MIDNIGHT + DAY + 90
    everything(rig.hands)
    rig.hands.record(runs_of(key, [MIDNIGHT + 20, MIDNIGHT + 2 * HOUR, MIDNIGHT + DAY + 5], ms=50.0))
    assert rig.hands.condense() == 1
    assert rig.hands.condense() == 0
    hours = rig.hands.aggregates(key, span="hour")
    assert [(a.start - MIDNIGHT, a.healthy) for a in hours] == [(0, 2), (HOUR, 1), (2 * HOUR, 1)]
    assert hours[0].metrics["duration"]["max"] == 50.0
    (day,) = rig.hands.aggregates(key, span="day")
    assert day.healthy == 4
    rig.at += HOUR
    everything(rig.hands)
    assert counted(rig.hands.aggregates(key, span="hour")) == 5


def test_a_late_run_of_a_slice_that_is_not_condensed_yet_is_counted_once(rig: Rig, key: SliceKey) -> None:
    rig.apply(systems=["shop", "bank"], environments=["production"])
    keys = [s.key for s in rig.hands.states()]
    rig.at = T0
    for each in keys:
        rig.hands.record(runs_of(each, [T0 + 1]))
    rig.at = T0 + HOUR + 61
    assert rig.hands.condense(limit=1) == 1
    for each in keys:
        rig.hands.record(runs_of(each, [T0 + 2]))
    for _ in range(4):
        rig.hands.condense(limit=1)
    for each in keys:
        assert counted(rig.hands.aggregates(each, span="hour")) == 2


def test_two_that_condense_at_once_count_nothing_twice(
    rig: Rig, key: SliceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.hands.record(runs_of(key, [T0 + n for n in range(10)]))
    rig.at = T0 + HOUR + 61
    other, read = rig.more(), type(rig.hands)._hours

    def meanwhile(hands: Any, *given: Any) -> tuple[list[Aggregate], float]:
        found = read(hands, *given)
        if hands is rig.hands:
            everything(other)
        return found

    monkeypatch.setattr(type(rig.hands), "_hours", meanwhile)
    everything(rig.hands)
    assert counted(rig.hands.aggregates(key, span="hour")) == 10


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_when_everything_is_counted_once(rig: Rig, seed: int) -> None:
    chance = random.Random(seed)
    rig.apply(environments=["production"], regions=["local", "fra"])
    key = rig.key()
    hands = [rig.hands, rig.more()]
    total = 0
    for _ in range(120):
        rig.step(chance.choice([60, 600, 4000, 20_000, -3000]))
        hands[0].mend_clock()
        ats = {round(rig.at - chance.random() * chance.choice([10, 5000, 100_000]), 6) for _ in range(3)}
        chance.choice(hands).record(runs_of(key, sorted(ats), region=chance.choice(["", "fra"])))
        total += len(ats)
        if chance.random() < 0.5:
            chance.choice(hands).condense(limit=chance.choice([1, 5]))
    rig.step(2 * DAY)
    everything(rig.hands)
    assert len(rig.hands.runs_after(0, limit=total)[1]) == total
    assert counted(rig.hands.aggregates(key, span="hour")) == total
    assert counted(rig.hands.aggregates(key, span="day")) == total
    assert sum(a.metrics["duration"]["count"] for a in rig.hands.aggregates(key, span="day")) == total
    assert counted(rig.hands.aggregates(key, span="day", region="fra")) == len(
        rig.hands.runs(key, region="fra", limit=999)
    )


def test_what_never_varied_merges_with_what_did(rig: Rig, key: SliceKey) -> None:
    rig.hands.record(runs_of(key, [MIDNIGHT + n for n in range(90)], ms=5.0))
    rig.hands.record(runs_of(key, [MIDNIGHT + HOUR + n for n in range(10)], ms=7.0))
    rig.at = MIDNIGHT + DAY + 61
    everything(rig.hands)
    assert [set(h.metrics["duration"]) for h in rig.hands.aggregates(key, span="hour")] == [
        {"count", "min", "max", "sum"}
    ] * 2
    (day,) = rig.hands.aggregates(key, span="day")
    assert percentiles(day.metrics["page.bytes"]) == {"p50": 100, "p95": 100, "p99": 100}
    assert [percentile(day.metrics["duration"], p) for p in (0, 50, 85, 97, 100)] == [5, 5, 5, 7, 7]


def test_numbers_that_a_script_invents_without_end_are_bounded(rig: Rig, key: SliceKey) -> None:
    for n in range(50):
        detail = {"collectors": [{"id": "s", "type": "script.execute", "result": {f"f{n}-{i}": i for i in range(100)}}]}
        rig.hands.record(runs_of(key, [T0 + n], detail=detail))
    rig.at = T0 + HOUR + 61
    everything(rig.hands)
    (hour,) = rig.hands.aggregates(key, span="hour")
    assert len(hour.metrics) == 64
    assert hour.metrics["duration"]["count"] == 50


# -- pruning -----------------------------------------------------------------------------------------------------------


def fill_days(rig: Rig, key: SliceKey, days: int) -> None:
    """A run every six hours."""
    rig.at = MIDNIGHT
    rig.hands.record(runs_of(key, [MIDNIGHT + n * DAY / 4 for n in range(days * 4)]))
    rig.at = MIDNIGHT + days * DAY


def all_pruned(rig: Rig, limit: int = 5000) -> int:
    total = 0
    while deleted := rig.hands.prune(limit=limit):
        assert deleted <= limit
        total += deleted
    return total


def test_what_is_not_condensed_stays_however_old(rig: Rig, key: SliceKey) -> None:
    fill_days(rig, key, 3)
    rig.step(400 * DAY)
    assert all_pruned(rig) == 0
    assert len(rig.hands.runs(key, limit=100)) == 12


def test_each_ends_after_its_own_time(rig: Rig, key: SliceKey) -> None:
    fill_days(rig, key, 40)
    rig.step(90)
    everything(rig.hands)
    all_pruned(rig, limit=7)
    oldest = {
        "run": min(r.slot for r in rig.hands.runs(key, limit=1000)),
        "hour": rig.hands.aggregates(key, span="hour")[0].start,
        "day": rig.hands.aggregates(key, span="day")[0].start,
    }
    assert {what: (rig.at - 90 - at) / DAY for what, at in oldest.items()} == {"run": 7, "hour": 30, "day": 40}
    assert rig.hands.prune() == 0
    rig.step(364 * DAY)
    everything(rig.hands)
    all_pruned(rig)
    assert (rig.hands.aggregates(key, span="hour"), len(rig.hands.aggregates(key, span="day"))) == ([], 1)
    # In a file the newest stays, so that positions never come again.
    assert len(rig.hands.runs(key)) == (1 if rig.hands.db.dialect == "sqlite" else 0)
    end = rig.hands.position()
    rig.hands.record(runs_of(key, [rig.at]))
    assert [r.at for r in rig.hands.runs_after(end)[1]] == [rig.at]


def test_an_assignment_says_how_long(rig: Rig) -> None:
    rig.apply(environments=["production"], retention={"raw": "1d", "hourly": "2d"})
    key = rig.key()
    fill_days(rig, key, 10)
    rig.step(90)
    everything(rig.hands)
    all_pruned(rig)
    assert len(rig.hands.runs(key, limit=100)) == 4
    assert len(rig.hands.aggregates(key, span="hour")) == 8
    assert len(rig.hands.aggregates(key, span="day")) == 10
    rig.apply(environments=["production"])
    assert rig.sql("select retention from keeping") == [("{}",)]


def test_nothing_is_left_of_a_slice_that_is_long_gone(rig: Rig, key: SliceKey) -> None:
    fill_days(rig, key, 3)
    everything(rig.hands)
    rig.apply(systems=["bank"], environments=[], checks=["other"])
    rig.hands.record(runs_of(rig.key("bank", "other", None), [rig.at]))
    rig.apply(systems=["shop"], environments=[], checks=["ready"])
    assert [s.key for s in rig.hands.states() if s.key == key] == []
    rig.step(2 * DAY)
    everything(rig.hands)
    assert counted(rig.hands.aggregates(key, span="day")) == 12
    rig.step(366 * DAY)
    everything(rig.hands)
    all_pruned(rig)
    for table in ("run", "aggregate", "keeping"):
        left = rig.sql(f'select count(*) from {table} where (system, "check", environment) = (?, ?, ?)', *key)
        assert left == [(0,)], table


def test_a_slice_that_comes_back_goes_on_where_it_was(rig: Rig, key: SliceKey) -> None:
    fill_days(rig, key, 2)
    everything(rig.hands)
    rig.apply(environments=["staging"])
    rig.step(5 * DAY)
    everything(rig.hands)
    rig.apply(environments=["production"])
    rig.hands.record(runs_of(key, [rig.at]))
    rig.step(2 * DAY)
    everything(rig.hands)
    assert counted(rig.hands.aggregates(key, span="hour")) == 9
    assert counted(rig.hands.aggregates(key, span="day")) == 9


def test_transitions_are_kept_for_a_year(rig: Rig, key: SliceKey) -> None:
    for _ in range(5):
        rig.tick("unhealthy")
    assert len(rig.hands.transitions()) == 6
    rig.step(366 * DAY)
    everything(rig.hands)
    all_pruned(rig)
    assert len(rig.hands.transitions()) == 1
