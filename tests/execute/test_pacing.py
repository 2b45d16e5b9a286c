"""What is remembered of a slice's speed, and what follows from it: the four guards of the adaptive timeout."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.execute.pacing import KEPT, LEAST_MS, NEW, Pace, decode, encode

RUNS = st.lists(st.tuples(st.booleans(), st.floats(0, 1.2)), max_size=60)


def after(runs: list[tuple[bool, float]], configured: float) -> tuple[Pace, list[float]]:
    """The pace after these (healthy, part of its time) runs, and what each was allowed."""
    pace, allowed = NEW, []
    for healthy, part in runs:
        limit = pace.timeout_ms(configured)
        allowed.append(limit)
        pace = pace.after(healthy=healthy, took_ms=part * limit, timeout_ms=limit)
    return pace, allowed


def slow(pace: Pace, times: int, configured: float = 10_000) -> Pace:
    for _ in range(times):
        limit = pace.timeout_ms(configured)
        pace = pace.after(healthy=False, took_ms=limit, timeout_ms=limit)
    return pace


@given(RUNS, st.floats(100, 300_000))
def test_the_guards(runs: list[tuple[bool, float]], configured: float) -> None:
    pace, allowed = after(runs, configured)
    assert all(min(LEAST_MS, configured) <= limit <= configured for limit in allowed)
    assert len(pace.healthy) <= KEPT
    if pace.unproven or not pace.suspect:
        assert pace.timeout_ms(configured) == configured
    assert decode(encode(pace, "abcdef01"), "abcdef01") == pace
    assert decode(encode(pace, "abcdef01"), "0bcdef01") == NEW, "what was changed may have been mended"


def test_three_slow_failures_in_a_row_make_a_suspect() -> None:
    assert not slow(NEW, 2).suspect
    assert slow(NEW, 3).suspect
    broken = slow(NEW, 2).after(healthy=False, took_ms=7_900, timeout_ms=10_000)
    assert not slow(broken, 1).suspect, "a failure that came in good time begins the row anew"
    assert not slow(NEW, 9).after(healthy=True, took_ms=9_900, timeout_ms=10_000).suspect


def test_a_suspect_has_the_time_that_healthy_runs_took_and_half_as_much_again() -> None:
    healthy = NEW
    for ms in range(1, 21):
        healthy = healthy.after(healthy=True, took_ms=ms * 100, timeout_ms=10_000)
    assert healthy.p95() == 1900
    assert slow(healthy, 3).timeout_ms(10_000) == 2850
    assert slow(healthy, 3).timeout_ms(2_000) == 2000, "never more than configured"
    quick = NEW.after(healthy=True, took_ms=3, timeout_ms=10_000)
    assert slow(quick, 3).timeout_ms(10_000) == 1000, "never less than a second"
    assert slow(NEW, 3).timeout_ms(10_000) == 10_000, "never without a baseline"


def test_every_fifth_failure_is_one_with_the_whole_time() -> None:
    pace = slow(NEW.after(healthy=True, took_ms=3, timeout_ms=10_000), 3)
    allowed = []
    for _ in range(11):
        allowed.append(pace.timeout_ms(10_000))
        pace = slow(pace, 1)
    assert allowed == [1000, 1000, 1000, 1000, 10_000] * 2 + [1000]


def test_who_gave_way_needs_the_lane_until_it_answers() -> None:
    pace = NEW.giving_way()
    assert pace.needs_lane
    assert slow(pace, 1).needs_lane
    assert not pace.after(healthy=True, took_ms=5_000, timeout_ms=10_000).needs_lane
    assert not pace.after(healthy=False, took_ms=5, timeout_ms=10_000).needs_lane, "a refusal is an answer"


def test_what_cant_be_read_is_no_memory() -> None:
    for text in ("", "{", "[1]", '{"a": 1}', '["abc",1,2,0,"x"]', "null", '["abc","x",0,0,[]]'):
        assert decode(text, "abc") == NEW
    assert encode(NEW, "abc") == ""
