"""A run goes on wherever it was lost: nothing that was saved as done is done again, and it ends as if nothing was."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.automate.port import Again, Doing, Done, Lost, NotDone, Progress, Wait
from reconciler.automate.walk import matches
from reconciler.base.canonical import dumps, loads

Staged = Callable[..., Any]
Block = dict[str, Any]

CONDITIONS = ("true", "false", "repeat.index == 1", "variables.v == 'x'", "variables.missing == 1")
_FLAGS = st.fixed_dictionaries({}, optional={"continueOnError": st.just(True), "enabled": st.just(False)})


def _log(kind: str, flags: Block) -> Block:
    return {"action": "log@1", "config": {"message": f"{kind} {{{{ repeat.index | default('-') }}}}"}, **flags}


def _leaves(apart: bool) -> st.SearchStrategy[Block]:
    """Blocks without blocks in them. ``apart``: within a parallel, where what ends the run ends others midway."""
    kinds = [
        st.builds(_log, st.sampled_from(["good", "good", "bad", "again", "again-bad"]), _FLAGS),
        st.builds(_log, st.just("good"), st.just({})),
        st.just({"delay": "5s"}),
        st.just({"waitForTrigger": {"event": "incident.resolved", "timeout": "7s"}}),
        st.builds(
            lambda condition, goes_on: {
                "waitUntil": {"condition": condition, "timeout": "3s", "continueOnTimeout": goes_on}
            },
            st.sampled_from(CONDITIONS),
            st.booleans(),
        ),
    ]
    if not apart:
        kinds += [
            st.builds(lambda value: {"variables": {"v": value}}, st.sampled_from(["x", "y"])),
            st.builds(lambda error: {"stop": {"reason": "so", "error": error}}, st.booleans()),
            st.builds(lambda condition: {"condition": condition}, st.sampled_from(CONDITIONS)),
        ]
    return st.one_of(kinds)


def _nested(depth: int, apart: bool = False) -> st.SearchStrategy[Block]:
    if depth == 0:
        return _leaves(apart)
    inner, branches = _nested(depth - 1, apart), _nested(depth - 1, True)
    some = st.lists(inner, min_size=1, max_size=3)
    ways: list[st.SearchStrategy[Block]] = [
        st.builds(lambda n: {"count": n}, st.integers(1, 3)),
        st.just({"forEach": "['a', 'b']"}),
        st.just({"while": "repeat.index < 2"}),
        st.just({"until": "repeat.index == 1", "maxIterations": 3}),
    ]
    return st.one_of(
        _leaves(apart),
        st.builds(lambda blocks, flags: {"sequence": blocks, **flags}, some, _FLAGS),
        st.builds(lambda way, blocks: {"repeat": {**way, "sequence": blocks}}, st.one_of(ways), some),
        st.builds(
            lambda when, blocks, other: {"choose": [{"when": when, "sequence": blocks}], "else": other},
            st.sampled_from(CONDITIONS),
            some,
            some,
        ),
        st.builds(
            lambda each, flags: {"parallel": each, **flags},
            st.lists(st.one_of(branches, st.lists(branches, min_size=1, max_size=3)), min_size=1, max_size=3),
            _FLAGS,
        ),
    )


def answer(doing: Doing) -> Done | Again | NotDone:
    kind = doing.config["message"].split()[0]
    if kind.startswith("again") and doing.attempt < 3:
        return Again("busy", 2.0)
    return NotDone("no") if kind.endswith("bad") else Done({"said": doing.config["message"]})


class Lottery:
    """Ends the process at a save (before it is kept, or after it) or at an action, one time in ``every``."""

    def __init__(self, every: int, killed: type[Exception], seed: int = 0) -> None:
        self.every, self.killed, self.random = every, killed, Random(seed)
        self.kept: set[str] = set()
        self.wrong: list[str] = []

    def saving(self, progress: Progress, kept: bool) -> None:
        if kept:
            self.kept |= {step.path for step in progress.steps if step.block == "action" and step.ended is not None}
        self._draw()

    def performing(self, doing: Doing) -> None:
        if doing.path in self.kept:
            self.wrong.append(doing.path)
        self._draw()

    def _draw(self) -> None:
        if self.every and self.random.randrange(self.every) == 0:
            raise self.killed


def _finished(run: Any, lottery: Lottery) -> Any:
    run.saving, run.performing = lottery.saving, lottery.performing
    for _ in range(3000):
        try:
            walked = run.walk()
        except lottery.killed:
            continue
        if walked.status != "waiting":
            return walked
        run.at = max(run.at, min(wait.due_at for wait in run.waits.values()))
    raise AssertionError("the run comes to no end")


def _seen(run: Any) -> Any:
    return {step.path: step.status for step in run.steps.values()}


@settings(max_examples=100, deadline=None)
@given(blocks=st.lists(_nested(2), min_size=1, max_size=4), every=st.integers(2, 9), seed=st.integers(0, 2**16))
def test_a_killed_run_comes_out_like_one_that_was_not(
    stage: Staged, killed: type[Exception], blocks: list[Block], every: int, seed: int
) -> None:
    calm, hunted = stage(blocks, **{"": answer}), stage(blocks, **{"": answer})
    whole, lottery = _finished(calm, Lottery(0, killed)), Lottery(every, killed, seed)
    walked = _finished(hunted, lottery)
    assert walked == whole
    assert lottery.wrong == []
    assert {(d.key, d.attempt) for d in hunted.done} == {(d.key, d.attempt) for d in calm.done}
    assert max(Counter((d.key, d.attempt) for d in calm.done).values(), default=1) == 1
    assert _seen(hunted) == _seen(calm)
    assert hunted.waits == {}
    assert all(step.ended is not None for step in hunted.steps.values())


@settings(max_examples=60, deadline=None)
@given(branches=st.lists(_nested(1), min_size=2, max_size=4), every=st.integers(2, 6), seed=st.integers(0, 2**16))
def test_what_ends_a_run_midway_lets_nothing_be_done_twice(
    stage: Staged, killed: type[Exception], branches: list[Block], every: int, seed: int
) -> None:
    run, lottery = stage([{"parallel": branches}], **{"": answer}), Lottery(every, killed, seed)
    walked = _finished(run, lottery)
    assert walked.status in ("success", "failed")
    assert lottery.wrong == []
    assert run.waits == {}
    assert all(step.ended is not None for step in run.steps.values())
    assert run.walk() == walked


def test_a_snapshot_is_small_and_forgets_what_is_over(stage: Staged) -> None:
    run = stage("[{repeat: {count: 300, sequence: [{action: log@1, config: {message: a}}]}}, {delay: 1s}]")
    assert run.walk().status == "waiting"
    assert max(len(save.snapshot) for save in run.saves) < 1000
    assert all(dumps(loads(save.snapshot)) == save.snapshot for save in run.saves)


def test_what_a_run_remembers_is_bounded(stage: Staged) -> None:
    run = stage(
        """
        - variables: {a: ""}
        - repeat: {count: 30, sequence: [{variables: {a: "{{ variables.a }}{{ trigger.payload.big }}"}}]}
        """,
        payload={"big": "x" * 60_000},
    )
    assert "longer than 65536" in run.finish().reason
    blocks = [{"variables": {f"v{index}": "{{ trigger.payload.big }}"}} for index in range(20)]
    run = stage(blocks, payload={"big": "x" * 60_000})
    walked = run.finish()
    assert walked.reason == "actions[17]: the variables can't be kept: a run remembers 1024 KiB at most"
    made = stage(
        "[{action: incident.create@1, id: it, config: {title: t}}]", it=Done({}, {"incident": {"a": "x" * 2**20}})
    )
    assert "what it produced can't be kept" in made.finish().reason
    assert len(made.done) == 1
    assert made.walk().status == "failed"
    assert len(made.done) == 1


def test_what_decides_is_saved_before_what_it_decides(stage: Staged, killed: type[Exception]) -> None:
    run = stage(
        """
        - choose:
            - when: health.system.status == 'unhealthy'
              sequence: [{action: log@1, config: {message: down}}]
          else: [{action: log@1, config: {message: fine}}]
        """
    )
    run.healthy = {"orders-api": {"status": "unhealthy"}}

    def die(doing: Doing) -> None:
        raise killed

    run.performing = die
    with pytest.raises(killed):
        run.walk()
    run.performing = lambda doing: None
    run.healthy = {"orders-api": {"status": "healthy"}}
    assert run.walk().status == "success"
    assert run.told == ["down", "down"]


def test_a_lost_run_stops_all_of_its_branches(stage: Staged) -> None:
    run = stage("[{parallel: [{action: log@1, config: {message: a}}, {action: log@1, config: {message: b}}]}]")

    def lost(doing: Doing) -> None:
        raise Lost

    run.performing = lost
    with pytest.raises(Lost):
        run.walk()
    assert run.saves == []


def test_an_action_that_takes_long_is_shown_as_running(
    stage: Staged, killed: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.automate.walker.PATIENCE", 0.0)
    run = stage("[{action: log@1, id: slow, config: {message: a}}]")
    shown: list[Any] = []

    async def perform(doing: Doing) -> Done:
        while not run.saves:
            await asyncio.sleep(0.001)
        shown.append((run.step("actions[0]").status, loads(run.saves[0].snapshot)["open"]))
        return Done({})

    run.perform = perform
    assert run.walk().status == "success"
    assert shown == [("running", {"actions[0]": {"seq": 0, "at": run.at}})]
    assert run.step("actions[0]").status == "success"

    def dead(progress: Progress, kept: bool) -> None:
        raise killed

    late = stage("[{action: log@1, config: {message: a}}, {action: log@1, config: {message: b}}]")
    late.saving = dead

    async def slow(doing: Doing) -> Done:
        late.done.append(doing)
        await asyncio.sleep(0.02)
        return Done({})

    late.perform = slow
    with pytest.raises(killed):
        late.walk()
    assert len(late.done) == 1


def test_an_unreadable_snapshot_fails_the_run(stage: Staged) -> None:
    run = stage("[{delay: 5s}]")
    for snapshot in (b"{}", b"[]", b"nothing", b'{"version":99}'):
        run.snapshot = snapshot
        assert run.walk().status == "failed"
    run.snapshot = None
    run.waits = {"actions[0]": Wait("actions[0]", "delay", run.at)}
    assert run.walk() == ("failed", "the run waited, but what it remembers is gone", ())


WAIT = """
- waitForTrigger:
    event: healthcheck.system_health_changed
    filter: trigger.payload.newStatus == 'healthy'
    contextKey: "{{ trigger.payload.systemId }}"
    timeout: 1h
