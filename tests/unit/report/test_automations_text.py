"""Runs of automations as people read them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.flows.automations import Shown
from reconciler.report.automations_json import shown_json
from reconciler.report.automations_text import run_text, state
from reconciler.report.style import PLAIN
from reconciler.store.automating import RunRow, StepRow, WaitRow

AT = 1_800_000_000.0
RUN = RunRow(
    *(7, 3, 2, "d", "down", "webhook", {"payload": {"token": "hunter22", "n": 1}, "actor": "bot"}, "0:e1", None),
    *("waiting", None, AT, AT + 1, None, AT + 60, None, False),
)


def step(seq: int, path: str, **how: Any) -> StepRow:
    found = StepRow(seq, path, "action", "log@1", None, "success", AT, AT + 1, 1, {}, None)
    return found._replace(**how)


def shown(*steps: StepRow, waits: tuple[WaitRow, ...] = (), run: RunRow = RUN) -> Shown:
    return Shown(AT + 2, "page", run, steps, waits, ())


def lines(found: Shown, *, full: bool = False) -> list[str]:
    return list(run_text(found, PLAIN, full=full))


def test_each_step_stands_below_what_it_is_in() -> None:
    found = shown(
        step(1, "actions[1]", block="repeat", action=None),
        step(2, "actions[1].repeat[0].sequence[0]"),
        step(3, "actions[10]"),
        step(4, "actions[1].repeat[0].sequence[0].parallel[1][0]", step_id="ask"),
    )
    told = [line for line in lines(found) if "actions" in line]
    assert told == [
        "✓ actions[1]  repeat  1.0 s",
        "  ✓ actions[1].repeat[0].sequence[0]  log@1  1.0 s",
        "✓ actions[10]  log@1  1.0 s",
        "    ✓ actions[1].repeat[0].sequence[0].parallel[1][0]  ask: log@1  1.0 s",
    ]


def test_results_and_errors_of_many_lines() -> None:
    failed = step(1, "actions[0]", status="failed", error="one\ntwo", attempts=3, result={"stdout": "a\nb", "code": 1})
    told = lines(shown(failed))
    assert "✗ actions[0]  log@1  1.0 s  3 tries" in told
    assert told[-3:] == ["    one", "    two", '    {"code":1,"stdout":"a\\nb"}']
    assert lines(shown(failed), full=True)[-6:] == [
        "    one",
        "    two",
        "    stdout:",
        "      a",
        "      b",
        "    code: 1",
    ]


def test_what_looks_like_a_secret_is_a_number() -> None:
    kept = step(1, "actions[0]", result={"password": "hunter22"})
    for text in ("\n".join(lines(shown(kept), full=True)), str(shown_json(shown(kept)))):
        assert "hunter22" not in text
        assert "(masked 1)" in text


def test_what_it_waits_for() -> None:
    def wait(kind: str, **how: Any) -> WaitRow:
        return WaitRow("actions[0]", kind, None, None, AT + 60, AT)._replace(**how)

    waits = (
        wait("delay"),
        wait("retry"),
        wait("until", due_at=None),
        wait("trigger", event="incident.resolved", context_key="shop", due_at=None),
        wait("trigger", event="incident.resolved", resumed_at=AT),
    )
    told = lines(shown(waits=waits))
    assert "Goes on     2027-01-15 08:01:00 UTC" in told
    assert told[-4:] == [
        "actions[0] waits until 2027-01-15 08:01:00 UTC",
        "actions[0] waits to try again until 2027-01-15 08:01:00 UTC",
        "actions[0] waits for its condition",
        "actions[0] waits for incident.resolved of shop",
    ]
    over = RUN._replace(status="cancelled", ended=AT + 3, reason="cancelled by\n\x1b[2J")
    assert not any("waits" in line for line in lines(shown(waits=waits, run=over)))
    assert not any("\x1b" in line for line in lines(replace(shown(), run=over)))


def test_a_run_that_waits_for_its_turn_is_queued() -> None:
    queued = RUN._replace(status="pending", queued=True, started=None)
    assert state(queued) == "queued"
    assert lines(shown(run=queued))[0] == "run 7 of page: · queued"
