"""Times of planned work that recurs: whichever moment is asked about, all answers agree."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.automate.windows import Recurrence, Window

ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata", "America/New_York")
START, YEAR = datetime(2027, 1, 1, tzinfo=UTC).timestamp(), 365 * 86_400

patterns = st.builds(
    lambda minute, hour, day: f"{minute} {hour} * * {day}",
    st.integers(0, 59),
    st.integers(0, 23),
    st.sampled_from(("*", "sun", "mon-fri", "0,3")),
)
recurrences = st.builds(
    Recurrence, patterns, st.integers(1, 22 * 60).map(lambda minutes: minutes * 60_000), st.sampled_from(ZONES)
)
moments = st.floats(START, START + YEAR, allow_nan=False)


def times(recurrence: Recurrence, since: float, count: int) -> list[Window]:
    """One after the other."""
    found, at = [], since
    for _ in range(count):
        window = recurrence.after(at)
        assert window is not None
        found.append(window)
        at = window.starts
    return found


@settings(max_examples=150, deadline=None)
@given(recurrences, moments)
def test_what_goes_on_is_one_of_those_that_come(recurrence: Recurrence, when: float) -> None:
    around = times(recurrence, when - 9 * 86_400, 12)
    assert all(one.starts < other.starts for one, other in zip(around, islice(around, 1, None), strict=False))
    on = [window for window in around if window.starts <= when < window.ends]
    assert recurrence.at(when) == (on[0] if on else None)
    ahead = next(window for window in around + times(recurrence, when, 1) if window.starts > when)
    assert recurrence.after(when) == ahead
    assert recurrence.first(when) == (on[0] if on else ahead)


@settings(max_examples=150, deadline=None)
@given(recurrences, moments, st.floats(0, 30 * 86_400))
def test_what_follows_is_later_and_not_over(recurrence: Recurrence, last: float, late: float) -> None:
    now = last + late
    following = recurrence.following(last, now)
    assert following is not None
    assert following.starts > last
    assert following.ends > now
