"""Which class runs a strategy. Loads nothing: a class is imported when the first slice needs it.

A distribution that brings a strategy of its own names its config in the entry point group ``gitops.strategies`` and
its collectors in ``gitops.collectors`` (an ``Entry``, see ``reconciler.kinds.plugins``), and the class that runs it,
which has to be a :class:`reconciler.execute.port.Strategy` that is made without arguments, in the group
``gitops_execute.strategies`` under the same name. That group is not among ``gitops.*``, since whoever only plans never
needs the class, nor the libraries it imports.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from reconciler.base.errors import GitopsError
from reconciler.base.points import by_name

if TYPE_CHECKING:
    from reconciler.execute.port import Strategy

GROUP = "gitops_execute.strategies"
"""The entry point group of strategies' classes."""

STRATEGIES: dict[str, str] = {
    "http": "reconciler.execute.http:Http",
    "tcp": "reconciler.execute.tcp:Tcp",
    "dns": "reconciler.execute.dns:Dns",
    "tls": "reconciler.execute.tls:Tls",
    "ping": "reconciler.execute.ping:Ping",
    "script": "reconciler.execute.script:Script",
    "postgres": "reconciler.execute.postgres:Postgres",
    "mysql": "reconciler.execute.mysql:Mysql",
    "redis": "reconciler.execute.redis:Redis",
    "grpc": "reconciler.execute.grpc:Grpc",
    "ssh": "reconciler.execute.ssh:Ssh",
}
"""``module:Class`` by the strategy's name."""


def factory(name: str) -> Callable[[], Strategy]:
    """What makes the strategy. Raises ``ImportError`` for a client library that isn't there, :class:`GitopsError` for
    a strategy that nobody brings, or whose plugin is broken."""
    place = STRATEGIES.get(name)
    if place is not None:
        module, _, attribute = place.partition(":")
        made: Callable[[], Strategy] = getattr(import_module(module), attribute)
        return made
    points = by_name(GROUP).get(name, ())
    if not points:
        raise GitopsError(
            f"nothing here runs the strategy {name}", hint="install the plugin that brings it where the worker runs"
        )
    if len(points) > 1:
        owners = " and ".join(sorted(str(point.value) for point in points))
        raise GitopsError(f"the strategy {name} is brought twice ({owners})", hint="uninstall one of the plugins")
    try:
        loaded = points[0].load()
    except ImportError:
        raise
    except Exception as error:
        raise GitopsError(f"the plugin that runs the strategy {name} can't be loaded: {error}") from error
    if not callable(loaded):
        raise GitopsError(f"the plugin that runs the strategy {name} names no class ({points[0].value})")
    return loaded  # type: ignore[no-any-return]  # an entry point can be anything; calling it will tell
