"""Automations on a real store, with engines as workers have them, and a clock that tests step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.execute.egress import Guard
from reconciler.flows.acting.hands import Hands
from reconciler.flows.acting.port import Asks
from reconciler.flows.automating.engine import Engine
from reconciler.flows.executor import Sandboxes
from reconciler.flows.settings import Settings
from reconciler.flows.work.events import Event, Fault
from reconciler.model.run import Outcome, Run
from reconciler.sandbox.policy import shipped_default
from reconciler.secrets.environment import FromEnvironment
from reconciler.secrets.resolver import Resolver
from reconciler.store.automating import RunRow, StepRow
from reconciler.store.database import Database
from reconciler.store.executing import Finished
from reconciler.store.open import open_database, open_executing, open_store
from reconciler.store.sql_automating import SqlAutomating

if TYPE_CHECKING:
    from tests.conftest import Kit

START = 1_800_000_000.0
WITHIN = 20.0
HELLO = {"action": "log@1", "config": {"message": "hello"}}


class Stand:
    """One store with a few systems. ``at`` is what time it is; between two looks at it an engine lets time go on by
    itself, so what is to be over after an hour is so a little later here."""

    def __init__(self, kit: Kit, path: Path | str) -> None:
        self.kit, self.path = kit, str(path)
        self.at = START
        self.moves_since: float | None = None
        self.events: list[Event] = []
        self.documents: dict[str, Any] = {
            "rest.yaml": [
                kit.environment("production"),
                kit.environment("staging"),
                kit.check("ready"),
                *(self._system(name, ["production", "staging"]) for name in ("shop", "bank")),
                kit.document("ServiceAccount", "bot", {"permissions": ["*"]}),
            ]
        }
        self.engines: list[Engine] = []
        self.sandboxes = Sandboxes(shipped_default(), None)
        self._store = open_store(self.path)
        self.hands = open_executing(self.path)
        self.hands.db.tell_time(self.clock)
        self.seen = SqlAutomating(self.hands.db)

    def clock(self) -> float:
        """What time it is for the store. It stands still unless :meth:`let_time_go_on` was called."""
        return self.at + (time.monotonic() - self.moves_since if self.moves_since is not None else 0.0)

    def let_time_go_on(self) -> None:
        """For what is about leases."""
        self.moves_since = time.monotonic()

    def _system(self, name: str, environments: list[str]) -> Any:
        assignment = {"check": "ready", "thresholds": {"degraded": 1, "unhealthy": 1}}
        return self.kit.system(name, environments, [assignment], title=f"The {name}")

    def automation(self, name: str, *triggers: Mapping[str, Any], actions: Any = None, **spec: Any) -> None:
        """Declare one; :meth:`apply` brings it to the store."""
        given = {"triggers": list(triggers), "actions": [HELLO] if actions is None else actions, **spec}
        self.documents[f"{name}.yaml"] = self.kit.document("Automation", name, given)

    def apply(self, *, deletion: Any = "delete") -> None:
        """Bring the store to the documents."""
        self.kit.apply(self._store, self.documents, force=True, settings=Settings(deletion=deletion))
        self.hands.reconcile()

    def engine(self, *, lease: float = 10.0, grace: float = 5.0) -> Engine:
        """One more worker's automations."""

        def opened() -> Database:
            db = open_database(self.path)
            db.tell_time(self.clock)
            return db

        def hands(ask: Asks) -> Hands:
            return Hands(ask, guard=Guard(), resolver=Resolver(FromEnvironment({})), sandboxes=self.sandboxes)

        name = f"w{len(self.engines)}"
        engine = Engine(name, opened=opened, hands=hands, say=self.events.append, lease=lease, grace=grace, poll=0.03)
        self.engines.append(engine)
        engine.start()
        return engine

    def end(self, engine: Engine) -> None:
        """In good order."""
        engine.stop()
        engine.join(WITHIN)
        assert not engine.is_alive()

    def close(self) -> None:
        """End everything; nothing may have gone wrong in it."""
        for engine in self.engines:
            engine.leave(WITHIN)
        self.sandboxes.close()
        self._store.close()
        self.hands.close()
        assert not [event for event in self.events if isinstance(event, Fault)]

    def until(self, true: Callable[[], object]) -> None:
        """Wait for it."""
        deadline = time.monotonic() + WITHIN
        while not true():
            assert time.monotonic() < deadline, (self.seen.runs(), self.events[-5:])
            time.sleep(0.01)

    def settled(self) -> bool:
        """Whether everything that happened was judged."""
        return not self.seen.look().happened

    def uid(self, kind: str, name: str) -> int:
        """Of a resource."""
        return self.kit.uids(self._store)[f"{kind} {name}"]

    def run_checks(self, outcome: Outcome, *, system: str = "shop", environment: str | None = None) -> None:
        """An interval later: this came of the runs of a system, or of one environment of it; the rest is healthy."""
        self.at += 30
        uid = self.uid("System", system)
        where = self.uid("Environment", environment) if environment else None
        done = []
        for claim in self.hands.claim("checks", 100, lease=10.0):
            meant = claim.key.system == uid and where in (None, claim.key.environment)
            came: Outcome = outcome if meant else "healthy"
            reason = None if came == "healthy" else "it failed"
            detail: dict[str, Any] = {
                "collectors": [{"id": "0", "type": "http.request", "result": {"statusCode": 503}}]
            }
            run = Run(
                key=claim.key,
                region=claim.region,
                slot=claim.slot,
                at=self.at,
                duration_ms=12.5,
                outcome=came,
                reason=reason,
                generation=claim.generation,
                digest=claim.digest,
                worker="checks",
                detail=detail,
            )
            done.append(Finished(claim, run, ""))
        self.hands.finish(done)

    def ended(self, n: int = 1) -> list[RunRow]:
        """Wait until so many runs have ended; all of those, oldest first."""

        def over() -> list[RunRow]:
            return [run for run in reversed(self.seen.runs()) if run.ended is not None]

        self.until(lambda: len(over()) >= n)
        return over()

    def waiting(self, n: int = 1) -> list[RunRow]:
        """Wait until so many runs are put aside."""
        self.until(lambda: sum(run.status == "waiting" for run in self.seen.runs()) >= n)
        return [run for run in self.seen.runs() if run.status == "waiting"]

    def steps(self, run: int) -> list[StepRow]:
        """Of a run."""
        return self.seen.steps(run)