- {action: log@1, config: {message: "{{ resume.payload.newStatus }} {{ trigger.payload.newStatus }}"}}
"""


def test_a_wait_is_over_by_its_event_alone(stage: Staged) -> None:
    run = stage(WAIT)
    assert run.walk().status == "waiting"
    (wait,) = run.waits.values()
    assert (wait.kind, wait.event, wait.context_key, wait.due_at) == (
        "trigger",
        "healthcheck.system_health_changed",
        "orders-api",
        run.at + 3600,
    )
    name = "healthcheck.system_health_changed"
    assert run.happens("incident.resolved", {"newStatus": "healthy"}, "orders-api") == []
    assert run.happens(name, {"newStatus": "healthy"}, "orders-db") == []
    assert run.happens(name, {"newStatus": "degraded"}, "orders-api") == []
    assert run.happens(name, {}, "orders-api") == []
    assert run.walk().status == "waiting"
    assert run.happens(name, {"newStatus": "healthy"}, "orders-api") == ["actions[0]"]
    assert run.happens(name, {"newStatus": "healthy"}, "orders-api") == []
    assert run.walk().status == "success"
    assert run.told == ["healthy unhealthy"]
    assert run.step("actions[0]").result == {"resumed": "event"}


def test_each_branch_sees_what_its_own_wait_ended_with(stage: Staged) -> None:
    run = stage(
        """
        - waitForTrigger: {event: incident.created}
        - parallel:
            - - {action: log@1, config: {message: "before {{ resume.payload.n }}"}}
              - waitForTrigger: {event: incident.resolved}
              - {action: log@1, config: {message: "a {{ resume.payload.n }}"}}
              - {action: log@1, config: {message: "a {{ resume.payload.n }}"}}
            - - waitForTrigger: {event: incident.updated, timeout: 1h}
              - {action: log@1, config: {message: "b {{ resume.payload.n }}"}}
              - parallel: [{action: log@1, config: {message: "b {{ resume.payload.n }}"}}]
              - delay: 1m
        - {action: log@1, config: {message: "after {{ resume.payload.n }}"}}
        """
    )
    assert run.walk().status == "waiting"
    run.happens("incident.created", {"n": 0})
    assert run.walk().status == "waiting"
    run.happens("incident.resolved", {"n": 1})
    run.happens("incident.updated", {"n": 2})
    assert run.finish().status == "success"
    assert run.told[0] == "before 0"
    assert sorted(run.told[1:5]) == ["a 1", "a 1", "b 2", "b 2"]
    assert run.told[5:] == ["after 2"]


def test_a_wait_that_stands_nowhere_matches_nothing(stage: Staged) -> None:
    run = stage(WAIT)
    run.walk()
    (wait,) = run.waits.values()
    event = run.started.event
    for path in ("actions[7]", "actions[1]", "", "conditions", "actions[0].x"):
        elsewhere = Wait(path, "trigger", run.at, None, wait.event)
        assert not matches(run.spec, elsewhere, event, now=run.at)


UNTIL = """
- waitUntil: {condition: health.system.status == 'healthy', timeout: 10m}
- {action: log@1, config: {message: on}}
"""


def test_a_condition_that_holds_suspends_nothing(stage: Staged) -> None:
    run = stage(UNTIL)
    run.healthy = {"orders-api": {"status": "healthy"}}
    assert run.walk().status == "success"
    assert [save.waits for save in run.saves] == [[]]


def test_a_change_while_the_wait_is_armed_is_not_lost(stage: Staged) -> None:
    run = stage(UNTIL)
    run.healthy = {"orders-api": {"status": "unhealthy"}}

    def heal(progress: Progress, kept: bool) -> None:
        run.healthy = {"orders-api": {"status": "healthy"}}

    run.saving = heal
    assert run.walk().status == "success"
    assert [len(save.waits) for save in run.saves] == [1, 0]


def test_a_run_that_is_woken_too_early_keeps_waiting(stage: Staged) -> None:
    run = stage(UNTIL)
    run.healthy = {"orders-api": {"status": "unhealthy"}}
    assert run.walk().status == "waiting"
    saves = len(run.saves)
    assert run.walk().status == "waiting"
    assert len(run.saves) == saves
    run.healthy = {"orders-api": {"status": "healthy"}}
    assert run.walk().status == "success"
    assert run.step("actions[0]").result == {"resumed": "condition"}


def test_a_condition_that_time_changes_is_looked_at_then(stage: Staged) -> None:
    run = stage("[{waitUntil: {condition: {state: {entity: orders-api, status: healthy, for: 10m}}, timeout: 1h}}]")
    run.healthy = {"orders-api": {"status": "healthy", "in_status_for_ms": 60_000}}
    assert run.walk().status == "waiting"
    (wait,) = run.waits.values()
    assert wait.due_at == run.at + 540
    run.at += 540
    run.healthy = {"orders-api": {"status": "healthy", "in_status_for_ms": 30_000}}
    assert run.walk().status == "waiting"
    (wait,) = run.waits.values()
    assert wait.due_at == run.at + 570
    assert not wait.resumed
    run.healthy = {"orders-api": {"status": "unhealthy", "in_status_for_ms": 0}}
    assert run.walk().status == "waiting"
    (wait,) = run.waits.values()
    assert wait.due_at == 1_800_003_600


def test_what_another_branch_does_is_waited_for(stage: Staged) -> None:
    run = stage(
        """
        - parallel:
            - waitUntil: {condition: variables.ready == 'yes'}
            - [{action: log@1, config: {message: a}}, {variables: {ready: "yes"}}]
        """
    )
    assert run.walk().status == "success"
