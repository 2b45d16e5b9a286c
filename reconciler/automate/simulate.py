"""Walks an automation through a scenario: actions are recorded instead of done, and time jumps to whatever is next.

The gates, the walk and the templates are those of a worker. Nothing is sent, no secret is known here, and the clock is
the scenario's, so that the same scenario always comes out the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from reconciler.automate.conditions import expression_holds, judge_all
from reconciler.automate.context import HealthNow, Scope, iso
from reconciler.automate.payloads import complete
from reconciler.automate.port import Again, Doing, Done, Event, NotDone, Performed, Progress, Started, Step, Wait
from reconciler.automate.rendering import Broken, model
from reconciler.automate.scenario import Later, Outcome, Scenario
from reconciler.automate.walk import matches, walk

MONDAY = 1_767_614_400.0
"""2026-01-05 12:00 UTC: when a scenario begins that doesn't say."""
MAX_WALKS = 20_000

_STEADY = {"p95_latency_ms": None, "transitions_in_window": 0, "in_maintenance": False}


class Gate(NamedTuple):
    """What stands between the event and a run: ``name`` is ``event``, ``filter``, ``window``, ``for``, ``conditions``.

    ``trigger`` is the index of the trigger, and its id; ``note`` says why it is open or closed, where that isn't plain.
    """

    trigger: int
    id: str | None
    name: str
    opens: bool
    note: str | None = None


class SentAction(NamedTuple):
    """What an action would have done: its config as rendered; secrets are references."""

    path: str
    id: str | None
    action: str
    at: float
    attempt: int
    config: Mapping[str, Any]


class Simulated(NamedTuple):
    """``started`` is False where no gate let the event through. ``status`` is ``waiting`` where nothing wakes the run.

    ``began`` is the moment of the event; ``steps`` are in the order in which they began.
    """

    automation: str
    began: float
    gates: tuple[Gate, ...]
    started: bool
    trigger: str | None
    status: str | None
    reason: str | None
    steps: tuple[Step, ...] = ()
    sent: tuple[SentAction, ...] = ()
    waits: tuple[Wait, ...] = ()


async def simulate(name: str, spec: Mapping[str, Any], scenario: Scenario) -> Simulated:
    """Through the gates, and then from wait to wait until the run ends or nothing can wake it."""
    world = _World(spec, scenario)
    event = world.event(scenario.event, scenario.payload, scenario.context, actor=scenario.actor)
    began, (gates, started, dwell) = world.now(), _gates(spec, event, world, scenario.trigger)
    if started is None:
        return Simulated(name, began, tuple(gates), False, None, None, None)
    world.pass_to(began + dwell)
    judged = judge_all(spec.get("conditions") or (), Scope(started, world))
    if spec.get("conditions") and event.name != "manual":
        gates.append(Gate(gates[-1].trigger, started.trigger_id, "conditions", judged.holds, judged.why))
        if not judged.holds:
            return Simulated(name, began, tuple(gates), False, started.trigger_id, None, None)
    status, reason = await _through(spec, started, world)
    return Simulated(
        name,
        began,
        tuple(gates),
        True,
        started.trigger_id,
        status,
        reason,
        tuple(world.steps[seq] for seq in sorted(world.steps)),
        tuple(world.sent),
        tuple(world.waits.values()),
    )


def _gates(
    spec: Mapping[str, Any], event: Event, world: _World, only: str | None
) -> tuple[list[Gate], Started | None, float]:
    """The gates of each trigger until one lets the event through, and how long that one wants it to stay."""
    if event.name == "manual":
        return [Gate(-1, None, "event", True, "started by hand: no gate is in the way")], Started(event), 0.0
    gates: list[Gate] = []
    for index, trigger in enumerate(spec["triggers"]):
        id = trigger.get("id")
        if only is not None and id != only:
            continue
        if trigger["event"].partition("@")[0] != event.name:
            gates.append(Gate(index, id, "event", False, f"waits for {trigger['event']}"))
            continue
        scope = Scope(Started(event, id), world)
        if trigger.get("filter") is not None:
            judged = expression_holds(trigger["filter"], scope)
            gates.append(Gate(index, id, "filter", judged.holds, judged.why))
            if not judged.holds:
                continue
        dwell = 0.0
        if trigger.get("window"):
            gates.append(Gate(index, id, "window", True, "taken as come often enough"))
        if trigger.get("for") is not None:
            from reconciler.automate.gates import dwell_seconds

            lasting = dwell_seconds(trigger["for"], scope)
            note = "taken as lasting" if lasting is not None else "the template gives no duration"
            gates.append(Gate(index, id, "for", lasting is not None, note))
            if lasting is None:
                continue
            dwell = lasting
        if not gates or gates[-1].trigger != index:
            gates.append(Gate(index, id, "event", True))
        return gates, Started(event, id), dwell
    if not gates:
        gates.append(Gate(-1, only, "event", False, f"there is no trigger {only}"))
    return gates, None, 0.0


async def _through(spec: Mapping[str, Any], started: Started, world: _World) -> tuple[str, str | None]:
    for _ in range(MAX_WALKS):
        waits = tuple(world.waits.values())
        walked = await walk(spec, started, world, run="simulated", snapshot=world.snapshot, waits=waits)
        if walked.status != "waiting":
            return walked.status, walked.reason
        if not world.next(spec):
            return "waiting", "nothing in the scenario wakes it"
    return "waiting", f"the simulation ends after {MAX_WALKS} looks at it"


