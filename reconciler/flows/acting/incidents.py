"""``incident.create``, ``incident.update`` and ``incident.resolve``: in this store, so that nothing leaves the host and
the same step changes nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.automate.port import Done
from reconciler.flows.acting.ours import author, known, within
from reconciler.flows.acting.touching import systems_of

if TYPE_CHECKING:
    from reconciler.flows.acting.hands import Hands
    from reconciler.flows.acting.port import Asked
    from reconciler.flows.acting.stores import Stores
    from reconciler.store.incidents import Incident


class Create:
    """Opens one."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        config = asked.config
        systems = systems_of(asked.name, config, asked.doing.context) or ()

        def open_it(stores: Stores) -> Incident:
            return stores.incidents.open(
                config["title"],
                author=author(asked),
                severity=config.get("severity", "major"),
                systems=systems,
                description=config.get("description") or "",
                key=asked.key,
            )

        made = _shown(await hands.ask(open_it))
        return Done(made, {"incident": made})


class Update:
    """Adds to one."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""
        config = asked.config

        def update(stores: Stores) -> Incident:
            id = _which(stores, asked)
            return stores.incidents.update(
                id,
                config["message"],
                author=author(asked),
                status=config.get("status"),
                severity=config.get("severity"),
                key=asked.key,
            )

        return Done(_shown(await hands.ask(update)))


class Resolve:
    """Closes one."""

    async def act(self, asked: Asked, hands: Hands) -> Done:
        """See the port."""

        def resolve(stores: Stores) -> Incident:
            id = _which(stores, asked)
            message = asked.config.get("message") or ""
            return stores.incidents.resolve(id, message, author=author(asked), key=asked.key)

        return Done(_shown(await hands.ask(resolve)))


def _which(stores: Stores, asked: Asked) -> str:
    """The incident that is meant, which the account may touch."""
    id = known(stores, asked, "incident")
    incident, _ = stores.incidents.incident(id)
    within(asked, incident.systems, f"the incident {id}")
    return id


def _shown(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "title": incident.title,
        "severity": incident.severity,
        "status": incident.status,
        "systems": [place.name for place in incident.systems],
    }
