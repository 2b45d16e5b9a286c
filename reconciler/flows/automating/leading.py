"""One worker evaluates triggers, for all: what happened is read, judged and settled in one transaction.

Everything here is done in the desk's thread. What was judged by a worker that doesn't lead any more is thrown away by
the store, and what it remembered with it; whoever leads by then begins with what is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial

from reconciler.automate.definitions import CHECK_FAILED, HEALTH, NUMERIC, Automation, read
from reconciler.automate.port import Event, Wait
from reconciler.automate.remembering import Memory
from reconciler.automate.triggers import Firing, Triggers, as_data
from reconciler.automate.walk import matches
from reconciler.flows.automating.desk import Held
from reconciler.flows.automating.happened import About, Names, Telling, Told, in_order
from reconciler.flows.automating.healths import Healths, Outlook
from reconciler.flows.automating.tally import AutomationTally
from reconciler.flows.maintenances import suppression
from reconciler.store.automating import Decided, EventWait, Look, NotLeading, Settled, Start, Wake
from reconciler.store.incidents import Suppression

AT_ONCE = 100
"""Events, and changes of health, taken in one turn."""
NUMBERS_EVERY, NUMBERS_AT_ONCE = 5.0, 200
"""Seconds between two looks at watched numbers, and how many of them are looked at then, one after the other."""
_ABOUT_SYSTEMS = HEALTH | {CHECK_FAILED, NUMERIC}
_PUT_OFF = 60.0
_MOST_BODIES = 1000
_REMEMBERED, _MOST_RECENT = 5.0, 500
"""Seconds for which an event may find a wait that was armed before it and is kept a little later, and of how many."""
_MAINTENANCE = frozenset({"maintenance.started", "maintenance.completed"})


@dataclass(slots=True)
class Turned:
    """What a turn came to. ``more``: there is more to take at once. ``again_at``: by the store's clock."""

    leads: bool = False
    decided: list[tuple[str, Decided]] = field(default_factory=list)
    """Names of automations, and what came of their starts."""
    woken: int = 0
    more: bool = False
    again_at: float | None = None
    faults: list[str] = field(default_factory=list)


