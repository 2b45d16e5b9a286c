"""Every block of an automation, by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.automate.port import Again, Done, NotDone

Staged = Callable[..., Any]


def log(message: str, **more: Any) -> dict[str, Any]:
    return {"action": "log@1", "config": {"message": message}, **more}


BLOCKS: dict[str, tuple[str, list[str], str]] = {
    "action": (
        '[{action: log@1, config: {message: "{{ trigger.payload.systemId }} is down"}}]',
        ["orders-api is down"],
        "success",
    ),
    "choose": (
        """
        - choose:
            - when: trigger.payload.newStatus == 'degraded'
              sequence: [{action: log@1, config: {message: slow}}]
            - when: trigger.payload.newStatus == 'unhealthy'
              sequence: [{action: log@1, config: {message: down}}]
          else: [{action: log@1, config: {message: fine}}]
        - {action: log@1, config: {message: after}}
        """,
        ["down", "after"],
        "success",
    ),
    "else": (
        """
        - choose: [{when: "false", sequence: [{action: log@1, config: {message: never}}]}]
          else: [{action: log@1, config: {message: otherwise}}]
        """,
        ["otherwise"],
        "success",
    ),
    "choose-none": (
        """
        - choose: [{when: "false", sequence: [{action: log@1, config: {message: never}}]}]
        - {action: log@1, config: {message: after}}
        """,
        ["after"],
        "success",
    ),
    "parallel": (
        """
        - parallel:
            - {action: log@1, config: {message: one}}
            - - {action: log@1, config: {message: two}}
              - {action: log@1, config: {message: three}}
        - {action: log@1, config: {message: after}}
        """,
        ["one", "two", "three", "after"],
        "success",
    ),
    "sequence": (
        "[{sequence: [{action: log@1, config: {message: one}}, {action: log@1, config: {message: two}}]}]",
        ["one", "two"],
        "success",
    ),
    "repeat-count": (
        '[{repeat: {count: 3, sequence: [{action: log@1, config: {message: "{{ repeat.index }}"}}]}}]',
        ["0", "1", "2"],
        "success",
    ),
    "repeat-forEach": (
        """
        - repeat:
            forEach: "['a', 'b']"
            sequence: [{action: log@1, config: {message: "{{ repeat.index }}{{ repeat.item }}"}}]
        """,
        ["0a", "1b"],
        "success",
    ),
    "repeat-while": (
        '[{repeat: {while: repeat.index < 2, sequence: [{action: log@1, config: {message: "{{ repeat.index }}"}}]}}]',
        ["0", "1"],
        "success",
    ),
    "repeat-until": (
        '[{repeat: {until: repeat.index == 2, sequence: [{action: log@1, config: {message: "{{ repeat.index }}"}}]}}]',
        ["0", "1", "2"],
        "success",
    ),
    "variables": (
        """
        - variables: {who: "{{ trigger.actor }}", deep: {list: ["{{ 1 + 1 }}", 3]}}
        - variables: {again: "{{ variables.who }}!"}
        - {action: log@1, config: {message: "{{ variables.again }} {{ variables.deep.list | json }}"}}
        """,
        ['alice! ["2",3]'],
        "success",
    ),
    "condition": ('[{condition: "1 > 2"}, {action: log@1, config: {message: never}}]', [], "success"),
    "condition-holds": ('[{condition: "2 > 1"}, {action: log@1, config: {message: on}}]', ["on"], "success"),
    "stop": ("[{stop: {reason: enough}}, {action: log@1, config: {message: never}}]", [], "success"),
    "stop-error": ("[{stop: {reason: wrong, error: true}}, {action: log@1, config: {message: never}}]", [], "failed"),
    "delay": ("[{delay: 90s}, {action: log@1, config: {message: later}}]", ["later"], "success"),
    "waitForTrigger": (
        """
        - waitForTrigger: {event: incident.resolved, timeout: 1h}
        - {action: log@1, config: {message: "{{ resume.payload }}."}}
        """,
        ["."],
        "success",
    ),
    "waitUntil": (
        "[{waitUntil: {condition: 'false', timeout: 1h}}, {action: log@1, config: {message: on}}]",
        ["on"],
        "success",
    ),
    "waitUntil-fails": (
        """
        - waitUntil: {condition: "false", timeout: 1h, continueOnTimeout: false}
        - {action: log@1, config: {message: never}}
        """,
        [],
        "failed",
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_block(name: str, stage: Staged) -> None:
    actions, told, status = BLOCKS[name]
    run = stage(actions)
    walked = run.finish()
    assert (run.told, walked.status) == (told, status)
    assert all(step.ended is not None for step in run.steps.values())


def test_reasons(stage: Staged) -> None:
    assert stage("[{condition: '1 > 2'}]").finish().reason == "actions[0]: the condition doesn't hold"
    assert stage("[{stop: {reason: '{{ trigger.actor }} said so'}}]").finish().reason == "alice said so"
    assert stage("[{stop: {error: true}}]").finish().reason == "actions[0]: stopped"
    late = stage("[{waitUntil: {condition: 'false', timeout: 1h, continueOnTimeout: false}}]").finish()
    assert late.reason == "actions[0]: the condition didn't come to hold in time"


def test_paths_are_those_of_the_document(stage: Staged) -> None:
    run = stage(
        """
        - choose:
            - when: "true"
              sequence: [{action: log@1, config: {message: a}}, {action: log@1, config: {message: b}}]
        - parallel:
            - {action: log@1, config: {message: c}}
            - [{action: log@1, config: {message: d}}]
        - repeat: {count: 2, sequence: [{action: log@1, config: {message: e}}]}
        - choose: [{when: "false", sequence: []}]
          else: [{action: log@1, config: {message: f}}]
        - sequence: [{action: log@1, config: {message: g}}]
        """
    )
    assert run.finish().status == "success"
    assert run.paths == [
        "actions[0].choose[0].sequence[0]",
        "actions[0].choose[0].sequence[1]",
        "actions[1].parallel[0]",
        "actions[1].parallel[1][0]",
        "actions[2].repeat[0].sequence[0]",
        "actions[2].repeat[1].sequence[0]",
        "actions[3].else[0]",
        "actions[4].sequence[0]",
    ]
    assert run.done[5].spec_path == ("spec", "actions", 2, "repeat", "sequence", 0)
    assert run.done[3].spec_path == ("spec", "actions", 1, "parallel", 1, 0)
    assert len({doing.key for doing in run.done}) == len(run.done)


def test_steps_are_recorded_in_order(stage: Staged) -> None:
    run = stage(
        """
        - sequence: [{action: log@1, id: first, config: {message: a}}]
        - {enabled: false, action: log@1, config: {message: never}}
        - delay: 5s
        """
    )
    assert run.walk().status == "waiting"
    assert [(s.seq, s.path, s.block, s.id, s.status) for s in run.steps.values()] == [
        (0, "actions[0]", "sequence", None, "success"),
        (1, "actions[0].sequence[0]", "action", "first", "success"),
        (2, "actions[1]", "action", None, "skipped"),
        (3, "actions[2]", "delay", None, "waiting"),
    ]
    assert run.finish().status == "success"
    assert run.step("actions[2]").status == "success"
    assert run.step("actions[2]").ended - run.step("actions[2]").at == 5
    assert run.step("actions[0].sequence[0]").attempts == 1


def test_a_failure_ends_the_run_and_says_where(stage: Staged) -> None:
    run = stage(
        "[{sequence: [{action: log@1, id: bad, config: {message: a}}]}, {action: log@1, config: {message: b}}]",
        bad=NotDone("the server is gone", {"status": 500}),
    )
    walked = run.finish()
    assert (walked.status, walked.reason) == ("failed", "actions[0].sequence[0]: the server is gone")
    assert run.told == ["a"]
    assert run.step("actions[0].sequence[0]").error == "the server is gone"
    assert run.step("actions[0].sequence[0]").result == {"status": 500}
    assert run.step("actions[0]").status == "failed"
    assert run.walk() == walked


@pytest.mark.parametrize(
    "block",
    [
        "action: log@1\n  id: bad\n  config: {message: a}",
        "sequence: [{action: log@1, id: bad, config: {message: a}}]",
        "repeat: {count: 2, sequence: [{action: log@1, id: bad, config: {message: a}}]}",
        "parallel: [{action: log@1, id: bad, config: {message: a}}]",
        "waitUntil: {condition: 'false', timeout: 1s, continueOnTimeout: false}",
        "delay: '{{ trigger.nothing }}'",
    ],
)
def test_continue_on_error(block: str, stage: Staged) -> None:
    run = stage(
        f"- {block}\n  continueOnError: true\n- {{action: log@1, config: {{message: after}}}}\n", bad=NotDone("no")
    )
    assert run.finish().status == "success"
    assert run.told[-1] == "after"
    assert run.step("actions[0]").status == "failed"


def test_a_failing_branch_lets_the_others_end(stage: Staged) -> None:
    run = stage(
        """
        - parallel:
            - {action: log@1, id: bad, config: {message: a}}
            - [{delay: 5s}, {action: log@1, config: {message: b}}]
        - {action: log@1, config: {message: never}}
        """,
        bad=NotDone("no"),
    )
    assert run.walk().status == "waiting"
    walked = run.finish()
    assert (walked.status, walked.reason) == ("failed", "actions[0].parallel[0]: no")
    assert run.told == ["a", "b"]


@pytest.mark.parametrize("block", ["stop: {reason: enough}", "condition: 'false'"])
def test_a_stop_in_a_branch_ends_the_others(block: str, stage: Staged) -> None:
    run = stage(
        f"""
        - parallel:
            - [{{waitForTrigger: {{event: healthcheck.system_healthy}}}}, {{{block}}}]
            - [{{delay: 10m}}, {{action: log@1, config: {{message: page}}}}]
        """
    )
    assert run.walk().status == "waiting"
    assert run.happens("healthcheck.system_healthy", {}) == ["actions[0].parallel[0][0]"]
    assert run.walk().status == "success"
    assert run.told == []
    assert run.step("actions[0].parallel[1][0]").status == "cancelled"
    assert run.step("actions[0].parallel[0][1]").status == "success"
    assert run.step("actions[0]").status == "success"


def test_two_waits_keep_the_run_waiting_until_both_are_over(stage: Staged) -> None:
    run = stage(
        """
        - parallel:
            - [{delay: 10s}, {action: log@1, config: {message: a}}]
            - [{delay: 20s}, {action: log@1, config: {message: b}}]
        - {action: log@1, config: {message: after}}
        """
    )
    assert run.walk().status == "waiting"
    assert sorted(run.waits) == ["actions[0].parallel[0][0]", "actions[0].parallel[1][0]"]
    run.at += 10
    assert run.walk().status == "waiting"
    assert run.told == ["a"]
    run.at += 10
    assert run.walk().status == "success"
    assert run.told == ["a", "b", "after"]


def test_an_action_that_asks_for_it_is_tried_again(stage: Staged) -> None:
    answers = [Again("busy", 10, {"status": 503}), Again("busy", 20), Done({"status": 200})]
    run = stage("[{action: log@1, id: it, config: {message: '{{ now }}'}}]", it=answers)
    assert run.walk().status == "waiting"
    step = run.step("actions[0]")
    assert (step.status, step.attempts, step.error, step.result) == ("waiting", 1, "busy", {"status": 503})
    (wait,) = run.waits.values()
    assert (wait.kind, wait.due_at) == ("retry", run.at + 10)
    assert run.walk().status == "waiting"
    assert len(run.done) == 1
    assert run.finish().status == "success"
    assert [doing.attempt for doing in run.done] == [1, 2, 3]
    assert len({doing.key for doing in run.done}) == 1
    assert (run.step("actions[0]").attempts, run.at) == (3, 1_800_000_030)


def test_artifacts_are_read_by_later_blocks_and_later_runs(stage: Staged) -> None:
    create: dict[str, Any] = {"action": "incident.create@1", "id": "incident", "config": {"title": "down"}}
    actions: list[Any] = [
        {"choose": [{"when": "trigger.id == 'down'", "sequence": [create]}]},
        {"action": "incident.resolve@1", "config": {"incident": "{{ artifacts.incident.incident.id }}"}},
    ]
    run = stage(actions, incident=Done({}, {"incident": {"id": "inc-1"}}))
    assert run.finish().status == "success"
    assert run.done[1].config["incident"] == "inc-1"
    assert [made for save in run.saves for made in save.artifacts] == [("incident", "incident", {"id": "inc-1"})]
    later = stage([{**actions[0], "choose": [{"when": "false", "sequence": [create]}]}, actions[1]])
    later.earlier["incident"] = {"id": "inc-0"}
    assert later.finish().status == "success"
    assert [doing.config["incident"] for doing in later.done] == ["inc-0"]


def test_loops_are_bounded(stage: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stage("[{repeat: {while: 'true', maxIterations: 5, sequence: [{variables: {a: 1}}]}}]")
    assert run.finish().status == "success"
    assert run.step("actions[0]").result == {"rounds": 5, "ended": "maxIterations"}
    monkeypatch.setattr("reconciler.automate.walker.MAX_STEPS", 1200)
    nested = "[{repeat: {count: 10000, sequence: [{repeat: {count: 10000, sequence: [{variables: {a: 1}}]}}]}}]"
    run = stage(nested)
    walked = run.finish()
    assert walked.status == "failed"
    assert "a run enters 1200 blocks at most" in walked.reason
    assert len(run.saves) > 2, "records of steps aren't held back until the end"


@pytest.mark.parametrize(
    ("each", "said"),
    [
        ("'abc'", "repeat.forEach is text, not a list"),
        ("trigger.payload.many", "more than the 10000"),
        ("trigger.payload.nothing", "`trigger.payload.nothing` is undefined"),
    ],
)
def test_what_is_no_list_to_go_through(each: str, said: str, stage: Staged) -> None:
    run = stage([{"repeat": {"forEach": each, "sequence": [log("a")]}}], payload={"many": [0] * 10_001})
    walked = run.finish()
    assert walked.status == "failed"
    assert said in walked.reason


def test_items_of_a_loop_are_those_of_its_beginning(stage: Staged) -> None:
    run = stage(
        """
        - variables: {all: [1, 2]}
        - repeat:
            forEach: variables.all
            sequence:
              - variables: {all: [7]}
              - delay: 1s
              - {action: log@1, config: {message: "{{ repeat.item }}"}}
        """
    )
    assert run.finish().status == "success"
    assert run.told == ["1", "2"]
    run = stage(
        [
            {"repeat": {"forEach": "trigger.payload.all", "sequence": [log("{{ repeat.item }}")]}},
            log("{{ trigger.payload.all | json }}"),
        ],
        payload={"all": ["a", "b"]},
    )
    assert run.finish().status == "success"
    assert run.told == ["a", "b", '["a","b"]']
    assert len(run.saves) == 4, "a round of a list is nothing that has to be decided"


@pytest.mark.parametrize(
    ("delay", "seconds"), [("90s", 90), ("{{ 30 }}", 30), ("{{ '5m' }}", 300), ("{{ 0 }}", 0), ("{{ '' }}", 0), (7, 7)]
)
def test_delays(delay: Any, seconds: float, stage: Staged) -> None:
    run = stage([{"delay": delay}])
    before = run.at
    assert run.finish().status == "success"
    assert run.at - before == seconds


@pytest.mark.parametrize("delay", ["{{ -1 }}", "{{ 86401 }}", "{{ 'soon' }}", "{{ 'nan' }}"])
def test_delays_that_are_none(delay: str, stage: Staged) -> None:
    assert stage([{"delay": delay}]).finish().reason.startswith("actions[0]: delay")


def test_what_can_not_be_rendered_fails_the_step_and_names_the_field(stage: Staged) -> None:
    walked = stage([log("{{ trigger.payload.nothing.at }}")]).finish()
    assert walked.reason.startswith("actions[0]: config.message can't be rendered: `trigger.payload.nothing`")


def test_scripts_and_secrets_are_left_alone(stage: Staged) -> None:
    run = stage(
        [
            {"action": "run_shell@1", "config": {"script": "echo {{ trigger.id }}"}},
            {
                "action": "webhook@1",
                "config": {
                    "url": "${{ secrets.URL }}",
                    "headers": [{"name": "X-A", "value": "{{ trigger.id }}"}],
                    "body": "{{ trigger.payload.text }}",
                },
            },
        ],
        payload={"text": "${{ secrets.URL }} {{ trigger.id }}"},
    )
    assert run.finish().status == "success"
    assert run.done[1].config["body"] == "${{ secrets.URL }} {{ trigger.id }}"
    assert run.done[0].config["script"] == "echo {{ trigger.id }}"
    assert run.done[1].config["url"] == "${{ secrets.URL }}"
    assert run.done[1].config["headers"] == [{"name": "X-A", "value": "down"}]
