"""What automations may do by the account they run as, told before anything is applied: at the line of the action.

The same is asked again when an action is done, of the account as it is then: :mod:`reconciler.flows.acting.identity`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.base.diagnostics import Diagnostic, Fault, Path, Severity
from reconciler.flows.acting.permissions import Bounds, covers, may_not, may_not_touch
from reconciler.flows.world import World
from reconciler.model.resource import Key, Resource

if TYPE_CHECKING:
    from reconciler.model.resource import Reference

_KIND = "ServiceAccount"
_PERMIT = "add the permission to the account, or bind another one"


def account_faults(
    source: str,
    resources: Sequence[Resource],
    grants: Sequence[tuple[str, str]],
    world: World,
    locate: Callable[[Resource, Fault], Diagnostic],
    *,
    mild: bool = False,
) -> Iterator[Diagnostic]:
    """Of automations among these resources whose account is known. Warnings in documents of version 1, and where
    ``mild``."""
    for r in resources:
        bound = next((x for x in r.references if x.kind == _KIND), None) if r.key.kind == "Automation" else None
        account = None if bound is None else world.find(Key(_KIND, bound.name))
        if bound is None or account is None or world.excused(account.key):
            continue
        bounds, body = Bounds.of(bound.name, world.body(account)), world.body(r)
        severity: Severity = "warning" if mild or bound.lenient else "error"
        for fault in (*_beyond(body, bounds, severity, world), *_bound(source, account, bounds, grants, bound)):
            yield locate(r, fault)


def accounts(resources: Iterable[Resource]) -> dict[Key, str]:
    """The accounts among these, with their digests."""
    return {r.key: r.digest for r in resources if r.key.kind == _KIND}


def judges_again(reference: Reference, old: Mapping[Key, str], new: Mapping[Key, str]) -> bool:
    """Whether who refers so to one of these accounts has to be looked at again. Of an account that went only those who
    may do without it: the others are told that they still refer to it."""
    key = Key(reference.kind, reference.name)
    return old.get(key) != new.get(key) and (key in new or reference.lenient)


def _beyond(body: Any, bounds: Bounds, severity: Severity, world: World) -> Iterator[Fault]:
    """Actions that the account may not run, and systems that it may not touch."""
    from reconciler.kinds.flow import blocks

    for holder in blocks(body["spec"]["actions"], None, ("spec", "actions")):
        pin = holder.data.get("action")
        if not isinstance(pin, str):
            continue
        action = pin.partition("@")[0]
        if not bounds.permits(action):
            path = (*holder.path, "action")
            yield Fault("permission-missing", may_not(bounds, action), path, _PERMIT, severity)
        else:
            for name, at in _systems(action, holder.data.get("config") or {}, holder.path, bounds):
                if world.find(Key("System", name)) is not None:  # else that is what is wrong
                    message = may_not_touch(bounds, (name,))
                    yield Fault("system-not-permitted", message, at, "add the system to the account", severity)


def _systems(action: str, config: Any, path: Path, bounds: Bounds) -> Iterator[tuple[str, Path]]:
    """Those beyond the account that are named as they are; what a template yields is looked at when it is rendered."""
    from reconciler.flows.acting.touching import places_of
    from reconciler.kinds.texts import reach

    if not bounds.systems:
        return
    for keys in places_of(action):
        for at, name in reach(config, keys, (*path, "config")):
            if isinstance(name, str) and "{{" not in name and not bounds.reaches(name):
                yield name, at


def _bound(
    source: str, account: Resource, bounds: Bounds, grants: Sequence[tuple[str, str]], bound: Reference
) -> Iterator[Fault]:
    """An account of another source lends its permissions: each has to be granted to whoever borrows them.

    Those of a source's own accounts are looked at where they are declared.
    """
    if not grants or account.source == source:
        return
    granted = [pattern for what, pattern in grants if what == "permission"]
    beyond = [p for p in bounds.permissions if not any(covers(pattern, p) for pattern in granted)]
    if beyond:
        message = f"source {source} may not bind the account {bound.name} of source {account.source or 'none'}"
        message += f": its permissions {', '.join(beyond)} aren't granted"
        hint = "an operator grants them with gitops source grant"
        yield Fault("account-not-granted", message, bound.path, hint)
