"""Rendered slices straight from a tree, without a store: what a template becomes in each environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.base.canonical import loads
from reconciler.base.errors import GitopsError
from reconciler.flows.offline import offline_plan
from reconciler.flows.opened import Source
from reconciler.flows.progress import Progress
from reconciler.model.slice import NO_ENVIRONMENT


@dataclass(frozen=True, slots=True)
class RenderedSlice:
    """``body`` is what an executor reads. ``environment`` is None for a run without one."""

    system: str
    check: str
    environment: str | None
    body: dict[str, Any]


def rendered(
    source: Source,
    check: str | None = None,
    *,
    system: str | None = None,
    environment: str | None = None,
    progress: Progress | None = None,
) -> list[RenderedSlice]:
    """The slices that match, by names. Raises ``InvalidDocuments``, and ``GitopsError`` when none matches."""
    plan = offline_plan(source.tree(), source.settings, progress=progress)
    found = []
    for c in plan.slices:
        names = [plan.names[uid] if uid else "" for uid in c.key]
        at = None if c.key.environment == NO_ENVIRONMENT else names[2]
        if check in (None, names[1]) and system in (None, names[0]) and environment in (None, at):
            found.append(RenderedSlice(names[0], names[1], at, loads(c.body)))
    if not found:
        asked = ", ".join(
            f"{what} {name!r}"
            for what, name in (("check", check), ("system", system), ("environment", environment))
            if name is not None
        )
        raise GitopsError(
            f"no slice runs {asked}" if asked else "no system runs a check", hint="gitops render lists all of them"
        )
    return sorted(found, key=lambda s: (s.system, s.check, s.environment or ""))
