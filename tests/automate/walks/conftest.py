"""A world of its own for each walk: a clock set by hand, actions that do what the test says, a store in memory."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.automate.port import (
    Again,
    Doing,
    Done,
    Event,
    NotDone,
    Performed,
    Progress,
    Started,
    Step,
    Wait,
    Walked,
)
from reconciler.automate.walk import matches, walk
from reconciler.base.canonical import loads
from reconciler.kinds.validate import validate

NOON = 1_800_000_000.0
"""2027-01-15 08:00:00 UTC, a Friday."""
EVENT = "healthcheck.system_health_changed"
Answer = Performed | Sequence[Performed] | Callable[[Doing], Performed]


class Killed(Exception):
    """The process that walks is gone."""


class Stage:
    """One run in a world of its own; ``walk`` goes on from what was saved last, as another process would."""

    def __init__(self, spec: Mapping[str, Any], started: Started, answers: Mapping[str, Answer]) -> None:
        self.spec, self.started = spec, started
        self.answers = dict(answers)
        self.at = NOON
        self.healthy: dict[str, Any] = {}
        self.earlier: dict[str, Mapping[str, Any]] = {}
        self.done: list[Doing] = []
        self.saves: list[Progress] = []
        self.steps: dict[int, Step] = {}
        self.waits: dict[str, Wait] = {}
        self.snapshot: bytes | None = None
        self.asked = 0
        self.performing: Callable[[Doing], None] = lambda doing: None
        self.saving: Callable[[Progress, bool], None] = lambda progress, kept: None

    def now(self) -> float:
        return self.at

    def health(self, system: str | None) -> Mapping[str, Any]:
        self.asked += 1
        if not self.healthy:
            return {}
        return {"system": self.healthy.get(system or "", {}), "systems": self.healthy}

    def artifact(self, type: str) -> Mapping[str, Any] | None:
        return self.earlier.get(type)

    async def perform(self, doing: Doing) -> Performed:
        await asyncio.sleep(0)
        self.done.append(doing)
        self.performing(doing)
        answer = self.answers.get(doing.id or "", self.answers.get(doing.path, Done({})))
        if isinstance(answer, (Done, Again, NotDone)):
            return answer
        return answer(doing) if callable(answer) else answer[doing.attempt - 1]

    async def save(self, progress: Progress) -> None:
        self.saving(progress, False)
        await asyncio.sleep(0)
        self.saves.append(progress)
        self.snapshot = progress.snapshot
        self.steps |= {step.seq: step for step in progress.steps}
        self.waits = {wait.path: self._merged(wait) for wait in progress.waits}
        self.saving(progress, True)

    def _merged(self, wait: Wait) -> Wait:
        """A wait that is over stays so, whatever a walk saves that didn't know it yet."""
        before = self.waits.get(wait.path)
        if before is None or before.armed_at != wait.armed_at:
            return wait
        return replace(wait, resumed=before.resumed, payload=before.payload)

    def walk(self) -> Walked:
        """Once, from what is saved."""
        waits = tuple(self.waits.values())
        return asyncio.run(walk(self.spec, self.started, self, run="run-1", snapshot=self.snapshot, waits=waits))

    def finish(self) -> Walked:
        """As far as time alone brings it, from due time to due time."""
        walked = self.walk()
        while walked.status == "waiting" and (due := [w.due_at for w in self.waits.values() if w.due_at is not None]):
            self.at = max(self.at, min(due))
            walked = self.walk()
        return walked

    def happens(self, name: str, payload: Mapping[str, Any], context_key: str | None = None) -> list[str]:
        """An event comes; the paths of the waits it ends."""
        event = Event(f"event-{self.at}", name, self.at, payload, context_key)
        ended = [p for p, wait in self.waits.items() if matches(self.spec, wait, event, now=self.at)]
        for path in ended:
            self.waits[path] = replace(self.waits[path], resumed=True, payload=payload)
        return ended

    @property
    def told(self) -> list[str]:
        """What the actions were to say."""
        return [str(doing.config.get("message", doing.action)) for doing in self.done]

    @property
    def paths(self) -> list[str]:
        return [doing.path for doing in self.done]

    def step(self, path: str) -> Step:
        """The record of a block."""
        (found,) = [step for step in self.steps.values() if step.path == path]
        return found


def read(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(textwrap.dedent(text))


def stored(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec as it comes out of the store."""
    whole = {"runAs": "oncall", "triggers": [{"event": EVENT}], **spec}
    document = {"apiVersion": "gitops/v2", "kind": "Automation", "metadata": {"name": "it"}, "spec": whole}
    validated = validate("Automation", document)
    assert validated.body, validated.faults
    found: dict[str, Any] = loads(validated.body)["spec"]
    return found


def staged(actions: str | Sequence[Any], *, payload: Mapping[str, Any] | None = None, **answers: Answer) -> Stage:
    """A run of these actions, started by a system that became unhealthy."""
    blocks = read(actions) if isinstance(actions, str) else actions
    told = {"systemId": "orders-api", "newStatus": "unhealthy", "environmentId": None, **(payload or {})}
    started = Started(Event("event-1", EVENT, NOON, told, "orders-api", "alice"), "down")
    return Stage(stored({"actions": blocks}), started, answers)


@pytest.fixture(scope="session")
def stage() -> Callable[..., Stage]:
    return staged


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., dict[str, Any]]:
    return stored


@pytest.fixture(scope="session")
def killed() -> type[Exception]:
    return Killed
