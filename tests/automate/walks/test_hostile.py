"""Templates are a stranger's, payloads are anybody's: neither reaches anything but the data that is there for it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.automate import rendering
from reconciler.automate.context import Nowhere, Scope
from reconciler.automate.port import Done, Event, NotDone, Started
from reconciler.automate.rendering import Broken
from reconciler.automate.walk import matches

Staged = Callable[..., Any]
EVENT = "healthcheck.system_health_changed"

REACHES = [
    "''.__class__.__mro__[1].__subclasses__()",
    "trigger.__class__",
    "trigger['__class__']['__init__']",
    "trigger.payload.__init__.__globals__",
    "self.__init__.__globals__",
    "config.items()",
    "request.application",
    "cycler.__init__.__globals__.os.environ",
    "lipsum.__globals__['os'].popen('id')",
    "trigger | attr('__class__')",
    "[trigger] | map(attribute='__class__')",
    "namespace(a=1)",
    "range(10**9)",
    "joiner()",
    "environ",
    "os.environ",
    "open('/etc/passwd')",
    "trigger.payload.keys()",
    "outside",
    "started.event",
    "health.outside.now",
]


def scope(**payload: Any) -> Scope:
    return Scope(Started(Event("e", EVENT, 0.0, payload, "orders-api")), Nowhere(0.0))


@pytest.mark.parametrize("source", REACHES)
def test_nothing_of_python_is_reached(source: str, stage: Staged, make_spec: Callable[..., Any]) -> None:
    with pytest.raises(Broken):
        rendering.evaluate(source, scope(a=1))
    with pytest.raises(Broken):
        rendering.text(f"{{{{ {source} }}}}", scope(a=1), "text")


def test_a_payload_is_data_and_is_rendered_once(stage: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITOPS_TOKEN_OF_THE_WORKER", "hush")
    nasty = "{{ trigger.actor }} ${{ secrets.TOKEN }} {% for x in y %} {{ ''.__class__ }}"
    run = stage(
        [
            {"variables": {"v": "{{ trigger.payload.text }}"}},
            {"repeat": {"forEach": "[variables.v]", "sequence": [log("{{ repeat.item }}")]}},
            {"waitForTrigger": {"event": EVENT, "contextKey": "{{ trigger.payload.text }}", "timeout": "1m"}},
        ],
        payload={"text": nasty},
    )
    assert run.walk().status == "waiting"
    assert run.told == [nasty]
    (wait,) = run.waits.values()
    assert wait.context_key == nasty
    assert b"hush" not in b"".join(save.snapshot for save in run.saves)


def log(message: str) -> dict[str, Any]:
    return {"action": "log@1", "config": {"message": message}}


PAYLOADS: dict[str, Any] = {
    "text": "x" * (1 << 20),
    "list": list(range(200_000)),
    "wide": {f"k{index}": index for index in range(100_000)},
    "deep": None,
    "keys": {"__class__": 1, "": 2, "a.b": 3},
    "number": 2**63,
}


@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize(
    "source", ["{{ trigger.payload | json }}", "{{ trigger.payload.big }}", "{{ trigger.payload.big | length }}"]
)
def test_a_huge_payload_costs_no_more_than_a_template_may(name: str, source: str, stage: Staged) -> None:
    big: Any = PAYLOADS[name]
    if name == "deep":
        for _ in range(50_000):
            big = [big]
    run = stage([log(source)], payload={"big": big})
    began = time.process_time()
    walked = run.finish()
    assert time.process_time() - began < 2
    if walked.status == "failed":
        assert walked.reason.startswith("actions[0]: config.message can't be rendered: ")
        assert len(walked.reason) < 1000
    assert max((len(save.snapshot) for save in run.saves), default=0) < 2**20


def test_many_templates_of_one_block_share_one_allowance(stage: Staged) -> None:
    heavy = "{{ trigger.payload.list | sort | join(',') | length }}"
    run = stage([{"variables": {f"v{index}": heavy for index in range(500)}}], payload={"list": list(range(9_999))})
    began = time.process_time()
    assert "does more work than one render may" in run.finish().reason
    assert time.process_time() - began < 2


def test_many_conditions_share_one_allowance(stage: Staged) -> None:
    heavy = "(trigger.payload.list | sort | join(',') | length) < 0"
    run = stage([{"condition": {"or": [heavy] * 500}}], payload={"list": list(range(9_999))})
    began = time.process_time()
    assert run.finish().status == "success"
    assert "does more work than one render may" in run.step("actions[0]").error
    assert time.process_time() - began < 2


def test_all_rendered_texts_of_a_block_are_bounded(stage: Staged) -> None:
    body = {f"v{index}": "{{ trigger.payload.text }}" for index in range(50)}
    walked = stage([{"variables": body}], payload={"text": "x" * 60_000}).finish()
    assert "all rendered texts are longer than" in walked.reason


def test_what_an_action_gives_is_data_too(stage: Staged) -> None:
    create = {"action": "incident.create@1", "id": "made", "config": {"title": "t"}}
    given = Done({}, {"incident": {"id": "{{ trigger.actor }}", "__class__": "x"}})
    run = stage(
        [create, log("{{ artifacts.made.incident.id }} {{ artifacts.made.incident['__class__'] }}")], made=given
    )
    assert run.finish().status == "success"
    assert run.told[-1] == "{{ trigger.actor }} x"


def test_what_an_action_says_is_bounded(stage: Staged) -> None:
    run = stage([{**log("a"), "id": "big"}], big=Done({"body": "x" * 300_000}))
    assert run.finish().status == "success"
    assert run.step("actions[0]").result == {"omitted": "the result has 292 KiB, more than the 256 that are kept"}
    run = stage([{**log("a"), "id": "odd"}], odd=Done({"body": object()}))
    assert run.finish().status == "success"
    assert run.step("actions[0]").result == {"omitted": "the result is no plain JSON"}
    run = stage([{**log("a"), "id": "bad"}], bad=NotDone("x" * 10**6))
    assert len(run.finish().reason) < 2100
    assert len(run.step("actions[0]").error) == 2000


def test_a_wait_is_not_ended_by_a_filter_that_breaks(stage: Staged) -> None:
    run = stage([{"waitForTrigger": {"event": EVENT, "filter": "trigger.payload.a.b.c > 'x' * 9 ** 9"}}])
    run.walk()
    (wait,) = run.waits.values()
    for payload in ({}, {"a": 1}, {"a": {"b": None}}, {"a": {"b": {"c": "x" * 10**6}}}):
        assert not matches(run.spec, wait, Event("e", EVENT, 0.0, payload), now=0.0)


def test_a_walk_lets_others_have_the_event_loop(stage: Staged) -> None:
    from reconciler.automate.walk import walk

    run = stage([{"repeat": {"count": 2000, "sequence": [{"variables": {"a": "{{ repeat.index }}"}}]}}])
    turns = 0

    async def beside() -> int:
        nonlocal turns
        walking = asyncio.ensure_future(walk(run.spec, run.started, run, run="1"))
        while not walking.done():
            turns += 1
            await asyncio.sleep(0)
        assert (await walking).status == "success"
        return turns

    assert asyncio.run(beside()) > 50


def test_files_and_variables_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "secret"
    kept.write_text("hush")
    monkeypatch.setenv("HUSH", str(kept))
    for source in (
        f"{{{{ '{kept}' | read }}}}",
        "{% include '/etc/passwd' %}",
        "{{ include('/etc/passwd') }}",
        "{{ HUSH }}",
    ):
        try:
            text = rendering.text(source, scope(), "text")
        except Broken:
            continue
        assert text == source, "what is no expression is text"
    assert os.environ["HUSH"] == str(kept)
