"""When planned work goes on: the wall clock says when it begins, real time for how long."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from reconciler.automate.windows import Recurrence, Window

BERLIN = "Europe/Berlin"
HOUR = 3_600_000


def there(text: str, zone: str = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def shown(window: Window, zone: str = BERLIN) -> tuple[str, str]:
    starts, ends = (datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%m-%d %H:%M %z") for at in window)
    return starts, ends


def days(recurrence: Recurrence, since: str, count: int) -> list[tuple[str, str]]:
    found, at = [], there(since)
    for _ in range(count):
        window = recurrence.after(at)
        assert window is not None
        found.append(shown(window))
        at = window.starts
    return found


def test_in_the_night_that_has_an_hour_less() -> None:
    assert days(Recurrence("30 1 * * *", 2 * HOUR, BERLIN), "2027-03-26 12:00", 3) == [
        ("03-27 01:30 +0100", "03-27 03:30 +0100"),
        ("03-28 01:30 +0100", "03-28 04:30 +0200"),
        ("03-29 01:30 +0200", "03-29 03:30 +0200"),
    ]
    assert days(Recurrence("30 2 * * *", HOUR, BERLIN), "2027-03-27 12:00", 2) == [
        ("03-28 03:00 +0200", "03-28 04:00 +0200"),
        ("03-29 02:30 +0200", "03-29 03:30 +0200"),
    ]


def test_in_the_night_that_has_an_hour_twice() -> None:
    twice = Recurrence("30 2 * * *", 30 * 60_000, BERLIN)
    assert days(twice, "2027-10-30 12:00", 2) == [
        ("10-31 02:30 +0200", "10-31 02:00 +0100"),
        ("11-01 02:30 +0100", "11-01 03:00 +0100"),
    ]
    assert twice.at(there("2027-10-31 02:45")) is not None
    assert twice.at(there("2027-10-31 02:45", fold=1)) is None, "it was the hour before"


def test_what_goes_on() -> None:
    weekly = Recurrence("0 2 * * sun", 2 * HOUR, BERLIN)
    sunday = Window(there("2026-11-22 02:00"), there("2026-11-22 04:00"))
    assert weekly.at(sunday.starts) == sunday
    assert weekly.at(sunday.ends - 0.001) == sunday
    assert weekly.at(sunday.ends) is None
    assert weekly.at(sunday.starts - 0.001) is None
    assert weekly.first(sunday.starts + 1) == sunday
    assert weekly.first(sunday.starts - 86_400) == sunday
    following = weekly.after(sunday.starts)
    assert following == Window(sunday.starts + 7 * 86_400, sunday.ends + 7 * 86_400)
    assert weekly.following(sunday.starts, sunday.starts + 60) == following
    month = weekly.following(sunday.starts, sunday.starts + 28 * 86_400 + 60)
    assert month == Window(sunday.starts + 28 * 86_400, sunday.ends + 28 * 86_400), "it goes on already"


@pytest.mark.parametrize(
    ("cron", "hours", "fault"),
    [
        ("0 2 * * *", 24, None),
        ("0 2 * * *", 25, "1440 minutes after it began"),
        ("0 2,3 * * *", 2, "60 minutes after it began"),
        ("0 0 30 2 *", 1, "names no moment"),
        ("nonsense", 1, "names no moment"),
    ],
)
def test_what_cant_recur(cron: str, hours: int, fault: str | None) -> None:
    found = Recurrence(cron, hours * HOUR).fault(there("2026-11-22 02:00"))
    assert (found is None) == (fault is None)
    assert fault is None or (found is not None and fault in found)


def test_a_zone_that_is_none_never_comes() -> None:
    assert Recurrence("0 2 * * *", HOUR, "Mars/Base").first(0.0) is None


def test_seconds_dont_matter() -> None:
    minutes = Recurrence("* * * * *", 59_000)
    starts = [w.starts for w in islice(iter(lambda: minutes.after(59.9), None), 3)]
    assert starts == [60.0] * 3
