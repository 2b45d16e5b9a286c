"""Monitoring as code: load, plan, apply.

What stands in ``__all__`` is the public interface. The functions are in :mod:`reconciler.api` (here ``plan`` is a stage
of the path, and a name can mean one thing only). All of it is imported when it is first used, so that
``import reconciler``, and with it the command line, stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reconciler._version import __version__

if TYPE_CHECKING:
    from reconciler import api
    from reconciler.api import CheckRun, LoadedResource, Snapshot
    from reconciler.base.diagnostics import Diagnostic, Place
    from reconciler.base.errors import (
        ChainError,
        GitopsError,
        InvalidDocuments,
        LockHeld,
        PlanRefused,
        SourceError,
        StalePlan,
        StoreError,
        StoreTooNew,
        UsageError,
    )
    from reconciler.flows.apply import Applied
    from reconciler.flows.render import RenderedSlice
    from reconciler.flows.settings import Overrides
    from reconciler.model.plan import Plan

__all__ = [
    "Applied",
    "ChainError",
    "CheckRun",
    "Diagnostic",
    "GitopsError",
    "InvalidDocuments",
    "LoadedResource",
    "LockHeld",
    "Overrides",
    "Place",
    "Plan",
    "PlanRefused",
    "RenderedSlice",
    "Snapshot",
    "SourceError",
    "StalePlan",
    "StoreError",
    "StoreTooNew",
    "UsageError",
    "__version__",
    "api",
]

_HOMES = {
    "reconciler.api": ("CheckRun", "LoadedResource", "Snapshot"),
    "reconciler.base.diagnostics": ("Diagnostic", "Place"),
    "reconciler.base.errors": (
        *("ChainError", "GitopsError", "InvalidDocuments", "LockHeld", "PlanRefused"),
        *("SourceError", "StalePlan", "StoreError", "StoreTooNew", "UsageError"),
    ),
    "reconciler.flows.apply": ("Applied",),
    "reconciler.flows.render": ("RenderedSlice",),
    "reconciler.flows.settings": ("Overrides",),
    "reconciler.model.plan": ("Plan",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is asked for; a submodule that was never imported stays an ``AttributeError``."""
    if name == "api":
        return import_module("reconciler.api")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
