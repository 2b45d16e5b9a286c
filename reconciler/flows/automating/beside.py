"""The engine of automations as a worker has it beside its own work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reconciler.base.errors import StoreError
from reconciler.flows.automating.engine import Engine
from reconciler.store.database import Database
from reconciler.store.open import open_database, store_path, there

if TYPE_CHECKING:
    from reconciler.flows.executor import ConfiguredExecutor
    from reconciler.flows.work.events import Event
    from reconciler.flows.work.knobs import Knobs

_CACHE_KIB = 8192


def opener(address: str) -> Callable[[], Database]:
    """Opens a store that is there: no empty one is made where it was taken away."""

    def opened() -> Database:
        if not there(address):
            raise StoreError(f"the store {store_path(address)} isn't there any more", hint="bring it back")
        db = open_database(address)
        if db.dialect == "sqlite":
            db.run(f"pragma cache_size=-{_CACHE_KIB}")
        return db

    return opened


def make_engine(
    worker: str,
    knobs: Knobs,
    executor: ConfiguredExecutor,
    *,
    opened: Callable[[], Database],
    say: Callable[[Event], None],
) -> Engine:
    """With the guard, the secrets and the sandbox that checks have."""
    from reconciler.flows.acting.hands import Hands

    return Engine(
        worker,
        opened=opened,
        hands=lambda ask: Hands(
            ask,
            guard=executor.guard,
            resolver=executor.resolver,
            sandboxes=executor.sandboxes,
            at_once=knobs.scripts,
        ),
        say=say,
        lease=knobs.lease,
        grace=knobs.grace,
    )