class _World:
    """A world in which nothing is done. Implements :class:`reconciler.automate.port.World`."""

    def __init__(self, spec: Mapping[str, Any], scenario: Scenario) -> None:
        self.spec, self.scenario = spec, scenario
        self.began = self._at = scenario.moment if scenario.moment is not None else MONDAY
        self.steps: dict[int, Step] = {}
        self.waits: dict[str, Wait] = {}
        self.sent: list[SentAction] = []
        self.snapshot: bytes | None = None
        self._health: dict[str, tuple[float, dict[str, Any]]] = {}
        self._ahead = sorted(scenario.then, key=lambda later: later.after)
        self._made: Counter[str] = Counter()
        self._happened = 0
        self._change(scenario.health)

    def now(self) -> float:
        """The moment of the scenario."""
        return self._at

    def event(self, name: str, payload: Mapping[str, Any], context: str | None, *, actor: str | None = None) -> Event:
        """An event of the scenario; what health it tells of is so from now on, unless it was said otherwise."""
        self._happened += 1
        whole = complete(name, {"timestamp": iso(self._at), **payload} if "." in name else payload)
        system = whole.get("systemId")
        key = context if context is not None else system if isinstance(system, str) else None
        if name.startswith("healthcheck.system_") and key is not None and not whole.get("environmentId"):
            status = whole.get("newStatus") or {"system_healthy": "healthy", "system_degraded": "degraded"}.get(
                name.partition(".")[2]
            )
            if isinstance(status, str) and (key not in self._health or self._happened > 1):
                self._change({key: status})
        return Event(f"simulated-{self._happened}", name.partition("@")[0], self._at, whole, key, actor)

    def pass_to(self, at: float) -> None:
        """Let time pass; changes of health on the way happen."""
        while self._ahead and self.began + self._ahead[0].after / 1000 <= at and self._ahead[0].event is None:
            later = self._ahead.pop(0)
            self._at = max(self._at, self.began + later.after / 1000)
            self._change(later.health)
        self._at = max(self._at, at)

    def next(self, spec: Mapping[str, Any]) -> bool:
        """Jump to what comes next: the end of a wait, or what the scenario lets happen. False: there is nothing."""
        due = min((wait.due_at for wait in self.waits.values() if wait.due_at is not None), default=None)
        if self._ahead and (due is None or self.began + self._ahead[0].after / 1000 <= due):
            self._happen(spec, self._ahead.pop(0))
            return True
        if due is None:
            return False
        self._at = max(self._at, due)
        return True

    def _happen(self, spec: Mapping[str, Any], later: Later) -> None:
        self._at = max(self._at, self.began + later.after / 1000)
        if later.event is not None:
            event = self.event(later.event, later.payload, later.context)
            for path, wait in self.waits.items():
                if matches(spec, wait, event, now=self._at):
                    self.waits[path] = replace(wait, resumed=True, payload=dict(event.payload))
        self._change(later.health)

    def _change(self, health: Mapping[str, Any]) -> None:
        for name, said in health.items():
            self._health[name] = (self._at, {"status": said} if isinstance(said, str) else dict(said))

    def health(self, system: str | None) -> HealthNow:
        """What the scenario says; empty where it says nothing."""
        if not self._health:
            return {}
        known = {name: self._state(since, said) for name, (since, said) in self._health.items()}
        return {"system": known.get(system or "", {}), "systems": known}

    def _state(self, since: float, said: Mapping[str, Any]) -> dict[str, Any]:
        lasted = float(said.get("in_status_for_ms") or 0) + (self._at - since) * 1000
        environments = {
            name: self._state(since, {"status": each} if isinstance(each, str) else each)
            for name, each in (said.get("environments") or {}).items()
        }
        state = {**_STEADY, **said, "in_status_for_ms": round(lasted), "environments": environments}
        return {**state, "in_status_since": iso(self._at - lasted / 1000)}

    def artifact(self, type: str) -> Mapping[str, Any] | None:
        """What the scenario says earlier runs left."""
        return self.scenario.artifacts.get(type)

    async def perform(self, doing: Doing) -> Performed:
        """Record it, and let it come out as the scenario says: done, unless it says something else."""
        self.sent.append(SentAction(doing.path, doing.id, doing.action, self._at, doing.attempt, doing.config))
        said = self.scenario.results.get(doing.id or "", self.scenario.results.get(doing.path))
        if isinstance(said, list):
            said = said[min(doing.attempt, len(said)) - 1] if said else None
        outcome = said if said is not None else Outcome()
        if outcome.again is not None:
            return Again(outcome.error or "", outcome.again / 1000, outcome.result)
        if outcome.error is not None:
            return NotDone(outcome.error, outcome.result)
        return Done(outcome.result, {**self._usual(doing, outcome.result), **outcome.artifacts})

    def _usual(self, doing: Doing, result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """What such an action leaves, where the scenario doesn't say: mostly what it gives."""
        try:
            type = getattr(model(doing.action), "PRODUCES", None)
        except Broken:
            return {}
        if type is None:
            return {}
        self._made[type] += 1
        id = f"{type}-{self._made[type]}"
        made = {"id": id, "number": self._made[type], "url": f"https://example.invalid/{id}"}
        return {type: {**doing.config, **made, **result}}

    async def save(self, progress: Progress) -> None:
        """Keep it for the next walk."""
        self.snapshot = progress.snapshot
        self.steps |= {step.seq: step for step in progress.steps}
        self.waits = {wait.path: wait for wait in progress.waits}
