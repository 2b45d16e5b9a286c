"""A value that isn't there: harmless while it is only carried along, a fault as soon as it is used."""

from __future__ import annotations

from typing import Any

from reconciler.render.bounds import kind
from reconciler.render.faults import TemplateFault, closest, shown


class Missing:
    """``base`` and ``step``: the chain up to the first member without a value, and that member, both as written.

    ``owner`` is what should have held ``name`` (the context, for a root); ``offset`` is where the expression reaches.
    """

    __slots__ = ("base", "name", "offset", "owner", "step")

    def __init__(self, base: str, step: str, name: Any, owner: Any, *, offset: int) -> None:
        self.base = base
        self.step = step
        self.name = name
        self.owner = owner
        self.offset = offset

    def fault(self) -> TemplateFault:
        """The fault of using it, with what was probably meant."""
        path = self.base + self.step
        path = path if len(path) <= 120 else path[:117] + "..."
        return TemplateFault("template-undefined", f"`{path}` is undefined", self.offset, hint=self._hint())

    def _hint(self) -> str:
        name, owner = str(self.name)[:60], self.owner
        base = self.base if len(self.base) <= 60 else self.base[:57] + "..."
        if not base:
            return root_hint(name, owner)
        if isinstance(owner, dict) and not owner:
            return f"{base} has no fields here; `| default('...')` gives a value for that case"
        if isinstance(owner, dict):
            meant = closest(name, list(owner))
            the = "the " if base.isidentifier() else ""
            return (f"did you mean {meant}? " if meant else "") + f"{the}{base} has: {shown(owner)}"
        if isinstance(owner, list) and not isinstance(self.name, str):
            return f"the list has {len(owner)} items"
        return f"{base} is {kind(owner)} and has no member {name}"


def root_hint(name: str, known: Any) -> str:
    """The way out for a name that nothing stands behind. ``known``: the names there are."""
    if name == "secrets":
        return "a secret is written `${{ secrets.NAME }}`, in a field that takes secrets"
    if name in ("null", "undefined", "nil"):
        return "write `none`"
    meant = closest(name, list(known))
    return (f"did you mean {meant}? " if meant else "") + f"templates see: {shown(known) or 'nothing here'}"
