"""``maintenance.start`` and ``maintenance.end``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.automate.port import Done
from reconciler.flows.acting.ours import author, known, within
from reconciler.flows.acting.port import Undone
from reconciler.flows.acting.touching import systems_of

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.port import Asked
    from reconciler.flows.acting.stores import Stores
    from reconciler.store.incidents import Maintenance


class Start:
    """Begins one, now. Without a duration it goes on until it is ended."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        config = asked.config
        systems = systems_of(asked.name, config, asked.doing.context) or ()
        if not systems:
            raise Undone("a maintenance is about systems: name some, or use a trigger that is about one")

        def begin(stores: Stores) -> Maintenance:
            duration, now = config.get("duration"), stores.db.clock()
            return stores.maintenances.add(
                config["title"],
                author=author(asked),
                systems=systems,
                ends=None if duration is None else now + duration / 1000,
                description=config.get("description") or "",
                key=asked.key,
            )

        made = _shown(await hands.ask(begin))
        return Done(made, {"maintenance": made})


class End:
    """Ends one."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""

        def end(stores: Stores) -> Maintenance:
            id = known(stores, asked, "maintenance")
            within(asked, stores.maintenances.maintenance(id).systems, f"the maintenance {id}")
            message = asked.config.get("message") or ""
            return stores.maintenances.end(id, message, author=author(asked), key=asked.key)

        return Done(_shown(await hands.ask(end)))


def _shown(maintenance: Maintenance) -> dict[str, Any]:
    return {
        "id": maintenance.id,
        "title": maintenance.title,
        "status": maintenance.status,
        "systems": [place.name for place in maintenance.systems],
        "ends": maintenance.ends,
    }