class Leader:
    """Evaluates triggers while it leads. ``lease``: seconds until another takes over from one that died."""

    def __init__(self, worker: str, lease: float, tally: AutomationTally) -> None:
        self._worker, self._lease, self._tally = worker, lease, tally
        self._fence: int | None = None
        self._asked = -1e12
        self._generation = -1
        self._triggers: Triggers | None = None
        self._names: Names | None = None
        self._told: dict[str, About | None] = {}
        self._bodies: dict[tuple[int, str], Automation | None] = {}
        self._numbered, self._cursor = -1e12, 0
        self._healths: Healths | None = None
        self._held_back: Suppression | None = None
        self._system_names: list[str] | None = None
        self._faults: list[str] = []
        self._recent: list[Event] = []

    def turn(self, held: Held, look: Look) -> Turned:
        """Take what happened, if it is this worker that leads. Raises ``StoreError``."""
        if not self._leads(held, look.now):
            return Turned()
        try:
            return self._turn(held, look)
        except NotLeading:
            self._fence = None
            self._forget()
            return Turned()
        except BaseException:
            self._forget()
            raise

    def mend(self) -> None:
        """The clock stepped back: what fires by it is reckoned anew."""
        self._asked = self._numbered = -1e12
        self._forget()

    def leave(self, held: Held) -> None:
        """Let another lead at once."""
        if self._fence is not None:
            held.automating.abdicate(self._worker)

    def _leads(self, held: Held, now: float) -> bool:
        pause = self._lease / 3 if self._fence is not None else min(1.0, self._lease / 3)
        if not 0 <= now - self._asked < pause:
            before, self._asked = self._fence, now
            self._fence = held.automating.lead(self._worker, lease=self._lease)
            if self._fence != before:
                self._forget()
        self._tally.leading = self._fence is not None
        return self._fence is not None

    def _forget(self) -> None:
        """Begin anew with what the store has."""
        self._triggers, self._generation, self._bodies = None, -1, {}

    # -- one turn ------------------------------------------------------------------------------------------------------

    def _turn(self, held: Held, look: Look) -> Turned:
        self._faults = []
        self._healths = Healths(held.automating, look.now)
        triggers = self._load(held, look)
        told, transitions, events = self._happened(held) if look.happened else ([], [], [])
        more = len(transitions) >= AT_ONCE or len(events) >= AT_ONCE
        self._told = {event.id: each.about for each in told for event in each.events}
        looking = told or triggers.memory.due(look.now) or self._numbers_due(triggers, look.now)
        self._held_back = suppression(held.db) if looking else None
        firings = [firing for each in told for event in each.events for firing in self._judge(triggers, event)]
        if not more:  # a dwell isn't over before everything is seen that could have ended it
            firings += self._due(triggers, look.now)
            firings += self._numbers(held, triggers, look.now)
        wakes = self._wakes(held, told, look.now)
        put, dropped = triggers.memory.changes()
        starts = [_start(firing, look.generation) for firing in firings]
        settled = Settled(events, transitions, put, dropped, starts, wakes)
        decided: list[Decided] = []
        if any(settled):
            decided = held.automating.settle(self._worker, self._fence or 0, settled)
            triggers.memory.kept()
        self._count(told, starts, triggers)
        pairs = [(firing.automation.name, each) for firing, each in zip(firings, decided, strict=True)]
        return Turned(True, pairs, len(wakes), more, self._again_at(triggers, look.now), self._faults)

    def _load(self, held: Held, look: Look) -> Triggers:
        """The triggers of the newest generation, with what is kept of them."""
        if self._triggers is not None and look.generation == self._generation:
            return self._triggers
        held.automating.catch_up()
        rows = held.automating.automations()
        automations = [read(r.uid, r.name, r.source, r.generation, r.digest, r.body) for r in rows]
        memory = Memory(held.automating.states())
        self._names = Names(held.stores.reader)
        self._system_names = None
        self._triggers = Triggers(automations, memory, self._outlook, now=look.now, suppressed=self._suppressed)
        self._generation = look.generation
        held.automating.listen(failures=any(CHECK_FAILED in automation.text for automation in automations))
        return self._triggers

    def _happened(self, held: Held) -> tuple[list[Told], list[int], list[int]]:
        events, transitions = held.automating.happened(AT_ONCE)
        assert self._names is not None
        telling = Telling(held.automating, self._names)
        told = in_order(map(telling.event, events), map(telling.transition, transitions))
        return told, [t.id for t in transitions], [e.id for e in events]

    def _judge(self, triggers: Triggers, event: Event) -> list[Firing]:
        return self._guard(partial(triggers.happened, event))

    def _guard(self, judge: Callable[[], list[Firing]]) -> list[Firing]:
        """Whatever is wrong with one event, the others aren't held up by it."""
        try:
            return judge()
        except Exception as error:
            self._tally.faults += 1
            self._faults.append(f"a trigger can't be evaluated: {type(error).__name__}: {error}")
            return []

    def _due(self, triggers: Triggers, now: float) -> list[Firing]:
        """What fires by the clock. What can't be judged is put off, so that it isn't tried again at every turn."""
        found: list[Firing] = []
        for row in triggers.memory.due(now):
            faults = len(self._faults)
            found += self._guard(partial(triggers.come, row, now))
            if len(self._faults) > faults:
                triggers.memory.put(row._replace(due_at=now + _PUT_OFF))
        return found

    def _numbers(self, held: Held, triggers: Triggers, now: float) -> list[Firing]:
        """Look at the next few of the watched numbers."""
        if not self._numbers_due(triggers, now):
            return []
        self._numbered = now
        if self._system_names is None:
            self._system_names = held.automating.systems()
        pairs = [
            (automation, trigger, system)
            for automation, trigger in triggers.watched()
            for system in (automation.uses or self._system_names if trigger.each_system else (None,))
        ]
        found: list[Firing] = []
        for _ in range(min(NUMBERS_AT_ONCE, len(pairs))):
            self._cursor = (self._cursor + 1) % len(pairs)
            found += self._guard(partial(triggers.look, *pairs[self._cursor]))
        return found

    def _numbers_due(self, triggers: Triggers, now: float) -> bool:
        return bool(triggers.watched()) and not 0 <= now - self._numbered < NUMBERS_EVERY

    def _outlook(self, automation: Automation) -> Outlook:
        healths = self._healths
        assert healths is not None
        return Outlook(automation, lambda: healths.at, partial(healths.of, automation))

    def _suppressed(self, automation: Automation, event: Event) -> bool:
        """Whether the system of an event is being worked on. Where that can't be told it isn't."""
        if self._held_back is None or not self._held_back.active or event.name not in _ABOUT_SYSTEMS:
            return False
        about = self._told.get(event.id)
        if about is not None:  # what happened before the work began is told, however late it is seen
            return self._held_back.of(about.system, about.environment, at=event.at) is not None
        about = self._about(event)
        return about is not None and self._held_back.of(about.system, about.environment) is not None

    def _about(self, event: Event) -> About | None:
        """Of an event that was told before, or by the clock: by the names in it."""
        assert self._names is not None
        system, environment = (event.payload.get(key) for key in ("systemId", "environmentId"))
        uid = self._names.uid("System", system) if system else None
        where = self._names.uid("Environment", environment) if environment else 0
        return About(uid, where) if uid is not None and where is not None else None

    # -- who waits for it ----------------------------------------------------------------------------------------------

    def _wakes(self, held: Held, told: Iterable[Told], now: float) -> list[Wake]:
        """What came a moment ago is looked at once more: a wait that was armed before may have been kept since."""
        events = [event for each in told for event in each.events]
        self._recent = [event for event in self._recent if 0 <= now - event.at < _REMEMBERED]
        if not events and not self._recent:
            return []
        changed = {event.context_key for event in events if event.name in HEALTH}
        names = {event.name for event in events}
        until = bool(changed) or bool(names & _MAINTENANCE)
        events = [*self._recent, *events]
        self._recent = events[-_MOST_RECENT:]
        found: list[Wake] = []
        for wait in held.automating.waits({event.name for event in events}, until=until):
            if wait.event is None:
                if names & _MAINTENANCE or self._looks_at(held, wait, changed):
                    found.append(Wake(wait.run))
            elif (event := self._waited_for(held, wait, events, now)) is not None:
                found.append(Wake(wait.run, wait.path, event.payload))
        return found

    def _waited_for(self, held: Held, wait: EventWait, events: Iterable[Event], now: float) -> Event | None:
        automation = self._body(held, wait.automation, wait.digest)
        if automation is None:
            return None
        at = Wait(wait.path, "trigger", wait.armed_at, None, wait.event, wait.context_key)
        for event in events:
            meant = event.automation in (None, wait.automation) and event.name == wait.event
            if meant and event.at >= wait.armed_at and matches(automation.spec, at, event, now=now):
                return event
        return None

    def _looks_at(self, held: Held, wait: EventWait, changed: Collection[str | None]) -> bool:
        """Whether what it waits for may depend on one of these systems."""
        if wait.run_context in changed:
            return True
        automation = self._body(held, wait.automation, wait.digest)
        if automation is None:
            return False
        return "{{" in automation.text or any(name and name in automation.text for name in changed)

    def _body(self, held: Held, uid: int, digest: str) -> Automation | None:
        key = (uid, digest)
        if key not in self._bodies:
            if len(self._bodies) >= _MOST_BODIES:
                self._bodies.clear()
            body = held.automating.body(uid, digest)
            self._bodies[key] = read(uid, "", "", 0, digest, body) if body is not None else None
        return self._bodies[key]

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def _again_at(self, triggers: Triggers, now: float) -> float | None:
        due = [triggers.memory.next_due()]
        if triggers.watched():
            due.append(self._numbered + NUMBERS_EVERY)
        return min((at for at in due if at is not None), default=None)

    def _count(self, told: Collection[Told], starts: Collection[Start], triggers: Triggers) -> None:
        self._tally.events += len(told)
        self._tally.fired += len(starts)
        for gate, n in triggers.stopped.items():
            self._tally.stopped[gate] += n
        triggers.stopped.clear()


def _start(firing: Firing, generation: int) -> Start:
    automation, event = firing.automation, firing.started.event
    return Start(
        automation.uid,
        generation,
        automation.digest,
        firing.started.trigger_id,
        as_data(event),
        event.name,
        firing.event_id,
        event.context_key,
        automation.mode,
        automation.lane(event.context_key),
        automation.most,
    )
