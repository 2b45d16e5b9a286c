"""Automations as people ask for them: which there are, what they did, one run in full; and starting one by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from reconciler.automate.clocks import next_cron
from reconciler.automate.definitions import CRON, INTERVAL, MANUAL, Automation, read
from reconciler.base.errors import GitopsError
from reconciler.flows.named import unknown_name
from reconciler.model.remembered import Remembered
from reconciler.store.automating import ArtifactRow, RunRow, StepRow, WaitRow
from reconciler.store.sql_automating import SqlAutomating

ENDED = frozenset({"success", "failed", "cancelled", "skipped"})
_LOOK = 0.2
_RECENT = 500


class Overview(NamedTuple):
    """One automation. ``last`` is its newest run; ``going`` counts runs that haven't ended; ``tick_at`` is when its
    clocks fire next, None where it has none."""

    automation: Automation
    last: RunRow | None
    going: int
    tick_at: float | None


class Asked(NamedTuple):
    """A run that was asked for: by which event (its number), of which automation (its uid)."""

    event: int
    automation: int


class Told(NamedTuple):
    """A run with the name of its automation, by now or as it last was."""

    name: str
    run: RunRow


@dataclass(frozen=True, slots=True)
class Shown:
    """One run in full, at a moment of the store's clock. ``depths`` tells by its path how far below others a step
    stands."""

    at: float
    name: str
    run: RunRow
    steps: tuple[StepRow, ...]
    waits: tuple[WaitRow, ...]
    artifacts: tuple[ArtifactRow, ...]

    @property
    def depths(self) -> dict[str, int]:
        """By path: how many of the steps it lies within."""
        from reconciler.automate.paths import below

        paths = [step.path for step in self.steps]
        return {path: sum(1 for other in paths if below(path, other)) for path in paths}


def overview(automating: SqlAutomating) -> list[Overview]:
    """Every automation that may fire, by name."""
    found = []
    now, states = automating.now(), automating.states()
    for row in automating.automations():
        automation = read(row.uid, row.name, row.source, row.generation, row.digest, row.body)
        last = next(iter(automating.runs(automation=row.uid, limit=1)), None)
        going = len(automating.runs(automation=row.uid, status=("pending", "running", "waiting"), limit=_RECENT))
        found.append(Overview(automation, last, going, _tick(automation, states, now)))
    return found


def runs(
    automating: SqlAutomating,
    name: str | None = None,
    *,
    status: Collection[str] = (),
    context: str | None = None,
    limit: int = 20,
) -> list[Told]:
    """Newest first. Raises ``GitopsError`` for an automation that never was."""
    names = _names(automating)
    uid = None if name is None else _uid(names, name)
    found = automating.runs(automation=uid, status=status, context_key=context, limit=limit)
    return [Told(names.get(run.automation, f"#{run.automation}"), run) for run in found]


def shown(automating: SqlAutomating, number: int) -> Shown:
    """One run in full. Raises ``GitopsError``."""
    with automating.db.snapshot():
        run = automating.run(number)
        if run is None:
            raise no_run(number)
        made = automating.artifacts(run.automation, run.context_key or "")
        return Shown(
            automating.now(),
            _names(automating).get(run.automation, f"#{run.automation}"),
            run,
            tuple(automating.steps(number)),
            tuple(automating.run_waits(number)),
            tuple(each for each in made if each.run == number),
        )


def by_hand(
    automating: SqlAutomating, name: str, payload: Mapping[str, Any], *, context: str | None, actor: str
) -> Asked:
    """Ask for a run of an automation. Raises ``GitopsError`` for one that can't fire."""
    there = {row.name: row.uid for row in automating.automations()}
    if name not in there:
        raise unknown_name("automation", name, there, otherwise="gitops automation list shows what can run")
    uid = there[name]
    return Asked(automating.post(MANUAL, payload, context_key=context, actor=actor, automation=uid), uid)


def follow(
    automating: SqlAutomating,
    asked: Asked,
    told: Callable[[StepRow], None],
    *,
    patience: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Shown:
    """Wait for a run that was asked for, telling each step once it has ended, until it has ended itself.

    Raises ``GitopsError`` where that takes more than ``patience`` seconds.
    """
    deadline = None if patience is None else time.monotonic() + patience
    seen: set[tuple[int, float]] = set()
    run: RunRow | None = None
    while True:
        run = automating.run(run.id) if run is not None else _started_by(automating, asked)
        if run is not None:
            over = [step for step in automating.steps(run.id) if step.ended is not None]
            for step in sorted(over, key=lambda step: (step.ended, -step.path.count("."), step.seq)):
                mark = (step.seq, step.ended or 0.0)
                if mark not in seen:
                    seen.add(mark)
                    told(step)
            if run.status in ENDED:
                return shown(automating, run.id)
        if deadline is not None and time.monotonic() >= deadline:
            raise _not_yet(run, patience or 0.0)
        sleep(_LOOK)


def cancel(automating: SqlAutomating, number: int, *, actor: str) -> Shown:
    """End a run. Raises ``GitopsError`` for one that isn't there, or has ended."""
    if not automating.cancel(number, reason=f"cancelled by {actor}"):
        run = automating.run(number)
        if run is None:
            raise no_run(number)
        raise GitopsError(f"run {number} has ended already, as {run.status}")
    return shown(automating, number)


def no_run(number: int) -> GitopsError:
    """There is no such run, or it isn't kept any more."""
    return GitopsError(f"there is no run {number}", hint="gitops automation runs lists those that are kept")


def _started_by(automating: SqlAutomating, asked: Asked) -> RunRow | None:
    ours = f"{MANUAL}:e{asked.event}"
    found = automating.runs(automation=asked.automation, limit=_RECENT)
    return next((run for run in found if run.event_id == ours), None)


def _not_yet(run: RunRow | None, patience: float) -> GitopsError:
    if run is None:
        return GitopsError(
            f"no worker has taken it up within {patience:.0f} seconds", hint="gitops workers tells who is alive"
        )
    return GitopsError(
        f"run {run.id} hasn't ended within {patience:.0f} seconds: it is {run.status}",
        hint=f"gitops automation show {run.id} tells where it is",
    )


def _tick(automation: Automation, states: Iterable[Remembered], now: float) -> float | None:
    """As the worker that leads has it; before there was one, as far as patterns tell."""
    kept = {s.trigger: s.due_at for s in states if s.automation == automation.uid and s.what in ("cron", "interval")}
    found = []
    for trigger in automation.triggers:
        if trigger.event == CRON and kept.get(trigger.index) is None:
            found.append(next_cron(trigger.config["cronPattern"], trigger.config.get("timezone", "UTC"), now))
        elif trigger.event in (CRON, INTERVAL):
            found.append(kept.get(trigger.index))
    return min((at for at in found if at is not None), default=None)


def _names(automating: SqlAutomating) -> dict[int, str]:
    """Of all automations that there are, and were."""
    rows = automating.db.rows("select uid, name from resource where kind = 'Automation' order by since")
    return {int(uid): str(name) for uid, name in rows}


def _uid(names: Mapping[int, str], name: str) -> int:
    found = next((uid for uid in sorted(names, reverse=True) if names[uid] == name), None)
    if found is None:
        raise unknown_name("automation", name, set(names.values()), otherwise="gitops automation list shows them")
    return found
