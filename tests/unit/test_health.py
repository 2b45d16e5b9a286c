"""Thresholds and rollup: what the reference says, and what holds for any of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.health.rollup import Rollup, rollup, worst
from reconciler.health.thresholds import Thresholds, evaluate, read
from reconciler.model.run import Health

QUICK = settings(deadline=None, max_examples=150)
RANK = {"healthy": 0, "degraded": 1, "unhealthy": 2}
HEALTHS: list[Health] = ["healthy", "degraded", "unhealthy"]
HEALTH = st.sampled_from(HEALTHS)
RUNS = st.text("hdu", max_size=12)
THRESHOLDS = st.builds(
    Thresholds, st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.sampled_from([0, 0, 6, 10])
)


@pytest.mark.parametrize(
    ("given_", "recent", "was", "expected"),
    [
        ({}, "", "unhealthy", "healthy"),
        ({}, "h", "unhealthy", "healthy"),
        ({}, "u", "healthy", "healthy"),
        ({}, "uu", "healthy", "degraded"),
        ({}, "dd", "healthy", "degraded"),
        ({}, "uuuu", "degraded", "degraded"),
        ({}, "uuuuu", "degraded", "unhealthy"),
        ({}, "udddd", "degraded", "unhealthy"),
        ({}, "uuhuuuuu", "healthy", "degraded"),
        ({"degraded": 1, "unhealthy": 1}, "u", "healthy", "unhealthy"),
        ({"degraded": 3, "unhealthy": 1}, "u", "healthy", "unhealthy"),
        ({"healthy": 3}, "hh", "unhealthy", "unhealthy"),
        ({"healthy": 3}, "hhu", "degraded", "degraded"),
        ({"healthy": 3}, "hhh", "unhealthy", "healthy"),
        ({"healthy": 3}, "uhh", "unhealthy", "unhealthy"),
        ({"healthy": 3}, "uuhuu", "unhealthy", "unhealthy"),
        ({"healthy": 3}, "uhh", "healthy", "healthy"),
        ({"healthy": 3}, "uuuuuh", "degraded", "unhealthy"),
        ({"mode": "window", "windowSize": 5}, "huhuh", "healthy", "degraded"),
        ({"mode": "window", "windowSize": 5}, "huhhh", "unhealthy", "healthy"),
        ({"mode": "window", "windowSize": 5}, "hhhhhuuuuu", "unhealthy", "healthy"),
        ({"mode": "window", "windowSize": 9}, "uhuhuhuhu", "healthy", "unhealthy"),
        ({"mode": "window", "windowSize": 9, "healthy": 9}, "h", "unhealthy", "healthy"),
    ],
)
def test_what_the_newest_runs_make(given_: dict[str, int], recent: str, was: Health, expected: Health) -> None:
    assert evaluate(read(given_), recent, was) == expected


def test_what_is_remembered_is_what_it_takes() -> None:
    assert read({}).remembered == 5
    assert read({"healthy": 9}).remembered == 9
    assert read({"mode": "window", "windowSize": 1000}).remembered == 1000
    assert Thresholds(unhealthy=50_000).remembered == 1000


@QUICK
@given(THRESHOLDS, RUNS, HEALTH)
def test_no_more_runs_are_needed_than_are_remembered(thresholds: Thresholds, recent: str, was: Health) -> None:
    assert evaluate(thresholds, recent[: thresholds.remembered], was) == evaluate(thresholds, recent, was)


@QUICK
@given(THRESHOLDS, RUNS, HEALTH, st.integers(0, 11))
def test_a_failure_more_never_makes_it_better(t: Thresholds, recent: str, was: Health, at: int) -> None:
    failed = recent[:at] + "u" + recent[at + 1 :]
    if at < len(recent):
        assert RANK[evaluate(t, failed, was)] >= RANK[evaluate(t, recent, was)]


@QUICK
@given(THRESHOLDS, RUNS, HEALTH)
def test_what_could_not_be_observed_counts_as_failed(t: Thresholds, recent: str, was: Health) -> None:
    assert evaluate(t, recent.replace("d", "u"), was) == evaluate(t, recent, was)


@QUICK
@given(st.lists(HEALTH, max_size=8), st.randoms())
def test_a_rollup_is_free_of_order_and_grouping(healths: list[Health], random: object) -> None:
    whole = rollup(healths)
    assert whole == Rollup(worst(healths), len(healths), sum(h != "healthy" for h in healths))
    assert rollup(sorted(healths)) == whole
    for cut in range(len(healths) + 1):
        assert rollup(healths[:cut]).join(rollup(healths[cut:])) == whole
        assert rollup(healths[cut:]).join(rollup(healths[:cut])) == whole
    assert whole.join(Rollup()) == whole


def test_joining_is_associative() -> None:
    parts = [Rollup(), *(Rollup(h, 3, n) for h, n in zip(HEALTHS, (0, 1, 3), strict=True))]
    for a, b, c in itertools.product(parts, repeat=3):
        assert a.join(b).join(c) == a.join(b.join(c))


@QUICK
@given(THRESHOLDS, RUNS, RUNS)
def test_an_environment_never_hides_another(t: Thresholds, one: str, other: str) -> None:
    """Each is judged by its own runs, however they came in; so an outage shows at once in the rollup."""
    alone = [evaluate(t, one, "healthy"), evaluate(t, other, "healthy")]
    assert RANK[rollup(alone).health] == max(RANK[h] for h in alone)
    assert rollup(alone).failing == sum(h != "healthy" for h in alone)
