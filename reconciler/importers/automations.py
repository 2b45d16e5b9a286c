"""Who is told when something is down: one automation for each channel, and the account they run as."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.importers.names import slug, told_apart
from reconciler.importers.probe import Channel, Probe, Remark
from reconciler.kinds.table import API_VERSION

ACCOUNT = "alerts"
_WHOLE = "not trigger.payload.environmentId"
MESSAGE = 'trigger.payload.systemId ~ " is " ~ trigger.payload.newStatus'
"""An expression: what happened, in a few words."""


def automations(
    channels: Sequence[Channel], systems: Sequence[tuple[str, list[Probe]]]
) -> tuple[list[dict[Any, Any]], dict[str, Channel]]:
    """The documents, none when nobody is told, and what each was made of, by name. ``systems``: with their monitors."""
    users = {c.key: [name for name, probes in systems if any(c.key in p.channels for p in probes)] for c in channels}
    used = [channel for channel in channels if users[channel.key]]
    if not used:
        return [], {}
    names = told_apart([[slug(f"tell {channel.title}", "tell")] for channel in used])
    permissions = sorted({action["action"].partition("@")[0] for channel in used for action in channel.actions})
    account = {
        Remark(): "What the automations below run as; the operator can narrow what it may do.",
        "apiVersion": API_VERSION,
        "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT},
        "spec": {"permissions": permissions},
    }
    told = [
        _automation(channel, name, [] if len(users[channel.key]) == len(systems) else users[channel.key])
        for channel, name in zip(used, names, strict=True)
    ]
    return [account, *told], dict(zip(names, used, strict=True))


def _automation(channel: Channel, name: str, systems: list[str]) -> dict[Any, Any]:
    """``systems`` is empty for all of them."""
    automation: dict[Any, Any] = {
        "apiVersion": API_VERSION,
        "kind": "Automation",
        "metadata": {"name": name, "title": f"Tell {channel.title}"},
        "spec": {
            "runAs": ACCOUNT,
            "triggers": _triggers(channel, systems),
            "actions": channel.actions,
            "mode": "queued",
        },
    }
    if channel.comments:
        automation[Remark()] = "\n".join(channel.comments)
    return automation


def _triggers(channel: Channel, systems: Iterable[str]) -> list[dict[str, Any]]:
    named = ", ".join(f"'{name}'" for name in systems)
    clauses = [_WHOLE, *([f"trigger.payload.systemId in [{named}]"] if named else [])]
    event = "healthcheck.system_health_changed"
    down = {
        "id": "down",
        "event": event,
        "filter": " and ".join(["trigger.payload.newStatus == 'unhealthy'", *clauses]),
    }
    if not channel.recovery:
        return [down]
    up = ["trigger.payload.newStatus == 'healthy' and trigger.payload.previousStatus == 'unhealthy'", *clauses]
    return [down, {"id": "up", "event": event, "filter": " and ".join(up)}]
