"""The log of the server for webhooks, in words and as data."""

from __future__ import annotations

import pytest

from reconciler._version import __version__
from reconciler.flows.webhooks.events import Came, Ended, Event, Listening, Refused, Trouble
from reconciler.report.output import Output
from reconciler.report.webhook_log import event_json, sentence, teller


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Listening("http://[::1]:80", "s.db", 2), "takes webhooks at http://[::1]:80/hooks/NAME, for 2 hooks of s.db"),
        (Listening("http://x", "s.db", 1, "http://m"), "for 1 hook of s.db; counts at http://m/metrics"),
        (Came("deploy", "::1", (7,), False), "deploy came from ::1: event 7"),
        (Came("deploy", "::1", (7, 8), True), "deploy came again from ::1: events 7, 8"),
        (Refused(1, 1), "1 request from 1 address refused: no such hook, or not signed as it has to be"),
        (Refused(1200, 3), "1,200 requests from 3 addresses refused: no such hook, or not signed as it has to be"),
        (Trouble("the store is away"), "the store is away"),
        (Ended(1), "ended; 1 webhook taken"),
    ],
)
def test_a_line_for_each(event: Event, words: str) -> None:
    assert sentence(event).endswith(words)


def test_as_data() -> None:
    assert event_json(Listening("http://x", "s.db", 1), 0.0) == {
        "time": "1970-01-01T00:00:00.000Z",
        "event": "listening",
        "url": "http://x",
        "store": "s.db",
        "hooks": 1,
        "metrics": None,
        "version": __version__,
    }


def test_text_of_strangers_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    teller(Output(), lambda: 0.0)(Came("\x1b[2J", "::1", (7,), False))
    assert capsys.readouterr().out == "1970-01-01T00:00:00.000Z \ufffd[2J came from ::1: event 7\n"
