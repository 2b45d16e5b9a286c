"""A part of a plan, for who asks about one environment, one thing, or what is lost. For people, never to be applied."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from reconciler.model.plan import Action, Plan, ResourceChange, SliceChange
from reconciler.model.resource import Key
from reconciler.model.slice import NO_ENVIRONMENT

ONLY = {
    "deletions": frozenset((Action.DELETE, Action.ORPHAN)),
    "moves": frozenset((Action.MOVE,)),
    "changes": frozenset((Action.UPDATE,)),
    "creations": frozenset((Action.CREATE,)),
}
"""What can be asked for, by the words of the command line."""


@dataclass(frozen=True, slots=True)
class Focus:
    """What is shown; nothing said shows everything.

    ``above``: the environments that ``environment`` extends, whose changes are changes of it.
    """

    environment: str | None = None
    target: Key | None = None
    only: tuple[str, ...] = ()
    above: Collection[str] = ()

    def __bool__(self) -> bool:
        return bool(self.environment or self.target or self.only)

    def __str__(self) -> str:
        """``only deletions, in environment production, of Check ready``."""
        parts = [f"only {' and '.join(self.only)}"] if self.only else []
        parts += [f"in environment {self.environment}"] if self.environment else []
        parts += [f"of {self.target}"] if self.target else []
        return ", ".join(parts)


EVERYTHING = Focus()


def focused(plan: Plan, focus: Focus) -> Plan:
    """The same plan with only these decisions; what it counts is what is shown."""
    if not focus:
        return plan
    slices = [c for c in plan.slices if _in_environment(plan, c, focus) and _of_target(plan, c, focus.target)]
    touched = {uid for c in slices for uid in c.key}
    actions = frozenset().union(*(ONLY[word] for word in focus.only)) if focus.only else frozenset(Action)
    return replace(
        plan,
        resources=tuple(c for c in plan.resources if c.action in actions and _wanted(c, focus, touched)),
        slices=tuple(c for c in slices if c.action in actions),
    )


def _in_environment(plan: Plan, c: SliceChange, focus: Focus) -> bool:
    if focus.environment is None:
        return True
    return c.key.environment != NO_ENVIRONMENT and plan.names.get(c.key.environment) == focus.environment


def _of_target(plan: Plan, c: SliceChange, target: Key | None) -> bool:
    if target is None:
        return True
    parts = {"System": c.key.system, "Check": c.key.check, "Environment": c.key.environment}
    uid = parts.get(target.kind, NO_ENVIRONMENT)
    return uid != NO_ENVIRONMENT and plan.names.get(uid) == target.name


def _wanted(c: ResourceChange, focus: Focus, touched: Collection[int]) -> bool:
    """Of an environment: it, what it extends, and whatever its slices are made of."""
    keys = {c.key, c.old.resource.key} if c.old is not None else {c.key}
    if focus.target is not None and focus.target not in keys:
        return False
    if focus.environment is None or c.uid in touched:
        return True
    places = {focus.environment, *focus.above}
    return any(key.kind == "Environment" and key.name in places for key in keys)
