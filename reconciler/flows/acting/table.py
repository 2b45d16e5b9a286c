"""Which class does which action. Loads nothing: a class is imported when the first run wants it.

A distribution that brings an action of its own names its config in the entry point group ``gitops.actions`` (an
``Entry``, see ``reconciler.kinds.plugins``), and the class that does it, a :class:`reconciler.flows.acting.port.Action`
that is made without arguments, in the group ``gitops_acting.actions`` under the same name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from reconciler.base.errors import GitopsError
from reconciler.base.points import by_name

if TYPE_CHECKING:
    from reconciler.flows.acting.port import Action

GROUP = "gitops_acting.actions"
"""The entry point group of actions' classes."""
_HERE = "reconciler.flows.acting"

ACTIONS: dict[str, str] = {
    "log": f"{_HERE}.log:Log",
    "webhook": f"{_HERE}.webhook:Webhook",
    "notify": f"{_HERE}.notify:Notify",
    "run_shell": f"{_HERE}.scripts:RunShell",
    "run_script": f"{_HERE}.scripts:RunScript",
    "incident.create": f"{_HERE}.incidents:Create",
    "incident.update": f"{_HERE}.incidents:Update",
    "incident.resolve": f"{_HERE}.incidents:Resolve",
    "maintenance.start": f"{_HERE}.maintenances:Start",
    "maintenance.end": f"{_HERE}.maintenances:End",
    "check.run_now": f"{_HERE}.checks:RunNow",
    "check.pause": f"{_HERE}.checks:Pause",
    "check.resume": f"{_HERE}.checks:Resume",
    "github.issue": f"{_HERE}.github:Issue",
    "gitlab.issue": f"{_HERE}.gitlab:Issue",
}
"""``module:Class`` by the action's name."""


@cache
def action(name: str) -> Action:
    """What does the action, the same one each time. Raises :class:`GitopsError` for one that nobody brings, and for a
    plugin that is broken."""
    place = ACTIONS.get(name)
    if place is not None:
        module, _, attribute = place.partition(":")
        made: Callable[[], Action] = getattr(import_module(module), attribute)
        return made()
    points = by_name(GROUP).get(name, ())
    if not points:
        raise GitopsError(f"nothing here does {name}", hint="install the plugin that brings it where the worker runs")
    if len(points) > 1:
        owners = " and ".join(sorted(str(point.value) for point in points))
        raise GitopsError(f"the action {name} is brought twice ({owners})", hint="uninstall one of the plugins")
    try:
        loaded: Action = points[0].load()()
    except Exception as error:
        raise GitopsError(f"the plugin that does {name} can't be loaded: {error}") from error
    return loaded
