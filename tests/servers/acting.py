"""Actions of an automation, performed as its account against a real store, with a clock that tests step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.automate.port import Doing, Performed
from reconciler.execute.egress import Guard
from reconciler.flows.acting.hands import Hands
from reconciler.flows.acting.identity import identify
from reconciler.flows.acting.perform import perform
from reconciler.flows.acting.port import Identity
from reconciler.flows.acting.stores import Stores
from reconciler.flows.executor import Sandboxes
from reconciler.kinds.loaded import load
from reconciler.kinds.table import ACTIONS
from reconciler.sandbox.policy import shipped_default
from reconciler.secrets.environment import FromEnvironment
from reconciler.secrets.resolver import Resolver
from reconciler.store.open import open_executing, open_store
from reconciler.store.sql_deliveries import Delivery, listed

if TYPE_CHECKING:
    from tests.conftest import Kit

T = TypeVar("T")
START = 1_800_000_000.0
EVENT = "healthcheck.system_health_changed"


class Acting:
    """One automation, ``react``, that runs as ``oncall``. ``environ`` holds its secrets."""

    def __init__(self, kit: Kit, address: str | Path) -> None:
        self.kit = kit
        self.store = open_store(str(address))
        self.executing = open_executing(str(address))
        self.at = START
        self.executing.db.tell_time(lambda: self.at)
        self.sandboxes = Sandboxes(shipped_default(), None)
        self.environ: dict[str, str] = {}
        self.deny: tuple[str, ...] = ()
        self.before_asking: Callable[[], object] | None = None
        """Called before each question to the store, as where a worker dies."""
        self.payload: dict[str, Any] = {"systemId": "shop", "newStatus": "unhealthy"}

    def close(self) -> None:
        """Close the connections, and end what starts scripts."""
        self.sandboxes.close()
        self.store.close()
        self.executing.close()

    def declare(
        self,
        *permissions: str,
        systems: tuple[str, ...] = (),
        run_as: str | None = "oncall",
        source: str = "shop",
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Apply the account with these permissions, the automation, and a system with a check in two environments."""
        spec: dict[str, Any] = {"triggers": [{"event": EVENT}], "actions": [{"action": "log@1", "config": MESSAGE}]}
        if run_as is not None:
            spec["runAs"] = run_as
        account: dict[str, Any] = {"permissions": list(permissions)}
        if systems:
            account["systems"] = list(systems)
        kit = self.kit
        files = {
            "automation.yaml": kit.document("Automation", "react", spec),
            "account.yaml": kit.document("ServiceAccount", "oncall", account),
            "rest.yaml": [
                kit.environment("production", region="eu-1", tier=1),
                kit.environment("staging"),
                kit.check("ready"),
                kit.system("shop", ["production", "staging"], [{"check": "ready"}], title="The shop"),
                kit.system("other", ["production"], [{"check": "ready"}]),
            ],
            **(more or {}),
        }
        kit.apply(self.store, files, source=source)
        self.executing.reconcile()

    def hands(self) -> Hands:
        """What actions are done with; to be closed by whoever asked."""

        async def ask(question: Callable[[Stores], T]) -> T:
            if self.before_asking is not None:
                self.before_asking()
            return question(Stores(self.executing.db))

        resolver = Resolver(FromEnvironment(self.environ))
        return Hands(ask, guard=Guard(self.deny), resolver=resolver, sandboxes=self.sandboxes)

    def identity(self, **changes: Any) -> Identity:
        """Of the automation as it is stored."""
        uid = Stores(self.executing.db).uid("Automation", "react")
        assert uid is not None
        return identify(self.store, uid, **{"run": 7, "context_key": "shop", **changes})

    def doing(self, action: str, config: Mapping[str, Any], **changes: Any) -> Doing:
        """The action as a walk asks for it, with its defaults filled in."""
        loaded = load(ACTIONS[action])
        pin = changes.pop("pin", f"{action}@{ACTIONS[action].head}")
        given: dict[str, Any] = {
            "path": "actions[0]",
            "spec_path": ("spec", "actions", 0),
            "action": pin,
            "id": "it",
            "config": loaded.dump(loaded.validate(dict(config))),
            "context": {
                "trigger": {"id": None, "event": EVENT, "eventId": "t-1", "payload": self.payload, "actor": None},
                "artifacts": {},
                "variables": {},
            },
            "key": "run-7.actions-0",
            "attempt": 1,
            **changes,
        }
        return Doing(**given)

    def perform(self, action: str, config: Mapping[str, Any], **changes: Any) -> Performed:
        """Do it now, in the name of the automation as it is stored."""
        return asyncio.run(self._perform(self.doing(action, config, **changes), self.identity()))

    def perform_as(self, identity: Identity, action: str, config: Mapping[str, Any]) -> Performed:
        """The same on behalf of another."""
        return asyncio.run(self._perform(self.doing(action, config), identity))

    def deliveries(self) -> list[Delivery]:
        """The rows there are, newest first."""
        return listed(self.executing.db)

    async def _perform(self, doing: Doing, identity: Identity) -> Performed:
        hands = self.hands()
        try:
            return await perform(doing, identity, hands)
        finally:
            await hands.aclose()


MESSAGE = {"message": "hello"}
