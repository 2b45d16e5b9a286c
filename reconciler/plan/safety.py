"""The guards that hold a plan back. Their errors carry the numbers; one switch each says "yes, I mean it"."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.base.errors import PlanRefused
from reconciler.model.plan import Action, Plan


@dataclass(frozen=True, slots=True)
class Limits:
    """When a plan is too large to be meant. ``max_delete_percent`` counts only from ``min_resources`` resources on."""

    max_delete_percent: float = 30.0
    min_resources: int = 10


def check_deletions(plan: Plan, held: int, limits: Limits) -> None:
    """Refuse a plan that deletes too large a part of the ``held`` resources its source has in the store."""
    gone = sum(1 for c in plan.resources if c.action is Action.DELETE)
    if held >= limits.min_resources and gone * 100 > limits.max_delete_percent * held:
        raise PlanRefused(
            "deletions",
            f"the plan deletes {gone} of {held} resources of source {plan.source} "
            f"({gone * 100 / held:.0f} %, the limit is {limits.max_delete_percent:g} %)",
            hint="check that the source is whole; if it's meant, pass --force",
        )


def check_empty(source: str, documents: int, held: int) -> None:
    """Refuse a source without a single document while the store holds resources of it, orphans apart."""
    if documents == 0 and held > 0:
        raise PlanRefused(
            "empty-source",
            f"source {source} has no documents, while the store holds {held} resource{'s' * (held != 1)} of it",
            hint="check the folder and the include globs; if it's meant, pass --force",
        )
