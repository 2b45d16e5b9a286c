"""On whose behalf: the account that an automation names, as the store has it now. There is never another one."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from reconciler.base.canonical import loads
from reconciler.base.errors import GitopsError
from reconciler.flows.acting.permissions import FREE, Bounds
from reconciler.flows.acting.port import Identity
from reconciler.model.resource import Key

if TYPE_CHECKING:
    from reconciler.store.port import Reader

_GRANT = "an operator grants it with gitops source grant"


def bounds_of(reader: Reader, identity: Identity, action: str) -> Bounds:
    """What the account may do by now. Raises ``GitopsError`` where there is none, and where the operator hasn't granted
    the action to the source that the automation is from."""
    if identity.account is None:
        if action in FREE:
            return Bounds("", ())
        raise GitopsError(
            f"{identity.name} may not run {action}: it acts on behalf of nobody", hint="add runAs with a ServiceAccount"
        )
    key = Key("ServiceAccount", identity.account)
    found = next(iter(reader.resources(keys={key})), None)
    if found is None or found.status != "active":
        raise GitopsError(
            f"the account {identity.account}, which {identity.name} runs as, isn't there",
            hint="declare the ServiceAccount, or bind another one with runAs",
        )
    grants = reader.grants(identity.source)
    granted = any(what == "permission" and fnmatchcase(action, pattern) for what, pattern in grants)
    if grants and not granted and action not in FREE:
        raise GitopsError(f"source {identity.source} may not use the permission {action!r}", hint=_GRANT)
    return Bounds.of(identity.account, loads(found.resource.body))


def identify(reader: Reader, automation: int, *, run: int = 0, context_key: str = "") -> Identity:
    """Of an automation that is there. Raises ``GitopsError`` where it is gone."""
    key = reader.names({automation}).get(automation)
    found = next(iter(reader.resources(keys={key})), None) if key is not None else None
    if found is None or found.uid != automation:
        name = key.name if key is not None else f"#{automation}"
        raise GitopsError(f"the automation {name} isn't there any more")
    account = loads(found.resource.body)["spec"].get("runAs")
    return Identity(automation, found.resource.key.name, found.resource.source, account, run, context_key)
