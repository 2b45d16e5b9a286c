"""From what happened to what is to be started: filter, suppression, window, dwell, conditions, in that order.

Nothing here looks at a clock or a store: it is told what time it is, what happened and what was remembered, and says
what fires. An event that is told again changes nothing twice, as what came of it is kept together with its mark.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.automate.clocks import newest_cron, newest_interval, next_cron
from reconciler.automate.conditions import expression_holds, judge_all
from reconciler.automate.context import Outside, Scope, iso
from reconciler.automate.definitions import CRON, HEALTH, INTERVAL, MANUAL, NUMERIC, WEBHOOK, Automation, Trigger
from reconciler.automate.gates import as_it_is_now, dwell_seconds, part_of, partition, stays, through_window
from reconciler.automate.payloads import complete
from reconciler.automate.port import Event, Started
from reconciler.automate.remembering import Memory
from reconciler.model.remembered import Remembered

POSTPONED = 15.0
"""Seconds until a dwell that is over is looked at again, while its system is being worked on."""
Suppressed = Callable[[Automation, Event], bool]
"""Whether nothing is to be made of an event just now, as its system is being worked on."""


@dataclass(frozen=True, slots=True)
class Firing:
    """A run that is to be started, as far as the automation's mode lets it. ``event_id`` is the same whenever the same
    trigger fires for the same event."""

    automation: Automation
    started: Started
    event_id: str


def never(automation: Automation, event: Event) -> bool:
    """Nothing is suppressed."""
    return False


class Triggers:
    """The triggers of all automations."""

    def __init__(
        self,
        automations: Iterable[Automation],
        memory: Memory,
        outside: Callable[[Automation], Outside],
        *,
        now: float,
        suppressed: Suppressed = never,
    ) -> None:
        """``outside`` is what the expressions of an automation see, ``now`` when this begins."""
        self.memory = memory
        self.automations = {automation.uid: automation for automation in automations}
        self._outside, self._suppressed = outside, suppressed
        self._by_event: defaultdict[str, list[tuple[Automation, Trigger]]] = defaultdict(list)
        for automation in self.automations.values():
            for trigger in automation.triggers:
                self._by_event[trigger.event].append((automation, trigger))
        self.stopped: defaultdict[str, int] = defaultdict(int)
        """How many events each gate held back."""
        self._forget()
        self._set_clocks(now)

    @property
    def events(self) -> frozenset[str]:
        """What anybody listens to."""
        return frozenset(self._by_event)

    # -- what happened -------------------------------------------------------------------------------------------------

    def happened(self, event: Event) -> list[Firing]:
        """What an event fires."""
        self._end_dwells(event)
        if event.name == MANUAL:
            return self._by_hand(event)
        found = []
        for automation, trigger in self._by_event.get(event.name, ()):
            if event.automation in (None, automation.uid) and self._meant(trigger, event):
                found += self._gates(automation, trigger, event)
        return found

    def _by_hand(self, event: Event) -> list[Firing]:
        """Started by a person: no gate is in the way."""
        automation = self.automations.get(event.automation or 0)
        return [] if automation is None else [Firing(automation, Started(event), f"manual:{event.id}")]

    def _meant(self, trigger: Trigger, event: Event) -> bool:
        """The first gate: the config."""
        return trigger.event != WEBHOOK or event.payload.get("hook") == trigger.config.get("hook")

    def _gates(self, automation: Automation, trigger: Trigger, event: Event) -> list[Firing]:
        scope = Scope(Started(event, trigger.id), self._outside(automation))
        if trigger.filter is not None and not expression_holds(trigger.filter, scope).holds:
            return self._stop("filter")
        if self._suppressed(automation, event):
            return self._stop("suppressed")
        if trigger.window is not None and not self._window(automation, trigger, event, scope):
            return self._stop("window")
        if trigger.dwell is not None:
            return self._dwell(automation, trigger, event, scope)
        return self._fire(automation, trigger, event)

    def _window(self, automation: Automation, trigger: Trigger, event: Event, scope: Scope) -> bool:
        window = trigger.window or {}
        part = partition(window, scope)
        if part is None:
            return False
        key = (automation.uid, trigger.index, "window", part)
        was = self.memory.get(key)
        passes, value, empty_at = through_window(window, was.value if was else {}, event.at)
        self.memory.put(Remembered(*key, empty_at, trigger.digest, value))
        return passes

    def _dwell(self, automation: Automation, trigger: Trigger, event: Event, scope: Scope) -> list[Firing]:
        seconds = dwell_seconds(trigger.dwell or 0, scope)
        if seconds is None:
            return self._stop("dwell")
        key = (automation.uid, trigger.index, "dwell", part_of(event))
        if self.memory.get(key) is None:
            value = {"event": as_data(event)}
            self.memory.put(Remembered(*key, event.at + seconds, trigger.digest, value))
        return self._stop("dwell")

    def _end_dwells(self, event: Event) -> None:
        """Dwells whose time isn't over, and that what happened puts an end to."""
        for row in self.memory.armed(part_of(event)):
            automation = self.automations[row.automation]
            trigger = automation.triggers[row.trigger]
            began = from_data(row.value["event"])
            still = stays(trigger, began.payload, event)
            if still is None:
                now = replace(began, payload=as_it_is_now(began.payload, event))
                scope = Scope(Started(now, trigger.id), self._outside(automation))
                still = trigger.filter is None or expression_holds(trigger.filter, scope).holds
            if not still:
                self.memory.drop(row.key)

    def _fire(self, automation: Automation, trigger: Trigger, event: Event) -> list[Firing]:
        """The last gate but the mode: the conditions."""
        started = Started(event, trigger.id)
        if not judge_all(automation.spec.get("conditions", ()), Scope(started, self._outside(automation))).holds:
            return self._stop("conditions")
        return [Firing(automation, started, f"{trigger.index}:{event.id}")]

    def _stop(self, gate: str) -> list[Firing]:
        self.stopped[gate] += 1
        return []

    # -- what is due ---------------------------------------------------------------------------------------------------

    def due(self, now: float) -> list[Firing]:
        """What fires by the clock: patterns, intervals, dwells that are over."""
        return [firing for row in self.memory.due(now) for firing in self.come(row, now)]

    def come(self, row: Remembered, now: float) -> list[Firing]:
        """The time of one has come. A moment that was missed fires once, and of several that were missed the newest."""
        automation = self.automations[row.automation]
        trigger = automation.triggers[row.trigger]
        if row.what == "window":
            self.memory.drop(row.key)
            return []
        if row.what != "dwell":
            return self._tick(automation, trigger, row, now)
        event = from_data(row.value["event"])
        if self._suppressed(automation, event):
            # What is so still when the work is over is told then: nobody else remembers it.
            self.memory.put(row._replace(due_at=now + POSTPONED))
            return self._stop("suppressed")
        self.memory.drop(row.key)
        return self._fire(automation, trigger, event)

    def _tick(self, automation: Automation, trigger: Trigger, row: Remembered, now: float) -> list[Firing]:
        due = row.due_at or now
        if row.what == "cron":
            pattern, zone = trigger.config["cronPattern"], trigger.config.get("timezone", "UTC")
            at, then = max(due, newest_cron(pattern, zone, now) or due), next_cron(pattern, zone, now)
            about: dict[str, Any] = {"cronPattern": pattern, "timezone": zone}
        else:
            seconds = trigger.config["intervalSeconds"]
            at = newest_interval(due, seconds, now)
            then, about = at + seconds, {"intervalSeconds": seconds}
        self.memory.put(row._replace(due_at=then))
        payload = complete(trigger.event, {**about, "scheduledAt": iso(at), "timestamp": iso(now)})
        name = f"{row.what}:{automation.uid}:{trigger.index}:{at:.0f}"
        return self._gates(automation, trigger, Event(name, trigger.event, now, payload, None, None, automation.uid))

    def _set_clocks(self, now: float) -> None:
        """First ticks of what is new, and of what was reckoned by a clock that has stepped back since. Nothing fires
        for being new, nor for having been changed."""
        for automation, trigger in (*self._by_event[CRON], *self._by_event[INTERVAL]):
            key = (automation.uid, trigger.index, "cron" if trigger.event == CRON else "interval", "")
            row, first = self.memory.get(key), first_tick(trigger, now)
            if row is None or (row.due_at is not None and first is not None and row.due_at > first):
                self.memory.put(Remembered(*key, first, trigger.digest, {}))

    def _forget(self) -> None:
        """What belongs to automations that are gone, or to triggers that are others now."""
        for row in self.memory:
            automation = self.automations.get(row.automation)
            triggers = automation.triggers if automation is not None else ()
            if row.trigger >= len(triggers) or triggers[row.trigger].digest != row.digest:
                self.memory.drop(row.key)

    # -- numbers -------------------------------------------------------------------------------------------------------

    def watched(self) -> list[tuple[Automation, Trigger]]:
        """Triggers that watch a number."""
        return list(self._by_event.get(NUMERIC, ()))

    def look(self, automation: Automation, trigger: Trigger, system: str | None) -> list[Firing]:
        """Look at a number: it fires when it comes to be beyond its bounds. Of a system, or of none in particular."""
        outside = self._outside(automation)
        now = outside.now()
        value = self._number(trigger, system, outside)
        beyond = value is not None and _beyond(trigger.config, value)
        key = (automation.uid, trigger.index, "numeric", system or "")
        was = self.memory.get(key)
        if beyond == (was is not None):
            return []
        event = self._crossed(automation, trigger, system, value, now)
        if not beyond:
            self.memory.drop(key)
            self.memory.drop((automation.uid, trigger.index, "dwell", part_of(event)))
            return []
        if self._suppressed(automation, event):  # not remembered, so that it is found when the work is over
            return self._stop("suppressed")
        self.memory.put(Remembered(*key, None, trigger.digest, {"since": now}))
        return self._gates(automation, trigger, event)

    def _number(self, trigger: Trigger, system: str | None, outside: Outside) -> float | None:
        from reconciler.render.template import TemplateFault, compile_expression

        scope = Scope(Started(Event("", NUMERIC, outside.now(), {}, system)), outside)
        try:
            value = compile_expression(trigger.config["field"], clock=scope.clock).evaluate(scope)
        except TemplateFault:
            return None
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def _crossed(
        self, automation: Automation, trigger: Trigger, system: str | None, value: float | None, now: float
    ) -> Event:
        config = trigger.config
        about = {"systemId": system, "field": config["field"], "value": value, "timestamp": iso(now)}
        bounds = {"above": config.get("above"), "below": config.get("below")}
        name = f"numeric:{automation.uid}:{trigger.index}:{system or ''}:{now:.3f}"
        return Event(name, NUMERIC, now, complete(NUMERIC, {**about, **bounds}), system, None, automation.uid)


def first_tick(trigger: Trigger, now: float) -> float | None:
    """When a clock that is new fires first: a pattern at its next moment, an interval after one of it."""
    if trigger.event == CRON:
        return next_cron(trigger.config["cronPattern"], trigger.config.get("timezone", "UTC"), now)
    return now + float(trigger.config["intervalSeconds"])


def _beyond(config: Mapping[str, Any], value: float) -> bool:
    above, below = config.get("above"), config.get("below")
    return (above is None or value > above) and (below is None or value < below)


def as_data(event: Event) -> dict[str, Any]:
    """An event as it is kept with a run or a dwell."""
    return {
        "id": event.id,
        "name": event.name,
        "at": event.at,
        "payload": dict(event.payload),
        "contextKey": event.context_key,
        "actor": event.actor,
    }


def from_data(data: Mapping[str, Any], automation: int | None = None) -> Event:
    """The same again."""
    return Event(
        data["id"], data["name"], data["at"], data["payload"], data.get("contextKey"), data.get("actor"), automation
    )


__all__ = ["HEALTH", "Firing", "Suppressed", "Triggers", "as_data", "first_tick", "from_data", "never"]
