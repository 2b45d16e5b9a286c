"""The hooks that automations listen to, and the keys that their callers sign with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from reconciler.automate.signatures import key_of
from reconciler.base.canonical import loads
from reconciler.base.errors import GitopsError
from reconciler.kinds.secretpaths import fill, holes, names
from reconciler.secrets.port import SecretsError
from reconciler.secrets.resolver import Resolver
from reconciler.store.automating import AutomationRow

_TRIGGER = "webhook"


class Hook(NamedTuple):
    """One trigger. ``config`` holds its token as the document has it: mostly a reference to a secret."""

    automation: int
    name: str
    config: Mapping[str, Any]

    @property
    def manner(self) -> str:
        """How it is signed."""
        return str(self.config.get("signature", "standard"))


def hooks(automations: Iterable[AutomationRow]) -> dict[str, list[Hook]]:
    """By the last part of their addresses."""
    found: defaultdict[str, list[Hook]] = defaultdict(list)
    for automation in automations:
        for trigger in loads(automation.body)["spec"]["triggers"]:
            if str(trigger["event"]).partition("@")[0] == _TRIGGER:
                config = trigger["config"]
                found[config["hook"]].append(Hook(automation.uid, automation.name, config))
    return dict(found)


def key(hook: Hook, resolver: Resolver, complain: Callable[[str], None]) -> bytes | None:
    """The key of a hook's token; None, and a complaint for whoever runs the server, where it can't be had."""
    try:
        where = holes(hook.config, f"triggers/{_TRIGGER}")
        values = resolver.resolve(names(where))
        found = key_of(str(fill(hook.config, where, values)["token"]))
    except (SecretsError, GitopsError) as error:
        complain(f"the token of automation {hook.name} can't be had: {error.message}")
        return None
    if found is None:
        complain(f"the token of automation {hook.name} begins with whsec_, and what follows is no base64")
    return found
